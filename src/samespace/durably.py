"""Files written so that there is the old one or the new one, whatever happens, and the new one from here on.

Imports the standard library.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["drafted", "fsync", "write_durably"]


def write_durably(path: Path, data: bytes) -> None:
    """Write a file anew in one step; on the disk when it returns. Raises OSError: then what was there still is."""
    with drafted(path) as draft:
        draft.write_bytes(data)


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Where to write what is to stand at a path, of the same suffix: it takes the place when the block ends well.

    Raises OSError: then what was there still is, and the draft is gone.
    """
    draft = path.with_name(f".draft-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield draft
        fsync(draft)
        draft.replace(path)
        fsync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def fsync(path: str | Path) -> int:
    """Put one file or folder on the disk; returns its size in bytes."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)
