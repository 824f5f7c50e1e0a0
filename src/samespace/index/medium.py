"""What an index stands on: the one switch between a folder and an object store.

A folder needs fsync and a lock of the operating system. An object store needs neither: what it took is there, and a
lease says who writes. Whatever writes tables asks for a Medium and does not know which one it has.

Imports torn for the first of the two.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from samespace.index.durable import Durable
from samespace.index.lock import hold
from samespace.index.torn import repair

__all__ = ["Medium", "Sized", "place", "sized", "writing_to"]


def place(uri: str) -> Path | None:
    """The folder that a URI names; None = it names an object store."""
    if re.match(r"file://", uri):
        return Path(uri.removeprefix("file://"))
    return None if re.match(r"[a-z][a-z0-9+.-]+://", uri) else Path(uri)


class Sized(Protocol):
    """What knows the size of files."""

    def sizes(self, part: str) -> Mapping[str, int]:
        """Bytes of each file below a part ("" = all of it), by its path below that part."""


class Medium(Sized, Protocol):
    """Where tables are written.

    Attributes:
        written: bytes that `sync` put there so far.
    """

    written: int

    def sync(self, *parts: str) -> int:
        """Return when all new files below some parts (none = all) would survive a power cut; how many there were."""

    def tail(self, path: str, count: int) -> bytes:
        """The last bytes of a file."""

    def forget(self, part: str) -> None:
        """Files of a part were deleted: remember them no longer."""


@contextmanager
def writing_to(uri: str, parts: Iterable[str], *, wait: float = 0.0) -> Iterator[tuple[Medium, bool]]:
    """Hold the right to write to an index.

    Args:
        uri: where it is.
        parts: its tables' folders.
        wait: seconds to wait for another writer.

    Yields:
        The medium, and whether the last writer ended in order: if not, everything there was synced anew.

    Raises:
        IndexLockedError: somebody else writes; says who.
        StoreError: it cannot be written to.
        MissingExtraError: it is on an object store, and obstore is not installed.
    """
    folder, parts = place(uri), tuple(parts)
    if folder is None:
        from samespace.index.bucket import Bucket
        from samespace.index.lease import hold_lease, store_at

        with hold_lease(uri, wait=wait) as (in_order, lease):
            yield Bucket(store_at(uri), lease), in_order
        return
    with hold(folder, wait=wait) as in_order:
        durable = Durable(folder, clean=parts if in_order else ())
        if not in_order:
            repair(folder, parts)
            durable.sync()  # the last writer was killed: what it wrote may be in memory only
            durable.written = 0
        yield durable, in_order


def sized(uri: str) -> Sized:
    """What knows the size of an index's files. Raises MissingExtraError on an object store without obstore."""
    folder = place(uri)
    if folder is not None:
        return Durable(folder)
    from samespace.index.bucket import Listing
    from samespace.index.lease import store_at

    return Listing(store_at(uri))
