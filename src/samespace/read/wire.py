"""Messages between the pool and its workers.

A worker decodes hostile files, so what comes from it is not trusted: only our own plain classes are ever unpickled.

Knows nothing of processes. Imports the standard library, items and protocol.
"""

import io
import pathlib
import pickle
from typing import Any

from samespace import items
from samespace.errors import ReadError
from samespace.read import protocol

__all__ = ["LONGEST", "pack", "unpack"]

LONGEST = 256 << 20  # bytes of one message; more is an attack or a mistake

_ALLOWED: dict[tuple[str, str], Any] = {
    (cls.__module__, cls.__qualname__): cls
    for cls in (
        *(items.Text, items.Image, items.Audio, items.Video, items.Document, items.Mixed, items.Locator, items.Blob),
        *(protocol.Passage, protocol.Facts, protocol.Some, protocol.Done, protocol.Failed),
        *(pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath),
        ReadError,
    )
}


class _Unpickler(pickle.Unpickler):
    """Knows our value classes, and nothing that does anything."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"a worker sent {module}.{name}, which no message has")
        return _ALLOWED[module, name]


def pack(message: object) -> bytes:
    """A message as bytes."""
    return pickle.dumps(message, protocol=5)


def unpack(data: bytes) -> Any:
    """The message back. Raises pickle.UnpicklingError if it has anything but our value classes in it."""
    return _Unpickler(io.BytesIO(data)).load()
