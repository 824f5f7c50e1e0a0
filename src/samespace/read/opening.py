"""Opening files that may be anything: only regular ones, never blocking, and every refusal as a ReadError.

Knows nothing of formats. Imports the standard library only.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from samespace.errors import ReadError

__all__ = ["as_read_error", "bounded_bytes", "open_regular"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def as_read_error(err: OSError) -> ReadError:
    """Say in our classes what the system said in its own."""
    if isinstance(err, PermissionError):
        return ReadError("permission", "no permission to read it", "Give read permission: chmod +r FILE, or ignore it")
    if isinstance(err, (FileNotFoundError, NotADirectoryError)):
        return ReadError("vanished", "it is gone", "Run the index again; if it was moved, it is found at its new place")
    if err.errno == errno.ELOOP:
        return ReadError("unsupported", "a symbolic link that leads to itself", "Remove or mend the link")
    return ReadError("decode", f"the system could not read it: {err.strerror or err}", "Check the disk, then try again")


def _require_regular(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((name for test, name in _KINDS if test(mode)), "a special file")
    raise ReadError("unsupported", f"not a regular file but {kind}", "Nothing to do: only regular files are read")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    The kind is looked at before opening (a device may act on being opened) and again after (the name may have come
    to mean something else meanwhile; O_NONBLOCK keeps a pipe from hanging us).

    Raises:
        ReadError: vanished, permission, or unsupported if it is no regular file.
    """
    try:
        _require_regular(path.stat().st_mode)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _require_regular(os.fstat(handle).st_mode)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except OSError as err:
        raise as_read_error(err) from err


def bounded_bytes(path: Path, limit: int, what: str) -> bytes:
    """The whole content, if it is at most `limit` bytes.

    Raises:
        ReadError: too_big, naming `what` the limit is about; else as `open_regular`.
    """
    with open_regular(path) as file:
        try:
            data = file.read(limit + 1)
        except OSError as err:
            raise as_read_error(err) from err
    if len(data) > limit:
        raise ReadError("too_big", f"more than {limit:,} bytes of {what}", "Cut it into parts, or raise the limit")
    return data
