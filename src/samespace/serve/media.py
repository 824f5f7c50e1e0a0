"""Original files for the player: opened under an indexed root only, sent in the stretch a browser asks for.

Knows nothing of searching. Imports starlette.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from samespace.errors import ReadError

__all__ = ["PLAYABLE", "locate", "open_under", "stream"]

PLAYABLE = {
    "audio/aac": "audio/aac",
    "audio/flac": "audio/flac",
    "audio/x-flac": "audio/flac",
    "audio/mp4": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/mpeg": "audio/mpeg",
    "audio/mp3": "audio/mpeg",
    "audio/ogg": "audio/ogg",
    "audio/opus": "audio/ogg",
    "audio/vorbis": "audio/ogg",
    "audio/wav": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/webm": "audio/webm",
    "video/mp4": "video/mp4",
    "video/quicktime": "video/mp4",
    "video/ogg": "video/ogg",
    "video/webm": "video/webm",
    "application/ogg": "audio/ogg",
}
"""What the file is → the fixed type it is sent as. Nothing else is ever sent as it lies on disk."""

_CHUNK = 256 << 10


def locate(path: str, root: str) -> Path:
    """The real place of an indexed file.

    Args:
        path: as the file system names it, absolute.
        root: the folder that was indexed.

    Raises:
        ReadError: "vanished" if it is not there, "permission" if it does not lie under its root any more.
    """
    top = Path(os.path.realpath(root))
    top = top if top.is_dir() else top.parent  # a root may be a single file
    real = Path(os.path.realpath(path))
    if not os.path.lexists(path):
        raise ReadError("vanished", "the file is no longer there", "Index its folder again.")
    if not real.is_relative_to(top):
        raise ReadError("permission", "the file does not lie under its indexed folder any more", "Index it again.")
    if not real.is_file():
        raise ReadError("permission", "it is not a plain file any more", "Index its folder again.")
    return real


def open_under(path: str, root: str) -> int:
    """Open an indexed file for reading and return its descriptor. Raises ReadError as `locate`."""
    real = locate(path, root)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(real, flags)
    except OSError as err:
        raise ReadError("permission", f"the file cannot be opened: {err.strerror}", "Check its permissions.") from err
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ReadError("permission", "it is not a plain file any more", "Index its folder again.")
    return handle


def stream(handle: int, mime: str, asked: str | None) -> Response:
    """Send an open file, or the stretch of it that a Range header asks for; closes it.

    Args:
        handle: an open descriptor.
        mime: a type of PLAYABLE.
        asked: the Range header.
    """
    size = os.fstat(handle).st_size
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": "inline",
        "content-security-policy": "default-src 'none'; media-src 'self'; sandbox; frame-ancestors 'none'",
    }
    wanted = _range(asked, size)
    if wanted is None:
        os.close(handle)
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    first, last, partial = wanted
    headers["content-length"] = str(last - first + 1)
    if partial:
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    return StreamingResponse(_Stretch(handle, first, last), 206 if partial else 200, headers, PLAYABLE[mime])


def _range(asked: str | None, size: int) -> tuple[int, int, bool] | None:
    """(first, last, whether it is a part); None = cannot be met. Several ranges, or nonsense, give the whole."""
    found = re.fullmatch(r"\s*bytes=(\d{0,18})-(\d{0,18})\s*", asked or "")
    if found is None or not (found[1] or found[2]):
        return 0, size - 1, False
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, size - 1, True) if length else None
    first, last = int(found[1]), min(int(found[2] or size), size - 1)
    return (first, last, True) if first <= last and first < size else None


class _Stretch:
    """Bytes first..last of a descriptor; it is closed at the end, also when nobody reads on."""

    def __init__(self, handle: int, first: int, last: int) -> None:
        self._file = open(handle, "rb", buffering=0)  # noqa: SIM115 - closed by __iter__, or with this object
        self._first, self._last = first, last

    def __iter__(self) -> Iterator[bytes]:
        with self._file as source:
            source.seek(self._first)
            left = self._last - self._first + 1
            while left > 0 and (chunk := source.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
