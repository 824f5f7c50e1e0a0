"""The lock of an index folder: one writer, any number of readers.

The operating system holds it (flock on a file of the folder), so it is free the moment its owner dies. The file's text
names the owner for the message, and tells the next writer whether the last one came to its end.

Knows nothing of what is written. Imports the standard library only.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from samespace.errors import IndexLockedError, StoreError

__all__ = ["NAME", "hold", "owner", "unfinished"]

NAME = "writer.lock"
_PAUSE = 0.05  # seconds between two tries


@contextmanager
def hold(folder: Path, *, wait: float = 0.0) -> Iterator[bool]:
    """Hold the folder's lock.

    Args:
        folder: the index folder.
        wait: seconds to wait for another owner to end.

    Yields:
        whether the last owner ended in order; False after a crash.

    Raises:
        IndexLockedError: somebody else has it; says who.
        StoreError: the folder cannot be written to.
    """
    path = folder / NAME
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as err:
        raise StoreError(
            str(folder), f"the index cannot be written to ({err.strerror})", "Give yourself the right to write there"
        ) from err
    try:
        _take(handle, folder, time.monotonic() + wait)
        in_order = not os.pread(handle, 1, 0)
        os.ftruncate(handle, 0)
        os.pwrite(handle, owner().encode(), 0)
        _sync(handle, folder)  # a power cut must not make the next writer believe that all is well
        yield in_order
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int, folder: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                owner = os.pread(handle, 500, 0).decode("utf-8", "replace")
                raise IndexLockedError(str(folder), owner or "its name is not written yet") from None
        time.sleep(min(_PAUSE, max(0.0, until - time.monotonic())))


def unfinished(folder: Path) -> bool:
    """Whether somebody writes right now, or the last who did came to no end."""
    try:
        return (folder / NAME).stat().st_size > 0
    except OSError:
        return False


def _sync(handle: int, folder: Path) -> None:
    """Put the owner's name on the disk, and the name of the file."""
    os.fsync(handle)
    place = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def owner() -> str:
    """This process, as a message names it."""
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}"
