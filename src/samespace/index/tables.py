"""The three Lance tables of an index: opening them as one, and changing one of them durably.

Order is everything. Writing: vectors, items, files, each on the disk before the next, so that a file row never leads
to something that is not there. Reading: files first; whatever they lead to was there before them.

Knows nothing of search. Imports lance, pyarrow.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import lance
import pyarrow as pa

from samespace.errors import IndexNotFoundError
from samespace.index.durable import Durable, fsync
from samespace.index.schema import Card, schemas
from samespace.index.trouble import cause, damaged, writing

__all__ = ["Tables", "View", "place"]

_TRIES = 20


def place(uri: str) -> Path | None:
    """The folder that a URI names; None = it names an object store."""
    if re.match(r"file://", uri):
        return Path(uri.removeprefix("file://"))
    return None if re.match(r"[a-z][a-z0-9+.-]+://", uri) else Path(uri)


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
            if Card.of(_open(uri, name).schema, uri).space != card.space:
                raise damaged(uri, f"its table {name!r} is of another space")
        return tables

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

    def create(self, durable: Durable) -> None:
        """Make the tables, the files table last. An empty one that a killed `create` left is made anew.

        Raises:
            IndexDamagedError: there are rows, and no files table: nothing of it is touched.
        """
        for name, schema in schemas(self.card).items():
            left = durable.folder / f"{name}.lance"
            if left.exists():
                if any((left / "data").glob("*")):
                    raise damaged(self.uri, "its table 'files' is gone")
                rmtree(left)
            lance.write_dataset(schema.empty_table(), _path(self.uri, name), schema=schema)
            durable.sync()
        fsync(str(durable.folder.parent))

    def parts(self) -> tuple[str, ...]:
        """Names of the tables' folders."""
        return tuple(f"{name}.lance" for name in schemas(self.card))

    def open_table(self, name: str) -> Any:
        """The newest version of one table. Raises IndexDamagedError."""
        return _open(self.uri, name)

    def view(self) -> View:
        """Open all three so that they fit together."""
        for _ in range(_TRIES):
            files = _open(self.uri, "files")
            made = View(files, _open(self.uri, "items"), _open(self.uri, self.card.vector_table))
            if files.latest_version == files.version:
                break  # nothing was collected meanwhile: a collection follows a change of the files
        return made

    def upsert(self, name: str, rows: pa.Table, key: str, durable: Durable, *, update: bool = True) -> None:
        """Write rows by their key; on the disk when it returns. With `update` rows that are there are replaced."""
        if not rows.num_rows:
            return
        table = self.open_table(name)
        merge = table.merge_insert(key).when_not_matched_insert_all()
        self._commit(table, name, merge.when_matched_update_all() if update else merge, rows, durable)

    def delete(self, name: str, keys: pa.Array, key: str, durable: Durable) -> None:
        """Delete rows by their key."""
        if len(keys):
            table = self.open_table(name)
            self._commit(table, name, table.merge_insert(key).when_matched_delete(), pa.table({key: keys}), durable)

    def _commit(self, table: Any, name: str, merge: Any, rows: pa.Table, durable: Durable) -> None:
        """Data to the disk before the manifest that names them: a power cut never leaves a table that will not open."""
        with writing(self.uri):
            transaction, _ = merge.execute_uncommitted(rows)
            durable.sync(f"{name}.lance/data", f"{name}.lance/_deletions")
            lance.LanceDataset.commit(table, transaction)
            durable.sync(f"{name}.lance")


def _path(uri: str, name: str) -> str:
    folder = place(uri)
    return f"{uri.rstrip('/')}/{name}.lance" if folder is None else str(folder / f"{name}.lance")


def _open(uri: str, name: str) -> Any:
    try:
        return lance.dataset(_path(uri, name))
    except (ValueError, OSError) as err:
        raise damaged(uri, f"its table {name!r} does not open ({cause(err)})") from err
