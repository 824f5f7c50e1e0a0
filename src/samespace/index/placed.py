"""Where each item row of a Snapshot stands in the tables, and its columns: in RAM, or taken when they are asked for.

An item row is an item and a file that leads to it. `places` says which, in the order of path and position; `Held` has
the joined columns in RAM, `Taken` reads them from the tables when they are asked for: the few rows of an answer by
their places, a whole column for a filter.

Knows nothing of search. Imports numpy and pyarrow; lance's datasets by their methods only. Letters: m item rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Held", "Rows", "Taken", "join", "places"]

_OF_FILES = ["path", "root", "mime", "size", "modified", "title", "meta", "content"]
_OF_EITHER = ["language", "preview"]  # the item's own, or else its file's
_WHOLE = 4  # more than a quarter of the rows: the column is read as one


class Rows(Protocol):
    """Item rows, wherever they are kept."""

    @property
    def names(self) -> list[str]:
        """Columns that there are."""

    @property
    def file(self) -> np.ndarray:
        """(m,) int64 number of the file of each row, from 0, rising."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str) -> "pa.ChunkedArray":
        """One column of all rows."""

    def take(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Some columns of some rows."""


@dataclass(frozen=True, eq=False)
class Held:
    """Rows in RAM: a table as `join` makes it."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> list[str]:
        """Columns that there are."""
        return list(self.table.schema.names)

    @cached_property
    def file(self) -> np.ndarray:
        """(m,) number of the file of each row: they stand by path."""
        return numbered(self.table["path"].to_numpy())

    def __getitem__(self, name: str) -> "pa.ChunkedArray":
        """One column of all rows."""
        return self.table[name]

    def take(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Some columns of some rows."""
        return self.table.select(list(names)).take(pa.array(rows, pa.int64()))


@dataclass(frozen=True, eq=False)
class Taken:
    """Rows in two Lance tables.

    Attributes:
        files, items: the tables, each at one version.
        file_at, item_at: (m,) where in them each row stands.
    """

    files: Any
    items: Any
    file_at: np.ndarray
    item_at: np.ndarray

    def __len__(self) -> int:
        return len(self.item_at)

    @property
    def names(self) -> list[str]:
        """Columns that there are, but for the words cut for full text."""
        return [name for name in self.items.schema.names if name != "terms"] + _OF_FILES

    @cached_property
    def file(self) -> np.ndarray:
        """(m,) number of the file of each row."""
        return numbered(self.file_at)

    @cached_property
    def _columns(self) -> "dict[str, pa.ChunkedArray]":
        return {}

    def __getitem__(self, name: str) -> "pa.ChunkedArray":
        """One column of all rows; kept, but for the words, which are most of what there is."""
        if name in ("text", "terms"):
            return self._read(name)
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def take(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Some columns of some rows."""
        if len(rows) * _WHOLE > len(self):
            at = pa.array(rows, pa.int64())
            return pa.table({name: self[name].take(at) for name in names})
        own = [name for name in names if name not in _OF_FILES]
        facts = [name for name in names if name in _OF_FILES or name in _OF_EITHER]
        made = dict(zip(own, _few(self.items, self.item_at[rows], own), strict=True))
        for name, column in zip(facts, _few(self.files, self.file_at[rows], facts), strict=True):
            made[name] = _filled(made[name], column) if name in made else column
        return pa.table({name: made[name] for name in names})

    def _read(self, name: str) -> "pa.ChunkedArray":
        if name in _OF_FILES:
            return _whole(self.files, name).take(pa.array(self.file_at))
        own = _whole(self.items, name).take(pa.array(self.item_at))
        return _filled(own, _whole(self.files, name).take(pa.array(self.file_at))) if name in _OF_EITHER else own


def places(files: pa.Table, items: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Positions (m,) int32 of items and of files that make the item rows. Failed files lead to nothing.

    Args:
        files: path, reading and status of all files.
        items: reading, position and id of all items.
    """
    good = np.flatnonzero(pc.not_equal(files["status"], "failed").to_numpy().astype(bool))
    good = good[pc.sort_indices(files["path"].take(pa.array(good))).to_numpy()]
    coded = items["reading"].combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy().astype(np.int64)
    order = _in_order(codes, items)
    bounds = np.searchsorted(codes[order], np.arange(len(coded.dictionary) + 1))
    readings = files["reading"].take(pa.array(good))
    wanted = pc.fill_null(pc.index_in(readings, value_set=coded.dictionary), -1).to_numpy().astype(np.int64)
    here = np.flatnonzero(wanted >= 0)
    first, counts = bounds[wanted[here]], np.diff(bounds)[wanted[here]]
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    item_at = order[np.repeat(first, counts) + offsets]
    return item_at.astype(np.int32), np.repeat(good[here], counts).astype(np.int32)


def join(files: pa.Table, items: pa.Table) -> pa.Table:
    """Item rows with the facts of their files, by path and position."""
    item_at, file_at = (pa.array(at) for at in places(files, items))
    made, facts = items.take(item_at), files.take(file_at)
    for name in _OF_EITHER:
        made = made.set_column(made.schema.get_field_index(name), name, _filled(made[name], facts[name]))
    for name in _OF_FILES:
        made = made.append_column(name, facts[name])
    return made.combine_chunks()


def numbered(values: np.ndarray) -> np.ndarray:
    """(m,) int64: 0, and one more wherever a value differs from the one before."""
    starts = np.zeros(len(values), np.int64)
    starts[1:] = values[1:] != values[:-1]
    made: np.ndarray = starts.cumsum()
    return made


def _in_order(codes: np.ndarray, items: pa.Table) -> np.ndarray:
    """Items by reading, position and, where two share one, id."""
    position = items["position"].to_numpy()
    order = np.lexsort((position, codes))
    alike = (np.diff(codes[order]) == 0) & (np.diff(position[order]) == 0)
    if not alike.any():
        return order
    ranks = np.empty(len(codes), np.int64)
    ranks[pc.sort_indices(items["id"]).to_numpy()] = np.arange(len(codes))
    return np.lexsort((ranks, position, codes))


def _filled(own: Any, other: Any) -> Any:
    return pc.if_else(pc.equal(own, ""), other, own)


def _whole(table: Any, name: str) -> "pa.ChunkedArray":
    return table.to_table(columns=[name])[name]


def _few(table: Any, at: np.ndarray, names: list[str]) -> list[Any]:
    """Columns of a table at some of its rows, in any order and with repeats."""
    if not names:
        return []
    rows, back = np.unique(at, return_inverse=True)
    taken = table.take(rows.astype(np.int64), columns=names)
    return [taken[name].take(pa.array(back)) for name in names]
