"""Named snapshots of an index: all three tables as they were at one moment, kept from clean-ups by Lance's tags.

The tag of the files table is written last and deleted first, so a snapshot is either wholly there or nowhere. To
restore one, what the tables lack of its vectors and items is added first; then the files table goes back, in one
version. So a reader sees the state before or the one after, and a restore that was killed before its end has changed
nothing that anybody sees: what it added goes at the next maintenance.

Knows nothing of search. Imports lance, pyarrow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from samespace.errors import QueryError, SpaceMismatchError, StoreError, UnknownNameError
from samespace.index.keys import Keys
from samespace.index.medium import Medium, writing_to
from samespace.index.schema import Card
from samespace.index.tables import Tables
from samespace.index.torn import tags
from samespace.index.trouble import reading, writing

__all__ = ["Saved", "drop", "pictures", "purge", "restore", "save", "saved"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Saved:
    """A named snapshot.

    Attributes:
        created: when it was made.
        files: how many it knows.
    """

    name: str
    created: datetime
    files: int


def saved(uri: str) -> list[Saved]:
    """The snapshots of an index, the oldest first. Raises IndexNotFoundError."""
    tables = Tables.open(uri)
    with reading(uri):
        files = tables.open_table("files")
        made = [
            Saved(name, tag["created_at"], files.checkout_version(tag["version"]).count_rows())
            for name, tag in tags(files).items()
        ]
    return sorted(made, key=lambda one: (one.created, one.name))


def save(uri: str, name: str, *, wait: float = 0.0) -> None:
    """Keep the index as it is now under a name.

    Raises:
        QueryError: the name has other letters than A-Z, a-z, 0-9, "-" and "_".
        StoreError: there is one of that name; or the index cannot be written to.
        IndexLockedError: somebody is writing.
    """
    if not _NAME.fullmatch(name):
        raise QueryError(
            f"{name[:80]!r} is no name for a snapshot",
            "Use letters, digits, - and _, 64 at most: samespace snapshot before",
        )
    tables = Tables.open(uri)
    with writing_to(uri, tables.parts(), wait=wait) as (medium, _), writing(uri):
        if name in tags(tables.open_table("files")):
            raise StoreError(
                uri, f"it has a snapshot {name!r} already",
                f"Take another name, or remove that one: samespace snapshot --remove {name}",
            )  # fmt: skip
        purge(tables, medium)
        for part in _order(tables):
            table = tables.open_table(part)
            table.tags.create(name, table.version)
            medium.sync(f"{part}.lance/_refs")


def drop(uri: str, name: str, *, wait: float = 0.0) -> None:
    """Forget a snapshot; what only it led to goes at the next maintenance. Raises UnknownNameError."""
    tables = Tables.open(uri)
    with writing_to(uri, tables.parts(), wait=wait) as (medium, _), writing(uri):
        _version(tables, "files", name)
        for part in reversed(_order(tables)):
            table = tables.open_table(part)
            if name in tags(table):
                table.tags.delete(name)
                medium.sync(f"{part}.lance/_refs")


def restore(uri: str, name: str, *, wait: float = 0.0) -> None:
    """Bring the index back to a snapshot, which stays.

    Raises:
        UnknownNameError: there is none of that name.
        SpaceMismatchError: it is of another Space than the index is now.
        IndexLockedError: somebody is writing.
    """
    tables = Tables.open(uri)
    with writing_to(uri, tables.parts(), wait=wait) as (medium, _), writing(uri):
        files = tables.open_table("files")
        version = _version(tables, "files", name)
        space = Card.of(files.checkout_version(version).schema, uri).space
        if space != tables.card.space:
            raise SpaceMismatchError(str(space), str(tables.card.space))
        for part, key in ((tables.card.vector_table, "digest"), ("items", "id")):
            _complete(tables, part, key, _version(tables, part, name), medium)
        tables.commit("files", files, lance.LanceOperation.Restore(version), medium)


def pictures(tables: Tables) -> Iterator[pa.ChunkedArray]:
    """Columns with the keys of all previews that snapshots need."""
    for part in ("files", "items"):
        table = tables.open_table(part)
        for tag in tags(table).values():
            yield table.checkout_version(tag["version"]).to_table(columns=["preview"])["preview"]


def purge(tables: Tables, medium: Medium) -> None:
    """Delete tags that a killed `save` or `drop` left: those that the files table does not have."""
    whole = tags(tables.open_table("files"))
    for part in _order(tables):
        table = tables.open_table(part)
        for name in tags(table):
            if name not in whole:
                table.tags.delete(name)
                medium.sync(f"{part}.lance/_refs")


def _order(tables: Tables) -> tuple[str, ...]:
    """In which tags are made."""
    return (tables.card.vector_table, "items", "files")


def _version(tables: Tables, part: str, name: str) -> int:
    known = tags(tables.open_table(part))
    if name not in known:
        raise UnknownNameError("snapshot", name, known, "Make one: samespace snapshot NAME")
    return int(known[name]["version"])


def _complete(tables: Tables, part: str, key: str, version: int, medium: Medium) -> None:
    """Add the rows of a version that a table has no more."""
    table = tables.open_table(part)
    there = Keys([table.to_table(columns=[key])[key]])

    def lacking() -> Iterator[pa.RecordBatch]:
        for batch in table.checkout_version(version).to_batches():
            yield batch.filter(pa.array(~there.have(batch[key])))

    rows: Any = pa.RecordBatchReader.from_batches(table.schema, lacking())
    made = write_fragments(rows, table, mode="append")
    if sum(fragment.physical_rows for fragment in made):
        tables.commit(part, table, lance.LanceOperation.Append(made), medium)
