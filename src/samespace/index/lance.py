"""LanceIndex: an Index in a folder or an object store, in three Lance tables.

Many processes read while one writes. What `commit` returned from survives a power cut.

Knows nothing of models. Imports lance, pyarrow: import this module where it is used.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.errors import SpaceMismatchError, StoreError
from samespace.index.body import Body
from samespace.index.disk import Disk
from samespace.index.durable import Durable
from samespace.index.lance_writer import LanceWriter
from samespace.index.lock import NAME, hold
from samespace.index.previews import Previews
from samespace.index.protocol import FileRow, Nearest, Status
from samespace.index.ram import Ram
from samespace.index.schema import Card, file_rows, matrix
from samespace.index.snapshot import Finder, Snapshot, digests_of, join
from samespace.index.status import tally
from samespace.index.tables import Tables, View, place
from samespace.index.trouble import reading
from samespace.index.upkeep import RAM_ROWS, WORD_ROWS
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
        self.ram_rows, self.word_rows = RAM_ROWS, WORD_ROWS
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
                    Tables(str(uri), Card(space, model, dict(recipe or {}))).create(Durable(folder))
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
                with reading(self.uri):
                    view = self._tables.view()
                    self._held = view, self._read(view, self._held[1] if self._held else None)
            return self._held[1]

    def _read(self, view: View, last: Snapshot | None) -> Snapshot:
        """Load a view; vectors that the last Snapshot held in RAM are not read again."""
        listed = view.items.count_rows() > self.word_rows and any(
            index.name == "terms" for index in view.items.describe_indices()
        )
        columns = [name for name in view.items.schema.names if not (listed and name == "terms")]
        items = join(view.files.to_table(), view.items.to_table(columns=columns))
        known = view.vectors.to_table(columns=["digest"])["digest"]
        digests, rows = digests_of(items, known)
        positions = pc.index_in(digests, value_set=known).to_numpy().astype(np.int64)
        finder: Finder
        if len(digests) > self.ram_rows:
            finder = Disk(view.vectors, digests, positions, self.space)
        else:
            finder = Ram(self._load(view.vectors, digests, positions, last), self.space)
        body = Body(view.items, items["id"]) if listed else None
        return Snapshot(self.space, digests, items, rows, finder, body)

    def _load(self, table: Any, digests: pa.Array, positions: np.ndarray, last: Snapshot | None) -> np.ndarray:
        """The vectors of some digests, which stand at these positions of their table."""
        data = np.empty((len(digests), self.space.dim), np.float32)
        new = np.ones(len(digests), bool)
        if last is not None and isinstance(last.finder, Ram):
            at = pc.fill_null(pc.index_in(digests, value_set=last.digests), -1).to_numpy().astype(np.int64)
            new = at < 0
            data[~new] = last.finder.data[at[~new]]
        wanted = positions[new]
        if 2 * len(wanted) > table.count_rows():
            every: np.ndarray = matrix(table.to_table(columns=["vector"])["vector"], self.space.dim)
            if new.all():
                return np.asarray(every[wanted])
            data[new] = every[wanted]
        elif len(wanted):
            data[new] = matrix(table.take(wanted, columns=["vector"])["vector"], self.space.dim)
        return data

    def files(self) -> dict[str, FileRow]:
        """All file rows by path, without the lock."""
        with reading(self.uri):
            return file_rows(self._tables.open_table("files").to_table())

    def status(self) -> Status:
        """What it is and how it stands."""
        with reading(self.uri):
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
            durable = Durable(folder, clean=self._tables.parts() if in_order else ())
            if not in_order:
                durable.sync()  # the last writer was killed: what it wrote may be in memory only
            with reading(self.uri):
                writer = LanceWriter(self._tables, durable, self.previews)
            try:
                yield writer
            finally:
                writer.close()


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
