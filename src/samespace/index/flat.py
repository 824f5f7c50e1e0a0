"""FlatIndex: everything in memory, every pair scored. The oracle that other Indexes are held against.

Knows nothing of models or disks. Imports numpy, and pyarrow for its Snapshot.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from samespace.errors import IndexLockedError
from samespace.index.check import check_commit
from samespace.index.exact import Exact
from samespace.index.placed import Held, join
from samespace.index.previews import Previews
from samespace.index.protocol import FileRow, ItemRow, Nearest, Status
from samespace.index.schema import Card, file_table, item_table, schemas
from samespace.index.snapshot import Snapshot, digests_of
from samespace.index.status import tally
from samespace.space import Space, Vectors

__all__ = ["FlatIndex"]


class FlatIndex:
    """An Index in memory. It is gone when the process ends."""

    def __init__(self, space: Space, model: str = "", recipe: Mapping[str, Any] | None = None) -> None:
        self.card = Card(space, model, dict(recipe or {}))
        self._files: dict[str, FileRow] = {}
        self._items: dict[str, ItemRow] = {}
        self._vectors: dict[str, np.ndarray] = {}
        self.previews = Previews(None)
        self._lock = Lock()
        self._snapshot: Snapshot | None = None

    @property
    def space(self) -> Space:
        """Where its rows live."""
        return self.card.space

    @property
    def model(self) -> str:
        """Name of its encoder."""
        return self.card.model

    def __len__(self) -> int:
        """Distinct vectors that a file leads to."""
        return len(self.snapshot())

    @contextmanager
    def writer(self, *, wait: float = 0.0) -> Iterator["_Writer"]:
        """Take the lock. Raises IndexLockedError."""
        if not self._lock.acquire(timeout=wait if wait > 0 else 0.0001):
            raise IndexLockedError("memory", "this process")
        try:
            yield _Writer(self)
        finally:
            self._lock.release()

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row."""
        return self.snapshot().nearest(query, k, allowed=allowed)

    def words(self, query: str, k: int, allowed: np.ndarray | None = None) -> Nearest:
        """The k item rows that match the words best."""
        return self.snapshot().words(query, k, allowed=allowed)

    def snapshot(self) -> Snapshot:
        """One consistent view."""
        if self._snapshot is None:
            tables = schemas(self.card)
            files = file_table(list(self._files.values()), tables["files"])
            items = join(files, item_table(list(self._items.values()), tables["items"]))
            digests, rows = digests_of(items["digest"], pa.array(list(self._vectors), pa.string()))
            data = [self._vectors[digest] for digest in digests.to_pylist()]
            matrix = np.stack(data) if data else np.zeros((0, self.space.dim), np.float32)
            self._snapshot = Snapshot(self.space, digests, Held(items), rows, Exact(matrix, self.space))
        return self._snapshot

    def files(self) -> dict[str, FileRow]:
        """All file rows by path."""
        return dict(self._files)

    def status(self) -> Status:
        """What it is and how it stands."""
        files = file_table(list(self._files.values()), schemas(self.card)["files"])
        size = sum(v.nbytes for v in self._vectors.values())
        return tally("memory", self.card, files, self.snapshot(), size=size, versions=1, fragments=1)


class _Writer:
    """The one who may change it."""

    def __init__(self, index: FlatIndex) -> None:
        self._index = index

    def files(self) -> dict[str, FileRow]:
        """All file rows by path."""
        return dict(self._index._files)

    def readings(self) -> frozenset[str]:
        """Readings whose items are wholly there."""
        return frozenset(f.reading for f in self._index._files.values() if f.status != "failed")

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that have no vector yet, in order, without repeats."""
        return [d for d in dict.fromkeys(digests) if d and d not in self._index._vectors]

    def commit(
        self, files: Sequence[FileRow], items: Sequence[ItemRow], digests: Sequence[str], vectors: Vectors
    ) -> None:
        """Write vectors, then items, then files."""
        index = self._index
        check_commit(items, digests, vectors, index.space, index._vectors)
        for digest, row in zip(digests, vectors.data, strict=True):
            index._vectors.setdefault(digest, row.astype(np.float32))
        index._items.update({item.id: item for item in items})
        index._files.update({file.path: file for file in files})
        index._snapshot = None

    def remove(self, paths: Sequence[str]) -> int:
        """Forget files."""
        gone = [path for path in dict.fromkeys(paths) if self._index._files.pop(path, None)]
        self._index._snapshot = None
        return len(gone)

    def maintain(self) -> None:
        """Collect what no file leads to."""
        index, readings = self._index, self.readings()
        index._items = {i: item for i, item in index._items.items() if item.reading in readings}
        digests = {item.digest for item in index._items.values()}
        index._vectors = {d: row for d, row in index._vectors.items() if d in digests}
        rows: list[FileRow | ItemRow] = [*index._files.values(), *index._items.values()]
        index.previews.keep({row.preview for row in rows})
        index._snapshot = None
