"""Query files: what a person dropped on the page, kept in private for some minutes.

Bytes go to a folder that only this user can open, under the hash of what they are; a worker process reads them there,
the server never looks inside. They go after their time, when there are too many, and at the end.

Knows nothing of searching or of HTTP. Imports the standard library and leftover.
"""

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from samespace.errors import QueryError
from samespace.read.leftover import Folder, sweep

__all__ = ["QueryFile", "QueryFiles"]


@dataclass(frozen=True)
class QueryFile:
    """One file: its id (hash of its bytes), where it is, and the name it came with, for people only."""

    id: str
    path: Path
    name: str
    size: int


class QueryFiles:
    """Keeps query files.

    Args:
        lifetime: seconds that a file is kept after it was last used.
        most: how many are kept; the one unused longest goes first.
        clock: seconds that never go back.
    """

    def __init__(self, lifetime: float = 600.0, most: int = 64, clock: Callable[[], float] = time.monotonic) -> None:
        sweep()
        self._own = Folder("query")
        self.folder = self._own.path
        self.lifetime, self.most, self._clock = lifetime, most, clock
        self._lock = threading.Lock()
        self._used: dict[str, tuple[float, QueryFile]] = {}  # in the order of last use

    async def keep(self, chunks: AsyncIterator[bytes], name: str) -> QueryFile:
        """Store a file as it streams in. Raises QueryError if it is empty."""
        digest, size = hashlib.blake2b(digest_size=16), 0
        handle, draft = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as out:
                async for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
            if not size:
                raise QueryError(f"the file {name!r} is empty", "Choose another file.")
            kept = QueryFile(digest.hexdigest(), self.folder / (digest.hexdigest() + _suffix(name)), name[:255], size)
            Path(draft).replace(kept.path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        with self._lock:
            old = self._used.pop(kept.id, None)
            if old is not None and old[1].path != kept.path:
                old[1].path.unlink(missing_ok=True)
            self._used[kept.id] = (self._clock(), kept)
        self.sweep()
        return kept

    def find(self, key: str) -> QueryFile:
        """The file of an id, its time begun anew. Raises QueryError if it has gone."""
        self.sweep()
        with self._lock:
            found = self._used.pop(key, None)
            if found is None:
                raise QueryError(
                    "a file of this query is no longer here", "Drop it on the page again: files are kept for minutes."
                )
            self._used[key] = (self._clock(), found[1])
            return found[1]

    def sweep(self) -> None:
        """Remove what is over its time, and the oldest of too many."""
        with self._lock:
            now = self._clock()
            over = len(self._used) - self.most
            for i, (key, (used, file)) in enumerate(list(self._used.items())):
                if i < over or now - used > self.lifetime:
                    del self._used[key]
                    file.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all of it."""
        with self._lock:
            self._used.clear()
        self._own.remove()


def _suffix(name: str) -> str:
    """A plain ending such as ".csv", which tells text formats apart; anything else is dropped."""
    found = re.search(r"\.[A-Za-z0-9]{1,8}$", name)
    return found[0].lower() if found else ""
