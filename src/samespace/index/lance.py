"""LanceIndex: an Index in a folder or an object store, in three Lance tables.

Many processes read while one writes. What `commit` returned from survives a power cut.

Knows nothing of models. Imports lance, pyarrow: import this module where it is used.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from samespace.errors import SamespaceError, SpaceMismatchError, StoreError
from samespace.index.body import Body
from samespace.index.cache import cache_of
from samespace.index.disk import Disk
from samespace.index.far import Far, held
from samespace.index.ground import Ground, mark
from samespace.index.lance_writer import LanceWriter
from samespace.index.medium import place, sized, writing_to
from samespace.index.migrate_marks import marked
from samespace.index.migrate_record import load
from samespace.index.placed import Held, Rows, Taken
from samespace.index.previews import Previews
from samespace.index.protocol import FileRow, Nearest, Status
from samespace.index.ram import Ram
from samespace.index.schema import Card, file_rows
from samespace.index.search_indexes import SearchIndexes
from samespace.index.snapshot import Finder, Prepared, Snapshot
from samespace.index.status import tally
from samespace.index.tables import Tables, View
from samespace.index.trouble import cause, reading
from samespace.index.upkeep import RAM_ROWS, WORD_ROWS
from samespace.index.usage import usages
from samespace.space import Space, Vectors

__all__ = ["LanceIndex"]


@dataclass(frozen=True)
class _Held:
    """The view that is open."""

    view: View
    ground: Ground
    snapshot: Snapshot
    translated: pa.Array

    def stale(self) -> bool:
        """Whether anything was written since: a table that was only put in order has its old files taken away, too."""
        return any(t.latest_version != t.version for t in (self.view.files, self.view.items, self.view.vectors))


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
        self.previews = _previews(tables)
        self.ram_rows, self.word_rows, self.cold_rows = RAM_ROWS, WORD_ROWS, WORD_ROWS
        self._cache = cache_of(tables)
        self._lock = Lock()
        self._held: _Held | None = None

    @classmethod
    def create(cls, uri: str | Path, space: Space, model: str, recipe: Mapping[str, Any] | None = None) -> "LanceIndex":
        """Make an index, or open the one that is there if it is of the same Space.

        Raises:
            SpaceMismatchError: there is one of another Space.
            StoreError: the place holds other things, or cannot be written to.
        """
        if not Tables.exists(str(uri)):
            _make(str(uri))
            with writing_to(str(uri), (), wait=10.0) as (medium, _):
                if not Tables.exists(str(uri)):
                    Tables(str(uri), Card(space, model, dict(recipe or {}))).create(medium)
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
        """The newest consistent view; the same object as before if nothing was written since."""
        with self._lock:
            if self._held is None or self._held.stale():
                last = self._held
                with reading(self.uri):
                    self._held = self._tables.consistent(lambda view: self._open(view, last))
            return self._held.snapshot

    def _open(self, view: View, last: "_Held | None") -> "_Held":
        """Open a view; what the last one had of it in RAM, or the cache, is not read again."""
        translated = marked(self.uri, self.card.vector_table)
        if last is not None and not translated.equals(last.translated):
            last = None  # rows that were translated are embedded now: the only ones that ever change
        ground = self._ground(view, last.ground if last else None)
        rows: Rows = Taken(view.files, view.items, ground.file_at, ground.item_at)
        listed = len(ground.ids) > self.word_rows and any(i.name == "terms" for i in view.items.describe_indices())
        small = len(rows) <= self.cold_rows
        if small:
            rows = Held(pa.table({name: rows[name] for name in [*rows.names, *([] if listed else ["terms"])]}))
        finder = self._finder(view.vectors, ground, last, small)
        body = Body(view.items, ground.ids, ground.item_at) if listed else None
        memo = self._cache.notes(ground.key) if self._cache else None
        ready = Prepared(ground.names, ground.sorts, ground.sort_names, memo)
        at = ground.vector_row.astype(np.int64)
        made = Snapshot(self.space, ground.digests, rows, at, finder, body, ready)
        return _Held(view, ground, made, translated)

    def _ground(self, view: View, last: Ground | None) -> Ground:
        """What the view stands on: from the cache, or made from the tables and what is known of older ones."""
        if self._cache is None or view.items.count_rows() <= self.cold_rows:
            return Ground.of(view, last)
        made = self._cache.load(mark(view))
        if made is None:
            made = Ground.of(view, last or self._cache.load())
        return made

    def _finder(self, table: Any, ground: Ground, last: "_Held | None", small: bool) -> Finder:
        """Vectors in RAM, or int8 in RAM and the rest on the disk, or all of it on the disk."""
        digests, positions = ground.digests, ground.vector_at.astype(np.int64)
        if len(digests) > self.ram_rows:
            return Disk(table, positions, self.space)
        finder = last.snapshot.finder if last else None
        known = held(finder.data) if isinstance(finder, Ram) else None
        dim = self.space.dim
        if last is not None and known is not None:
            return Ram(ground.vectors(table, dim, last.ground, known), self.space, ground.compact)
        if small or ground.compact is None:
            return Ram(ground.vectors(table, dim), self.space, ground.compact)
        far: Any = Far(table, positions, lambda: ground.vectors(table, dim), dim)
        return Ram(far, self.space, ground.compact)

    def files(self) -> dict[str, FileRow]:
        """All file rows by path, without the lock."""
        with reading(self.uri):
            return file_rows(self._tables.open_table("files").to_table())

    def status(self) -> Status:
        """What it is and how it stands."""
        with reading(self.uri):
            view, there = self._tables.view(), sized(self.uri)
            used = usages(view, there)
        tables = (view.files, view.items, view.vectors)
        return tally(
            self.uri,
            self.card,
            view.files.to_table(),
            self.snapshot(),
            size=sum(there.sizes("").values()),
            versions=max(len(t.versions()) for t in tables),
            fragments=sum(len(t.get_fragments()) for t in tables),
            used=used,
            moving=record.target.model if (record := load(self.uri)) is not None else "",
        )

    @contextmanager
    def writer(self, *, wait: float = 0.0) -> Iterator["LanceWriter"]:
        """Take the lock. Raises IndexLockedError naming the owner."""
        with writing_to(self.uri, self._tables.parts(), wait=wait) as (medium, in_order):
            with reading(self.uri):
                self._tables.require_current()
                if not in_order:
                    SearchIndexes(self._tables, medium).mend()
                writer = LanceWriter(self._tables, medium, self.previews)
            try:
                yield writer
            finally:
                writer.close()


def _previews(tables: Tables) -> Previews:
    """Where the small pictures of an index are."""
    if tables.folder is not None:
        return Previews(tables.folder / "previews")
    from samespace.index.bucket import FarPreviews

    return FarPreviews(tables.uri)


def _make(uri: str) -> None:
    """Make an index folder; one that holds other things is refused."""
    folder = place(uri)
    try:
        if folder is None:
            names = {path.partition("/")[0] for path in sized(uri).sizes("")}
        else:
            folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in folder.iterdir()}
    except SamespaceError:
        raise
    except Exception as err:  # of the system, or of a store far away
        why = (err.strerror if isinstance(err, OSError) else None) or cause(err)
        raise StoreError(uri, f"no index can be made here ({why})", "Name another folder: --index DIR") from err
    strange = [name for name in sorted(names) if not name.endswith(".lance") and not name.startswith("writer.")]
    if strange:
        raise StoreError(uri, f"the place holds other things ({strange[0]!r})", "Name an empty or new folder")
