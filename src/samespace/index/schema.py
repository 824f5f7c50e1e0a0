"""The tables of an index as Arrow: which columns there are, and rows to tables and back.

`files` is keyed by path, `items` by id, `vec_<space>` by digest. What an index is (its Space, model, recipe, format
version) stands in the schema metadata of each table, so no table can be taken for another's.

Knows nothing of where tables are kept. Imports pyarrow.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from samespace.errors import IndexDamagedError, IndexVersionError
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.term import normalize
from samespace.items import Locator
from samespace.space import Space, Vectors

__all__ = ["FORMAT", "Card", "file_rows", "file_table", "item_table", "schemas", "vector_table"]

FORMAT = 1
"""Counts up whenever an older samespace could not read the tables, or would read them wrongly."""

_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
_FILES = {
    "path": pa.string(), "root": pa.string(), "size": pa.int64(), "modified": pa.float64(), "content": pa.string(),
    "reading": pa.string(), "status": pa.string(), "kind": pa.string(), "mime": pa.string(), "reader": pa.string(),
    "title": pa.string(), "language": pa.string(), "failure": pa.string(), "reason": pa.string(),
    "mend": pa.string(), "notes": pa.string(), "meta": pa.string(), "preview": pa.string(), "items": pa.int64(),
}  # fmt: skip
_ITEMS = {
    "id": pa.string(), "reading": pa.string(), "digest": pa.string(), "modality": pa.string(), "kind": pa.string(),
    "origin": pa.string(), "locator": pa.string(), "text": pa.string(), "language": pa.string(),
    "preview": pa.string(), "position": pa.int64(), "terms": pa.string(),
}  # fmt: skip


@dataclass(frozen=True)
class Card:
    """What an index is.

    Attributes:
        space: where its vectors live.
        model: the name by which its encoder is loaded.
        recipe: how that encoder works, as plain data.
    """

    space: Space
    model: str
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def metadata(self) -> dict[bytes, bytes]:
        """As schema metadata."""
        return {
            b"samespace:format": str(FORMAT).encode(),
            b"samespace:space": self.space.to_json().encode(),
            b"samespace:model": self.model.encode(),
            b"samespace:recipe": json.dumps(dict(self.recipe), sort_keys=True, ensure_ascii=False).encode(),
        }

    @classmethod
    def of(cls, schema: pa.Schema, uri: str) -> "Card":
        """Back from a table's schema.

        Raises:
            IndexVersionError: a newer samespace wrote it.
            IndexDamagedError: it is a table of something else.
        """
        notes = schema.metadata or {}
        try:
            found = int(notes[b"samespace:format"])
            if found > FORMAT:
                raise IndexVersionError(uri, found, FORMAT)
            space = Space.from_json(notes[b"samespace:space"].decode())
            return cls(space, notes[b"samespace:model"].decode(), json.loads(notes[b"samespace:recipe"]))
        except (KeyError, ValueError) as err:
            raise IndexDamagedError(
                uri,
                f"its table does not say what it holds ({err})",
                "Restore the index from a copy, or delete it and index again",
            ) from err

    @property
    def vector_table(self) -> str:
        """Name of the table of vectors: another Space, another table."""
        mark = self.space.fingerprint or hashlib.blake2b(self.space.to_json().encode(), digest_size=16).hexdigest()
        return f"vec_{mark[:12]}"


def schemas(card: Card) -> dict[str, pa.Schema]:
    """Table name → schema, of the three tables."""
    vectors = {"digest": pa.string(), "vector": pa.list_(pa.float32(), card.space.dim)}
    return {
        card.vector_table: _schema(vectors, "digest", card),
        "items": _schema(_ITEMS, "id", card),
        "files": _schema(_FILES, "path", card),
    }


def _schema(columns: Mapping[str, pa.DataType], key: str, card: Card) -> pa.Schema:
    """Nothing is ever null: absent is "" or 0, as in the rows."""
    fields = [pa.field(n, t, nullable=False, metadata=_KEY if n == key else None) for n, t in columns.items()]
    return pa.schema(fields, metadata=card.metadata())


def file_table(rows: Sequence[FileRow], schema: pa.Schema) -> pa.Table:
    """FileRows as a table; of two with the same path the last counts."""
    columns: dict[str, list[Any]] = {name: [] for name in _FILES}
    for row in {row.path: row for row in rows}.values():
        data = asdict(row) | {"notes": _json(list(row.notes)), "meta": _json(dict(row.meta))}
        for name, column in columns.items():
            column.append(_clean(data[name]))
    return pa.table([pa.array(columns[n], t) for n, t in _FILES.items()], schema=schema)


def file_rows(table: pa.Table) -> dict[str, FileRow]:
    """FileRows by path, back from a table."""
    rows: dict[str, FileRow] = {}
    for data in table.to_pylist():
        data["notes"], data["meta"] = tuple(json.loads(data["notes"])), json.loads(data["meta"])
        rows[data["path"]] = FileRow(**data)
    return rows


def item_table(rows: Sequence[ItemRow], schema: pa.Schema) -> pa.Table:
    """ItemRows as a table, with their words made ready for full-text search; the last of equal ids counts."""
    columns: dict[str, list[Any]] = {name: [] for name in _ITEMS}
    for row in {row.id: row for row in rows}.values():
        for name, column in columns.items():
            if name == "terms":
                column.append(" ".join(normalize(row.text)))
            else:
                value = getattr(row, name)
                column.append(_clean(_json(value.to_dict()) if isinstance(value, Locator) else value))
    return pa.table([pa.array(columns[n], t) for n, t in _ITEMS.items()], schema=schema)


def vector_table(digests: Sequence[str], vectors: Vectors, schema: pa.Schema) -> pa.Table:
    """Digests and their vectors as a table; the first of equal digests counts."""
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    rows = vectors.data[sorted(first.values())].astype(np.float32)
    keys = [digests[i] for i in sorted(first.values())]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), vectors.space.dim)
    return pa.table([pa.array(keys, pa.string()), flat], schema=schema)


def matrix(column: "pa.ChunkedArray | pa.Array", dim: int) -> np.ndarray:
    """A column of vectors as (n, d) float32."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim) for chunk in chunks if len(chunk)]
    if not parts:
        return np.zeros((0, dim), np.float32)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _clean(value: Any) -> Any:
    """Text that any UTF-8 reader takes: half a surrogate pair becomes "?"."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
