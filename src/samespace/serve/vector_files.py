"""Plain files of vectors: npy, Arrow and Parquet, read batch by batch, whatever their size.

In npy a file is one matrix (n, d). In Arrow and Parquet it is a table, one column of which holds lists of numbers; the
others go along. Which Space the rows live in stands in the schema's metadata (`samespace:space`), or is said by the one
who calls, or is not known: then the rows get a Space of their own, named by the hash of their content.

Imports numpy, and pyarrow where a table is read. Letters: n rows, d width.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.errors import SpaceMismatchError
from samespace.space import Metric, Space

__all__ = ["ROWS", "SPACE", "Batch", "VectorFile", "is_vector_file"]

ROWS = 8192
"""Rows of a batch."""
SPACE = b"samespace:space"
_USUAL = ("vector", "embedding", "vectors", "embeddings")
_NPY, _ARROW, _PARQUET, _STREAM = b"\x93NUMPY", b"ARROW1", b"PAR1", b"\xff\xff\xff\xff"


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows that follow each other.

    Attributes:
        start: number of the first.
        rows: (n, d) numbers, as they stand in the file.
        table: all columns, as an Arrow table; None in npy.
    """

    start: int
    rows: np.ndarray
    table: Any = None


class VectorFile:
    """A file of vectors.

    Args:
        path: of the file.
        space: the name of its Space, or that as JSON (`Space.to_json`); None = as the file says, or unknown.
        metric: of a Space that is only named.
        column: with the vectors; None = `vector`, `embedding`, or the only one that can be.

    Attributes:
        path, column, schema: the last two are None in npy.
        space: where its rows live.
        told: whether the file or the caller said so; False = the Space is named by the content.
        dim, count: width and number of rows.

    Raises:
        ValueError: it is no file of vectors, or it is not clear which column holds them.
        SpaceMismatchError: the file says another Space than the caller.
    """

    def __init__(
        self, path: str | Path, *, space: str | None = None, metric: Metric = "cosine", column: str | None = None
    ) -> None:
        self.path = Path(path)
        self._kind = _kind(self.path)
        self.schema: Any = None
        self.column: str | None = None
        if self._kind == "npy":
            matrix = _matrix(self.path)
            self.count, self.dim = matrix.shape
        else:
            self._open_table(column)
        said = self._said(space, metric)
        self.told = said is not None
        self.space = said or self._named_by_content(metric)

    def __len__(self) -> int:
        return int(self.count)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """All rows in their order. `columns`: those of the table that are needed; None = all."""
        start = 0
        if self._kind == "npy":
            matrix = _matrix(self.path)
            for start in range(0, self.count, ROWS):
                yield Batch(start, np.asarray(matrix[start : start + ROWS]))
            return
        for table in self._tables(columns):
            rows = _rows(table[self.column], self.dim, self.path, start)
            yield Batch(start, rows, table)
            start += len(rows)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Some rows, (len(numbers), d), by rising numbers; in one pass over the file."""
        if self._kind == "npy":
            return np.asarray(_matrix(self.path)[numbers])
        parts = [np.zeros((0, self.dim), np.float32)]
        for batch in self.batches([str(self.column)]):
            first, last = np.searchsorted(numbers, [batch.start, batch.start + len(batch.rows)])
            if last > first:
                parts.append(batch.rows[numbers[first:last] - batch.start])
        return np.concatenate(parts)

    def texts(self, name: str) -> list[str] | None:
        """A column as texts; None if there is none of that name."""
        if self.schema is None or name not in self.schema.names:
            return None
        return [str(value) for table in self._tables([name]) for value in table[name].to_pylist()]

    def _open_table(self, column: str | None) -> None:
        import pyarrow as pa

        try:
            self.schema, self.count = _schema(self.path, self._kind)
        except (pa.ArrowException, OSError) as err:
            why = str(err).splitlines()[0]
            raise ValueError(f"{self.path} cannot be read ({why})\nWrite it again: it is cut or damaged") from err
        self.column = _column(self.schema, column, self.path)
        kind = self.schema.field(self.column).type
        if pa.types.is_fixed_size_list(kind):
            self.dim = int(kind.list_size)
        else:
            first = next((t for t in self._tables([self.column]) if len(t)), None)
            self.dim = len(first[self.column][0]) if first is not None and first[self.column][0].is_valid else 0
        if self.dim < 1:
            raise ValueError(f"{self.path}: no width to be seen in column {self.column!r}\nGive at least one vector")

    def _tables(self, columns: Sequence[str] | None) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = None if columns is None else list(columns)
        if self._kind == "parquet":
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(ROWS, columns=names):
                    yield pa.Table.from_batches([batch])
            return
        with pa.memory_map(str(self.path)) as file:
            reader = pa.ipc.open_file(file) if self._kind == "arrow" else pa.ipc.open_stream(file)
            found = (reader.get_batch(i) for i in range(reader.num_record_batches)) if self._kind == "arrow" else reader
            for whole in found:
                table = pa.Table.from_batches([whole])
                for start in range(0, len(table), ROWS):
                    part = table.slice(start, ROWS)
                    yield part if names is None else part.select(names)

    def _said(self, name: str | None, metric: Metric) -> Space | None:
        notes = (self.schema.metadata or {}) if self.schema is not None else {}
        own = Space.from_json(notes[SPACE].decode()) if SPACE in notes else None
        if own is not None and own.dim != self.dim:
            raise ValueError(f"{self.path}: {own} is {own.dim} wide, its vectors {self.dim}\nMend its schema metadata")
        if name is None:
            return own
        said = Space.from_json(name) if name.lstrip().startswith("{") else Space(name, self.dim, metric)
        if own is not None and own.name == said.name:
            return own
        if own is not None:
            raise SpaceMismatchError(str(own), str(said), f"{self.path} says what its Space is: leave the name away")
        if said.dim != self.dim:
            raise ValueError(f"{self.path}: its vectors are {self.dim} wide, {said} is {said.dim}\nName another Space")
        return said

    def _named_by_content(self, metric: Metric) -> Space:
        digest = hashlib.blake2b(digest_size=16)
        for batch in self.batches(None if self.column is None else [self.column]):
            digest.update(np.ascontiguousarray(batch.rows, np.float32).tobytes())
        return Space(f"unnamed/{digest.hexdigest()[:12]}", self.dim, metric, digest.hexdigest())


def is_vector_file(path: str | Path) -> bool:
    """Whether there is a file there: of vectors or not shows when it is opened."""
    return Path(path).is_file()


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file\nGive a file of vectors: .npy, .arrow, .feather or .parquet") from None
    for magic, kind in ((_NPY, "npy"), (_ARROW, "arrow"), (_PARQUET, "parquet"), (_STREAM, "stream")):
        if head.startswith(magic):
            return kind
    raise ValueError(
        f"{path} is no file of vectors (it begins with {head!r})\n"
        "Give .npy with a matrix (n, d), or Arrow or Parquet with a column of lists of numbers"
    )


def _matrix(path: Path) -> np.ndarray:
    """The matrix of a npy file, not read yet."""
    try:
        made: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as err:
        why = str(err).splitlines()[0]
        raise ValueError(f"{path} cannot be read ({why})\nWrite it again: it is cut, or holds objects") from err
    if made.ndim != 2 or made.dtype.kind not in "fiu" or not made.shape[1]:
        raise ValueError(f"{path} holds {made.dtype} of shape {made.shape}\nGive a matrix (n, d) of numbers")
    return made


def _schema(path: Path, kind: str) -> tuple[Any, int]:
    """The schema of a table and how many rows it has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == "parquet":
        with pq.ParquetFile(path) as file:
            return file.schema_arrow, int(file.metadata.num_rows)
    with pa.memory_map(str(path)) as source:
        if kind == "arrow":
            reader = pa.ipc.open_file(source)
            return reader.schema, sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
        stream = pa.ipc.open_stream(source)
        return stream.schema, sum(batch.num_rows for batch in stream)


