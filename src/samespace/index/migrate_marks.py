"""Marks: which rows of a table of vectors were translated and not embedded. A file beside the tables, by table.

A mark is on the disk before its row is, and goes after the embedded row has taken its place: so no translated row is
ever taken for an embedded one. A row without need of its mark is only embedded once more.

Imports numpy, pyarrow. Letters: n rows.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa

from samespace.durably import write_durably
from samespace.index.tables import place

__all__ = ["mark", "marked"]


def marked(uri: str, table: str) -> pa.Array:
    """Digests of the rows of a table that were translated."""
    path = _path(uri, table)
    if path is None or not path.exists():
        return pa.array([], pa.string())
    return pa.array(np.load(path, allow_pickle=False).astype(str).tolist(), pa.string())


def mark(uri: str, table: str, digests: pa.Array) -> None:
    """Keep these marks and no others; on the disk when it returns."""
    path = _path(uri, table)
    assert path is not None  # only indexes in folders are moved
    if not len(digests):
        path.unlink(missing_ok=True)
        return
    out = io.BytesIO()
    np.save(out, np.array(digests.to_pylist(), "S"), allow_pickle=False)
    write_durably(path, out.getvalue())


def _path(uri: str, table: str) -> Path | None:
    folder = place(uri)
    return None if folder is None else folder / f"translated-{table}.npy"
