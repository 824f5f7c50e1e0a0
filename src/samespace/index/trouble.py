"""Errors of Lance and of the disk, said in our words.

Knows nothing of tables. Imports pyarrow for its exceptions.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from samespace.errors import IndexDamagedError, StoreError

__all__ = ["cause", "damaged", "reading", "writing"]


def damaged(uri: str, fact: str) -> IndexDamagedError:
    """The error for files that do not fit together."""
    return IndexDamagedError(uri, fact, "Restore the index from a copy, or delete it and index again")


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Whatever cannot be read is damaged."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, pa.ArrowException) as err:
        raise damaged(uri, f"one of its files cannot be read ({cause(err)})") from err


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """Whatever cannot be written did not happen; what was committed before did."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, pa.ArrowException) as err:
        raise StoreError(
            uri,
            f"it could not be written ({cause(err)})",
            "Look for a full or read-only disk, then index again: it goes on from the last commit",
        ) from err


def cause(err: BaseException) -> str:
    """First line of an error, without the place in Lance's own source."""
    first = (str(err).splitlines() or [type(err).__name__])[0]
    return re.sub(r",? ?\S*\.rs:\d+:\d+", "", first)[:200]
