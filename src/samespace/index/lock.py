"""The lock of an index folder: one writer, any number of readers.

The operating system holds it (flock on a file of the folder), so it is free the moment its owner dies. The file's text
names the owner for the message, and tells the next writer whether the last one came to its end.

Knows nothing of what is written. Imports the standard library only.
"""

import fcntl
import os
import re
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
        StoreError: the folder cannot be written to, or its file system knows no locks.
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
        _sign(handle, folder)
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
                raise IndexLockedError(str(folder), _described(os.pread(handle, 500, 0))) from None
        except OSError as err:
            raise StoreError(
                str(folder), f"its file system gives no locks ({err.strerror})",
                "Put the index on a local disk: --index DIR",
            ) from err  # fmt: skip
        time.sleep(min(_PAUSE, max(0.0, until - time.monotonic())))


def _described(text: bytes) -> str:
    """The owner as it named itself, and whether it is stopped: then it will never end."""
    name = text.decode("utf-8", "replace") or "its name is not written yet"
    found = re.match(r"process (\d+) on (.*), since", name)
    if found and found[2] == socket.gethostname():
        try:
            state = Path(f"/proc/{found[1]}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            state = ""
        if state in ("T", "t"):
            return f"{name}; it is stopped, to let it go on: kill -CONT {found[1]}"
    return name


def unfinished(folder: Path) -> bool:
    """Whether somebody writes right now, or the last who did came to no end."""
    try:
        return (folder / NAME).stat().st_size > 0
    except OSError:
        return False


def _sign(handle: int, folder: Path) -> None:
    """Put the owner's name on the disk: no power cut may make the next writer believe that all is well.

    The file is at no moment empty once it was not, full disk or not: else a crash before would be forgotten.
    """
    name = owner().encode()
    try:
        os.pwrite(handle, name, 0)
        os.ftruncate(handle, len(name))
        os.fsync(handle)
        place = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    except OSError as err:
        raise StoreError(
            str(folder), f"the index cannot be written to ({err.strerror})", "Make room on its disk, then index again"
        ) from err


def owner() -> str:
    """This process, as a message names it."""
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}"
