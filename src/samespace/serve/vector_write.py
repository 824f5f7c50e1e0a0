"""Writing files of vectors: batch by batch into a draft beside the place, which takes the place when all is written.

Imports numpy, and pyarrow where a table is written. Letters: n rows, d width.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from samespace.durably import drafted
from samespace.serve.vector_files import SPACE
from samespace.space import Vectors

__all__ = ["FORMATS", "Writing", "format_of", "written"]

FORMATS = (".npy", ".arrow", ".feather", ".parquet")
MARK = b"samespace:translator"


class Writing(Protocol):
    """Takes rows in their order."""

    def write(self, vectors: Vectors, table: Any = None, more: "dict[str, np.ndarray] | None" = None) -> None:
        """Some rows: their vectors, the table whose other columns go along, and columns that are new."""


def format_of(path: Path) -> str:
    """The format that a file's name asks for. Raises ValueError for any other."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path}: no format is known by {path.suffix or 'no ending'!r}\nEnd it in {', '.join(FORMATS)}"
        )
    return path.suffix.lower()


@contextmanager
def written(path: Path, *, column: str | None, mark: str) -> Iterator[Writing]:
    """Write a file: it is there, whole and on the disk, when the block ends; after an error it is as it was before.

    Args:
        path: of the file; the ending says the format.
        column: of the vectors, where the input is a table.
        mark: of the Translator, noted in the schema.
    """
    kind = format_of(path)
    with drafted(path) as draft:
        writer = _Npy(draft) if kind == ".npy" else _Table(draft, kind, column or "vector", mark)
        try:
            yield writer
            writer.close()
        except BaseException:
            with contextlib.suppress(Exception):
                writer.close()
            raise


class _Npy:
    """One matrix; its header, which says how many rows there are, is written at the end in the room left for it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._dim: int | None = None
        self._count = 0

    def write(self, vectors: Vectors, table: Any = None, more: "dict[str, np.ndarray] | None" = None) -> None:
        if self._dim is None:
            self._dim = vectors.space.dim
            self._file.write(_header(0, self._dim))
        self._file.write(np.ascontiguousarray(vectors.data, np.float32).tobytes())
        self._count += len(vectors)

    def close(self) -> None:
        if not self._file.closed:
            self._file.seek(0)
            self._file.write(_header(self._count, self._dim or 1))
            self._file.close()


def _header(count: int, dim: int) -> bytes:
    """Version 1.0 of the format, 128 bytes whatever the numbers."""
    said = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {dim}), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + said.ljust(117).encode() + b"\n"


class _Table:
    """Arrow or Parquet, with the other columns of what came in."""

    def __init__(self, path: Path, kind: str, column: str, mark: str) -> None:
        self._path, self._kind, self._column, self._mark = path, kind, column, mark
        self._writer: Any = None

    def write(self, vectors: Vectors, table: Any = None, more: "dict[str, np.ndarray] | None" = None) -> None:
        import pyarrow as pa

        flat = pa.array(np.ascontiguousarray(vectors.data, np.float32).ravel())
        made = pa.FixedSizeListArray.from_arrays(flat, vectors.space.dim)
        if table is None:
            table = pa.table({self._column: made})
        else:
            table = table.set_column(table.schema.get_field_index(self._column), self._column, made)
        for name, values in (more or {}).items():
            table = table.append_column(name, pa.array(values))
        notes = {**(table.schema.metadata or {}), SPACE: vectors.space.to_json().encode(), MARK: self._mark.encode()}
        table = table.replace_schema_metadata(notes)
        if self._writer is None:
            self._writer = self._open(table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _open(self, schema: Any) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pq.ParquetWriter(self._path, schema) if self._kind == ".parquet" else pa.ipc.new_file(self._path, schema)
