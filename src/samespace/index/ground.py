"""Ground: what a Snapshot of a large index stands on, derived from its tables and small: no text, no float32 vectors.

Which item and file each item row is, which vector rows there are, words of file names, sorts, vectors as int8. It can
be made from the tables at any time, and from an older Ground for less: rows are known by their digests. A writer keeps
it beside the tables (index/cache.py) so that a new process need not make it.

Knows nothing of search. Imports numpy and pyarrow; lance's datasets by their methods only.
Letters: m item rows, n vector rows, t rows of the items table, d width.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.lexicon import Postings, named
from samespace.index.placed import numbered, places
from samespace.index.ram import Compact
from samespace.index.schema import matrix
from samespace.index.snapshot import digests_of
from samespace.index.sort import sorts
from samespace.index.tables import View

__all__ = ["Ground", "mark"]

_DEARER = 16  # what a row fetched by itself costs more than one of all
_FEW = 1024  # rows that are as cheap to read one way as the other
_FRESH = 0.5  # share of new rows from which on all are coded anew, about their own mean


@dataclass(frozen=True, eq=False)
class Ground:
    """What is derived of a view.

    Attributes:
        key: of the state of the tables it was made from; see `mark`.
        item_at, file_at: (m,) int32, which row of the items and the files table each item row is.
        vector_row: (m,) int32, the vector row of each item row; -1 = none.
        vector_at: (n,) int32, which row of the table of vectors each vector row is.
        digests: (n,) sorted.
        ids: (t,) uint64, Lance's number of each row of the items table.
        sorts: (n,) uint8 numbers of `sort_names`.
        names: words of the names and titles of files.
        compact: vectors as int8; None = not made.
    """

    key: str
    item_at: np.ndarray
    file_at: np.ndarray
    vector_row: np.ndarray
    vector_at: np.ndarray
    digests: pa.Array
    ids: np.ndarray
    sorts: np.ndarray
    sort_names: tuple[str, ...]
    names: Postings
    compact: Compact | None = None

    @classmethod
    def of(cls, view: View, last: "Ground | None" = None) -> "Ground":
        """Derive it, without the int8 copy; what `last` knows of vector rows that are still there is taken from it."""
        columns = ["id", "reading", "digest", "position"]
        items = view.items.scanner(columns=columns, with_row_id=True).to_table()
        files = view.files.to_table(columns=["path", "title", "reading", "status"])
        item_at, file_at = places(files, items)
        known = view.vectors.to_table(columns=["digest"])["digest"]
        digests, vector_row = digests_of(items["digest"].take(pa.array(item_at)), known)
        vector_at = pc.index_in(digests, value_set=known).to_numpy()
        first = _firsts(vector_row, len(digests))
        numbers, names = _sorts(view.items, item_at[first], digests, last)
        one = pa.array(file_at[np.flatnonzero(np.diff(numbered(file_at), prepend=-1))])
        words = Postings.of(named(files["path"].take(one), files["title"].take(one)))
        ids = items["_rowid"].to_numpy()
        return cls(
            mark(view), item_at, file_at, vector_row.astype(np.int32), vector_at.astype(np.int32), digests, ids,
            numbers, names, words,
        )  # fmt: skip

    def vectors(
        self, table: Any, dim: int, last: "Ground | None" = None, known: np.ndarray | None = None
    ) -> np.ndarray:
        """(n, d) float32, all of them; `known`: the vectors of `last`, which are not read again."""
        if known is None:
            return fetched(table, self.vector_at, dim)
        at = _known(self.digests, last)
        new = np.flatnonzero(at < 0)
        made = known[at] if len(known) else np.empty((len(at), dim), np.float32)
        made[new] = fetched(table, self.vector_at[new], dim)
        return made

    def coded(self, table: Any, dim: int, last: "Ground | None" = None) -> "Ground":
        """The same with the int8 copy; rows that `last` has coded are taken from it."""
        at = _known(self.digests, last) if last is not None and last.compact is not None else None
        if at is None or last is None or last.compact is None or (at < 0).mean() > _FRESH:
            return replace(self, compact=Compact.of(fetched(table, self.vector_at, dim)))
        old, new = last.compact, np.flatnonzero(at < 0)
        fresh = Compact.of(fetched(table, self.vector_at[new], dim), old.mean)
        codes, scales, errors = old.codes[at], old.scales[at], old.errors[at]
        codes[new], scales[new], errors[new] = fresh.codes, fresh.scales, fresh.errors
        return replace(self, compact=Compact(codes, scales, old.mean, errors))


def mark(view: View) -> str:
    """A name for the rows of a view: the same as long as no row of its tables was written, moved or deleted."""
    parts = [[f.metadata.to_json() for f in t.get_fragments()] for t in (view.files, view.items, view.vectors)]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def fetched(table: Any, positions: np.ndarray, dim: int) -> np.ndarray:
    """(n, d) float32 at some positions of a table of vectors, read as one if that is cheaper."""
    if len(positions) * _DEARER > max(_FEW, table.count_rows()):
        every: np.ndarray = matrix(table.to_table(columns=["vector"])["vector"], dim)
        return np.asarray(every[positions])
    if not len(positions):
        return np.empty((0, dim), np.float32)
    order = np.argsort(positions)
    made = np.empty((len(positions), dim), np.float32)
    made[order] = matrix(table.take(positions[order].astype(np.int64), columns=["vector"])["vector"], dim)
    return made


def _firsts(vector_row: np.ndarray, n: int) -> np.ndarray:
    """(n,) the first item row of each vector row."""
    here = np.flatnonzero(vector_row >= 0)[::-1]
    first = np.zeros(n, np.int64)
    first[vector_row[here]] = here
    return first


def _known(digests: pa.Array, last: "Ground | None") -> np.ndarray:
    """(n,) where `last` has each digest; -1 = nowhere."""
    if last is None or not len(last.digests):
        return np.full(len(digests), -1, np.int64)
    found = pc.fill_null(pc.index_in(digests, value_set=last.digests), -1)
    return np.asarray(found.to_numpy(), np.int64)


def _sorts(table: Any, at: np.ndarray, digests: pa.Array, last: "Ground | None") -> tuple[np.ndarray, tuple[str, ...]]:
    """Sorts of the vector rows whose first items stand at these rows of the items table."""
    old = _known(digests, last)
    new = np.flatnonzero(old < 0)
    columns = ["modality", "text"]
    if len(new) * _DEARER > table.count_rows() or table.count_rows() <= _FEW:
        items = table.to_table(columns=columns).take(pa.array(at[new]))
    else:
        items = table.take(np.sort(at[new]).astype(np.int64), columns=columns)
        new = new[np.argsort(at[new], kind="stable")]
    numbers, names = sorts(items)
    if last is None or not len(last.digests):
        return numbers, names
    together = tuple(dict.fromkeys((*last.sort_names, *names)))
    made = last.sorts[old]
    made[new] = np.array([together.index(name) for name in names], np.uint8)[numbers]
    return made, together
