"""LanceIndex: an Index in a folder or an object store, in three Lance tables.

Many processes read while one writes. What `commit` returned from survives a power cut.

Knows nothing of models. Imports lance, pyarrow: import this module where it is used.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.errors import SpaceMismatchError, StoreError
from samespace.index.check import check_commit
from samespace.index.durable import Durable
from samespace.index.exact import Exact
from samespace.index.lock import NAME, hold
from samespace.index.previews import Previews
from samespace.index.protocol import FileRow, ItemRow, Nearest, Status
from samespace.index.schema import Card, file_rows, file_table, item_table, matrix, schemas, vector_table
from samespace.index.snapshot import Snapshot, digests_of, join
from samespace.index.status import tally
from samespace.index.tables import Tables, View, place
from samespace.space import Space, Vectors

__all__ = ["LanceIndex"]


class LanceIndex:
    """An Index on disk. Made by `create` or `open`.

    Attributes:
        uri: where it is.
        card: what it is: Space, model, recipe.
        previews: its small pictures; `writer.commit` makes their names durable, too.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.uri, self.card = tables.uri, tables.card
        self.previews = Previews(tables.folder / "previews" if tables.folder else None)
        self._lock = Lock()
        self._held: tuple[View, Snapshot] | None = None

    @classmethod
    def create(cls, uri: str | Path, space: Space, model: str, recipe: Mapping[str, Any] | None = None) -> "LanceIndex":
        """Make an index, or open the one that is there if it is of the same Space.

        Raises:
            SpaceMismatchError: there is one of another Space.
            StoreError: the folder holds other things, or cannot be written to, or is an object store.
        """
        folder = _folder(str(uri))
        if not Tables.exists(str(uri)):
            _make(folder, str(uri))
            with hold(folder, wait=10.0):
                if not Tables.exists(str(uri)):
                    Tables(str(uri), Card(space, model, dict(recipe or {}))).create(Durable(folder, clean=False))
        return cls.open(uri, space)

    @classmethod
    def open(cls, uri: str | Path, space: Space | None = None) -> "LanceIndex":
        """Open an index.

        Args:
            uri: where it is.
            space: the Space it must have, if that matters.

        Raises:
            IndexNotFoundError, IndexVersionError, IndexDamagedError: it is not there, too new, or broken.
            SpaceMismatchError: it is of another Space.
        """
        tables = Tables.open(str(uri))
        if space is not None and tables.card.space != space:
            raise SpaceMismatchError(str(space), str(tables.card.space))
        return cls(tables)

    @staticmethod
    def exists(uri: str | Path) -> bool:
        """Whether there is an index."""
        return Tables.exists(str(uri))

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

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row, of the newest snapshot."""
        return self.snapshot().nearest(query, k, allowed=allowed)

    def words(self, query: str, k: int, allowed: np.ndarray | None = None) -> Nearest:
        """The k item rows of the newest snapshot that match the words best."""
        return self.snapshot().words(query, k, allowed=allowed)

    def snapshot(self) -> Snapshot:
        """The newest consistent view; the same object as before if nothing was committed since."""
        with self._lock:
            if self._held is None or self._held[0].files.latest_version != self._held[0].files.version:
                view = self._tables.view()
                self._held = view, self._read(view)
            return self._held[1]

    def _read(self, view: View) -> Snapshot:
        items = join(view.files.to_table(), view.items.to_table())
        table = view.vectors.to_table()
        digests, rows = digests_of(items, table["digest"])
        at = pc.index_in(digests, value_set=table["digest"]).to_numpy()
        data = matrix(table["vector"], self.space.dim)[at]
        return Snapshot(self.space, digests, items, rows, Exact(data, self.space))

    def status(self) -> Status:
        """What it is and how it stands."""
        view = self._tables.view()
        tables = (view.files, view.items, view.vectors)
        folder = self._tables.folder
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder else 0
        return tally(
            self.uri,
            self.card,
            view.files.to_table(),
            self.snapshot(),
            size=size,
            versions=max(len(t.versions()) for t in tables),
            fragments=sum(len(t.get_fragments()) for t in tables),
        )

    @contextmanager
    def writer(self, *, wait: float = 0.0) -> Iterator["LanceWriter"]:
        """Take the lock. Raises IndexLockedError naming the owner; StoreError on an object store."""
        folder = _folder(self.uri)
        with hold(folder, wait=wait) as in_order:
            durable = Durable(folder, clean=in_order)
            durable.sync()
            yield LanceWriter(self._tables, durable, self.previews)


class LanceWriter:
    """The one who may change a LanceIndex."""

    def __init__(self, tables: Tables, durable: Durable, previews: Previews) -> None:
        self._tables, self._durable, self._previews = tables, durable, previews
        self._schemas = schemas(tables.card)
        view = tables.view()
        self._known = set(view.vectors.to_table(columns=["digest"])["digest"].to_pylist())
        self._files = file_rows(view.files.to_table())

    def files(self) -> dict[str, FileRow]:
        """All file rows by path."""
        return dict(self._files)

    def readings(self) -> frozenset[str]:
        """Readings whose items are wholly there."""
        return frozenset(f.reading for f in self._files.values() if f.status != "failed")

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that have no vector yet, in order, without repeats."""
        return [d for d in dict.fromkeys(digests) if d and d not in self._known]

    def commit(
        self, files: Sequence[FileRow], items: Sequence[ItemRow], digests: Sequence[str], vectors: Vectors
    ) -> None:
        """Write vectors, then items, then files; on the disk when it returns."""
        check_commit(items, digests, vectors, self._tables.card.space, self._known)
        self._previews.sync()
        name = self._tables.card.vector_table
        rows = vector_table(digests, vectors, self._schemas[name])
        self._tables.upsert(name, rows, "digest", self._durable, update=False)
        self._known.update(digests)
        self._tables.upsert("items", item_table(items, self._schemas["items"]), "id", self._durable)
        self._tables.upsert("files", file_table(files, self._schemas["files"]), "path", self._durable)
        self._files.update({file.path: file for file in files})

    def remove(self, paths: Sequence[str]) -> int:
        """Forget files; their items and vectors go at the next maintenance."""
        gone = [path for path in dict.fromkeys(paths) if path in self._files]
        self._tables.delete("files", pa.array(gone, pa.string()), "path", self._durable)
        for path in gone:
            del self._files[path]
        return len(gone)

    def maintain(self) -> None:
        """Collect what no file leads to."""
        view = self._tables.view()
        readings = pa.array(sorted(self.readings()), pa.string())
        items = view.items.to_table(columns=["id", "reading", "digest"])
        kept = pc.is_in(items["reading"], value_set=readings)
        self._tables.delete("items", items.filter(pc.invert(kept))["id"].combine_chunks(), "id", self._durable)
        wanted = pc.unique(items.filter(kept)["digest"])
        digests = view.vectors.to_table(columns=["digest"])["digest"]
        lost = digests.filter(pc.invert(pc.is_in(digests, value_set=wanted))).combine_chunks()
        self._tables.delete(self._tables.card.vector_table, lost, "digest", self._durable)
        self._known.difference_update(lost.to_pylist())


def _folder(uri: str) -> Path:
    """The folder of an index that is to be written."""
    folder = place(uri)
    if folder is None:
        raise StoreError(
            uri, "an index on an object store can be searched, not written",
            "Write it in a folder and copy the folder there",
        )  # fmt: skip
    return folder


def _make(folder: Path, uri: str) -> None:
    """Make an index folder; one that holds other things is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = [p.name for p in folder.iterdir() if p.suffix != ".lance" and p.name != NAME]
    except OSError as err:
        raise StoreError(
            uri, f"no index can be made here ({err.strerror})", "Name another folder: --index DIR"
        ) from err
    if strange:
        raise StoreError(uri, f"the folder holds other things ({strange[0]!r})", "Name an empty or new folder")