def _column(schema: Any, wanted: str | None, path: Path) -> str:
    import pyarrow as pa

    def can_be(kind: Any) -> bool:
        lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return bool(lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))

    fit = [field.name for field in schema if can_be(field.type)]
    if wanted is not None and wanted not in fit:
        told = ", ".join(fit) or "none"
        raise ValueError(f"{path}: column {wanted!r} holds no lists of numbers\nColumns that do: {told}")
    usual = [name for name in _USUAL if name in fit]
    if wanted or usual or len(fit) == 1:
        return wanted or (usual or fit)[0]
    if not fit:
        raise ValueError(f"{path} has no column of lists of numbers ({json.dumps(schema.names)})\nGive one: `vector`")
    raise ValueError(f"{path}: {len(fit)} columns could be its vectors\nName one: --column {' or '.join(fit)}")


def _rows(column: Any, dim: int, path: Path, start: int) -> np.ndarray:
    """A column of lists as (n, d)."""
    flat = column.combine_chunks()
    flat = flat.chunk(0) if hasattr(flat, "chunk") and flat.num_chunks else flat
    numbers = flat.flatten()
    if column.null_count or numbers.null_count or len(numbers) != len(column) * dim:
        lengths = [len(one) if one is not None else 0 for one in column.to_pylist()]
        bad = next((i for i, length in enumerate(lengths) if length != dim), 0)
        fact = f"row {start + bad} has {lengths[bad]} numbers where {dim} are needed" if lengths[bad] != dim else "null"
        raise ValueError(f"{path}: {fact}\nLeave it out, or look at what wrote it")
    made: np.ndarray = numbers.to_numpy(zero_copy_only=False).reshape(len(column), dim)
    return made
