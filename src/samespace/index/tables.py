"""The three Lance tables of an index: opening them as one, and changing one of them durably.

Order is everything. Writing: vectors, items, files, each on the disk before the next, so that a file row never leads
to something that is not there. Reading: files first; whatever they lead to was there before them.

Knows nothing of search. Imports lance, pyarrow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from shutil import rmtree
from typing import Any, TypeVar

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from samespace.durably import fsync
from samespace.errors import IndexDamagedError, IndexMovedError, IndexNotFoundError
from samespace.index.medium import Medium, place
from samespace.index.schema import Card, schemas
from samespace.index.torn import NOTE, before_torn
from samespace.index.trouble import cause, damaged, writing

__all__ = ["MOVING", "Tables", "View", "place"]

MOVING = "migration"
"""Folder in that of an index where what is known of its move to another Space is kept (migrate_record.py)."""
_TRIES = 20
_NAMING = ("_transactions", "_versions", "_refs")  # what leads to data
_NEW = "new.lance"  # a table while it is made
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class View:
    """The tables at versions that fit together."""

    files: Any
    items: Any
    vectors: Any


class Tables:
    """The tables of one index.

    Attributes:
        uri: where they are.
        folder: the same as a folder; None on an object store.
        card: what the index is.
    """

    def __init__(self, uri: str, card: Card) -> None:
        self.uri, self.folder, self.card = uri, place(uri), card

    @classmethod
    def open(cls, uri: str) -> "Tables":
        """Open what is there.

        Raises:
            IndexNotFoundError, IndexVersionError, IndexDamagedError.
        """
        if not cls.exists(uri):
            folder = place(uri)
            if folder is not None and any((folder / "items.lance" / "data").glob("*")):
                raise damaged(uri, "its table 'files' is gone")
            raise IndexNotFoundError(uri)
        card = Card.of(_open(uri, "files").schema, uri)
        tables = cls(uri, card)
        for name in (card.vector_table, "items"):
            if Card.of(_open(uri, name).schema, uri).space != card.space and not tables.halfway(name):
                raise damaged(uri, f"its table {name!r} is of another space")
        return tables

    def require_current(self) -> None:
        """Raise IndexMovedError if the index moved to another Space since this was opened."""
        now = Card.of(self.open_table("files").schema, self.uri)
        if now.space != self.card.space:
            raise IndexMovedError(self.uri, self.card.model, now.model)

    def halfway(self, name: str) -> bool:
        """Whether a table may still say the Space that the index has just moved from: only the files table decides."""
        return name == "items" and self.folder is not None and (self.folder / MOVING).is_dir()

    @staticmethod
    def exists(uri: str) -> bool:
        """Whether there is an index: the files table is made last."""
        folder = place(uri)
        if folder is not None:
            return (folder / "files.lance" / "_versions").is_dir()
        try:
            lance.dataset(_path(uri, "files"))
        except (ValueError, OSError, FileNotFoundError):
            return False
        return True

    def create(self, medium: Medium) -> None:
        """Make the tables, the files table last. An empty one that a killed `create` left is made anew.

        Raises:
            IndexDamagedError: there are rows, and no files table: nothing of it is touched.
        """
        for name in schemas(self.card):
            if any(path.startswith("data/") for path in medium.sizes(f"{name}.lance")):
                raise damaged(self.uri, "its table 'files' is gone")
            self.make(name, medium)
        if self.folder is not None:
            fsync(str(self.folder.parent))

    def make(self, name: str, medium: Medium) -> None:
        """Make one table, empty; on the disk when it returns."""
        schema = schemas(self.card)[name]
        if self.folder is None:
            lance.write_dataset(schema.empty_table(), _path(self.uri, name), schema=schema, mode="overwrite")
            medium.sync()
            return
        left, made = self.folder / f"{name}.lance", self.folder / _NEW
        rmtree(left, ignore_errors=True)
        rmtree(made, ignore_errors=True)
        lance.write_dataset(schema.empty_table(), str(made), schema=schema)
        medium.sync()
        made.rename(left)  # so that a table which has its name is whole
        medium.sync()

    def parts(self) -> tuple[str, ...]:
        """Names of the tables' folders, those of vectors of another Space, too."""
        own = [f"{name}.lance" for name in schemas(self.card)]
        others = sorted(path.name for path in self.folder.glob("vec_*.lance")) if self.folder else []
        return tuple(dict.fromkeys([*own, *others]))

    def open_table(self, name: str) -> Any:
        """The newest version of one table. Raises IndexDamagedError."""
        return _open(self.uri, name)

    def view(self) -> View:
        """Open all three so that they fit together."""
        for _ in range(_TRIES):
            files = _open(self.uri, "files")
            try:
                made = View(files, _open(self.uri, "items"), _open(self.uri, self.card.vector_table))
            except IndexDamagedError:
                self.require_current()  # the vectors of a Space that the index has left are gone in good order
                raise
            if files.latest_version == files.version:
                break  # nothing was collected meanwhile: a collection follows a change of the files
        return made

    def consistent(self, read: Callable[[View], T]) -> T:
        """Read something from a view; from a newer one if a clean-up took files of that one away meanwhile."""
        for left in range(_TRIES, -1, -1):
            view = None
            try:
                view = self.view()
                return read(view)
            except (OSError, pa.ArrowException):
                if not left or not (view is None or self.superseded(view)):
                    raise
        raise AssertionError

    def superseded(self, view: View) -> bool:
        """Whether there is a newer version of any table: only then may files of this one be gone in good order."""
        names = ("files", "items", self.card.vector_table)
        tables = (view.files, view.items, view.vectors)
        return any(self.open_table(n).version != t.version for n, t in zip(names, tables, strict=True))

    def append(self, name: str, rows: pa.Table, medium: Medium) -> None:
        """Write rows whose keys are not there, at a cost that the rows that are there don't change."""
        if not rows.num_rows:
            return
        with writing(self.uri):
            table = self.open_table(name)
            made = lance.LanceOperation.Append(write_fragments(rows, table, mode="append"))
            self.commit(name, table, made, medium)

    def upsert(self, name: str, rows: pa.Table, key: str, medium: Medium) -> None:
        """Write rows by their key, replacing those that are there; on the disk when it returns."""
        if rows.num_rows:
            with writing(self.uri):
                table = self.open_table(name)
                merge = table.merge_insert(key).when_not_matched_insert_all().when_matched_update_all()
                self.commit(name, table, merge.execute_uncommitted(rows)[0], medium)

    def delete(self, name: str, keys: pa.Array, key: str, medium: Medium) -> None:
        """Delete rows by their key."""
        if len(keys):
            with writing(self.uri):
                table = self.open_table(name)
                merge = table.merge_insert(key).when_matched_delete()
                self.commit(name, table, merge.execute_uncommitted(pa.table({key: keys}))[0], medium)

    def relabel(self, name: str, card: Card, medium: Medium) -> None:
        """Have a table say that it is of another index: one version, so that a reader sees it before or after."""
        with writing(self.uri):
            notes = {key.decode(): value.decode() for key, value in card.metadata().items()}
            self.open_table(name).update_schema_metadata(notes)
            medium.sync(f"{name}.lance")

    def commit(self, name: str, table: Any, change: Any, medium: Medium) -> None:
        """Data to the disk before the manifest that names them: a power cut never leaves a table that will not open."""
        medium.sync(f"{name}.lance/data", f"{name}.lance/_deletions")
        version = table.version if isinstance(change, lance.LanceOperation.BaseOperation) else None
        lance.LanceDataset.commit(table, change, read_version=version)
        medium.sync(*(f"{name}.lance/{part}" for part in _NAMING))


def _path(uri: str, name: str) -> str:
    folder = place(uri)
    return f"{uri.rstrip('/')}/{name}.lance" if folder is None else str(folder / f"{name}.lance")


def _open(uri: str, name: str) -> Any:
    folder = place(uri)
    try:
        table = lance.dataset(_path(uri, name))
        if folder is None or (table.schema.metadata or {}).get(NOTE):
            return table
        return before_torn(folder / f"{name}.lance") or table
    except (ValueError, OSError, IndexError) as err:
        earlier = before_torn(folder / f"{name}.lance") if folder else None
        if earlier is not None:
            return earlier
        raise damaged(uri, f"its table {name!r} does not open ({cause(err)})") from err
