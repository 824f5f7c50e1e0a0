"""The one commit of a bulk run: fragments that its workers wrote become part of the tables, every row once.

Two parts may have embedded the same passage, or read copies of one file: of rows with the same key the first is taken,
and a fragment that holds others is written again without them. Nothing is computed again.

Knows nothing of how the fragments came about. Imports lance, pyarrow.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from lance import LanceOperation
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, write_fragments

from samespace.durably import fsync
from samespace.index.keys import Keys
from samespace.index.medium import Medium
from samespace.index.protocol import FileRow
from samespace.index.schema import file_rows, schemas
from samespace.index.tables import Tables
from samespace.index.trouble import reading, writing

__all__ = ["Fragments", "adopt", "file_rows_of", "is_there", "write_table"]

Fragment = Mapping[str, Any]
Fragments = Mapping[str, Sequence[Fragment]]
"""Table → what a part wrote for it, as Lance's JSON."""


def write_table(tables: Tables, name: str, rows: pa.Table) -> list[dict[str, Any]]:
    """Write rows as fragments of a table that no version of it names; on the disk when it returns."""
    if not rows.num_rows:
        return []
    with writing(tables.uri):
        made = write_fragments(rows, tables.open_table(name), mode="append")
        if tables.folder is not None:
            data = tables.folder / f"{name}.lance" / "data"
            for file in (file for fragment in made for file in fragment.files):
                fsync(str(data / file.path))
            fsync(str(data))
    return [fragment.to_json() for fragment in made]


def is_there(tables: Tables, part: Fragments) -> bool:
    """Whether all files of a part are still where they were written, with their sizes."""
    if tables.folder is None:
        return all(_opens(tables, name, f) for name, fragments in part.items() for f in fragments)
    for name, fragments in part.items():
        for file in (file for fragment in fragments for file in fragment["files"]):
            path = tables.folder / f"{name}.lance" / "data" / file["path"]
            if not path.is_file() or path.stat().st_size != file["file_size_bytes"]:
                return False
    return True


def file_rows_of(tables: Tables, parts: Sequence[Fragments]) -> dict[str, FileRow]:
    """The file rows of some parts by path; of two for the same path the later counts."""
    rows: dict[str, FileRow] = {}
    with reading(tables.uri):
        for fragment in (fragment for part in parts for fragment in part["files"]):
            rows.update(file_rows(_read(tables, "files", fragment)))
    return rows


def adopt(tables: Tables, medium: Medium, name: str, key: str, parts: Sequence[Fragments], known: Keys) -> None:
    """Make fragments part of a table, but for rows whose keys it has; on the disk when it returns.

    Args:
        tables: of the index, whose lock the caller holds.
        medium: what they stand on.
        name: of the table.
        key: its column of keys.
        parts: whose fragments.
        known: the table's keys; those of the fragments are added.
    """
    with writing(tables.uri):
        if made := list(_new(tables, name, key, parts, known)):
            tables.commit(name, tables.open_table(name), LanceOperation.Append(made), medium)


def _new(tables: Tables, name: str, key: str, parts: Sequence[Fragments], known: Keys) -> Iterator[FragmentMetadata]:
    """Fragments as they are where all their keys are new; written again where some are not."""
    for fragment in (fragment for part in parts for fragment in part[name]):
        keys = _read(tables, name, fragment, [key])[key]
        there = known.have(keys)
        if not there.any():
            yield _metadata(fragment)
        elif not there.all():
            rows = _read(tables, name, fragment).filter(pa.array(~there))
            yield from (_metadata(made) for made in write_table(tables, name, rows))
        known.add(keys.to_pylist())


def _read(tables: Tables, name: str, fragment: Fragment, columns: list[str] | None = None) -> pa.Table:
    """The rows of a fragment that no version names."""
    schema = schemas(tables.card)[name]
    schema = schema if columns is None else pa.schema([schema.field(column) for column in columns])
    place = tables.open_table(name).uri
    made = [LanceFileReader(f"{place}/data/{file['path']}", columns=columns) for file in fragment["files"]]
    return pa.concat_tables([schema.empty_table(), *(reader.read_all().to_table().cast(schema) for reader in made)])


def _opens(tables: Tables, name: str, fragment: Fragment) -> bool:
    try:
        _read(tables, name, fragment, [schemas(tables.card)[name].names[0]])
    except (OSError, ValueError):
        return False
    return True


def _metadata(fragment: Fragment) -> FragmentMetadata:
    return FragmentMetadata.from_json(json.dumps(fragment))
