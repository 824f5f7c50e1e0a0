"""A Snapshot: one consistent view of an Index, for the length of one search.

Two sorts of rows. Vector rows: one a distinct thing embedded, in the order of their digests. Item rows: one a passage
in a file, in the order of path and position; a passage that stands in two files has two. `vector_row` leads from the
second to the first. Only what a file row leads to is in it.

Knows nothing of how an Index is kept. Imports numpy and pyarrow. Letters: n vector rows, m item rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.lexicon import Lexicon, Words
from samespace.index.protocol import Nearest
from samespace.space import Space, Vectors

__all__ = ["Finder", "Snapshot", "join"]

_OF_FILES = ["path", "root", "mime", "size", "modified", "title", "meta", "content"]


class Finder(Protocol):
    """Vector rows that can be searched and fetched."""

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """As Index.nearest."""

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows as (len(rows), d) float32."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One consistent view.

    Attributes:
        space: where its vectors live.
        digests: (n,) what each vector row embeds, sorted.
        items: (m,) a table; strings: id, digest, reading, path, root, kind, origin, modality, mime, language, title,
            preview, text, content, locator and meta (both JSON); numbers: position, size, modified. Nothing is null.
        vector_row: (m,) int64, the vector row of each item row; -1 = it has none.
        finder: what searches the vector rows.
        body: what searches the words of the item rows; None = they are inverted in RAM when first asked for.
    """

    space: Space
    digests: pa.Array
    items: pa.Table
    vector_row: np.ndarray
    finder: Finder
    body: Words | None = None

    def __len__(self) -> int:
        """Vector rows."""
        return len(self.digests)

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest vector rows of each query row: Index.nearest on this view."""
        return self.finder.nearest(query, k, allowed=allowed)

    def words(self, query: str, k: int, *, allowed: np.ndarray | None = None) -> Nearest:
        """The k item rows that match the words best, by BM25; fewer if fewer have any of them.

        Args:
            query: anything; cut into terms like the text was.
            k: >= 1.
            allowed: (m,) bool over the item rows; None = all.
        """
        return self.lexicon.search(query, k, allowed)

    @cached_property
    def lexicon(self) -> Lexicon:
        """What searches the words of the item rows, and the names and titles of their files."""
        return Lexicon.of(self.items, self.body)

    def vectors(self, rows: np.ndarray) -> Vectors:
        """The vectors of some vector rows."""
        return Vectors(self.finder.fetch(np.asarray(rows, np.int64)), self.space)

    def items_of(self, row: int) -> np.ndarray:
        """Item rows that share a vector row, in their order."""
        order, starts = self._places
        return order[starts[row] : starts[row + 1]]

    def vector_mask(self, items: np.ndarray) -> np.ndarray:
        """(m,) bool over item rows → (n,) bool over vector rows: those that at least one allowed item leads to."""
        mask = np.zeros(len(self), bool)
        mask[self.vector_row[items & (self.vector_row >= 0)]] = True
        return mask

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Item rows sorted by vector row, and where each vector row's begin."""
        order = np.argsort(self.vector_row, kind="stable")
        return order, np.searchsorted(self.vector_row[order], np.arange(len(self) + 1))


def join(files: pa.Table, items: pa.Table) -> pa.Table:
    """Item rows with the facts of their files, by path and position. Failed files lead to nothing."""
    files = files.filter(pc.not_equal(files["status"], "failed")).sort_by("path")
    items = items.sort_by([("reading", "ascending"), ("position", "ascending"), ("id", "ascending")])
    readings = pc.unique(items["reading"])
    codes = pc.index_in(items["reading"], value_set=readings).to_numpy()
    bounds = np.searchsorted(codes, np.arange(len(readings) + 1))
    wanted = pc.fill_null(pc.index_in(files["reading"], value_set=readings), -1).to_numpy().astype(np.int64)
    here = np.flatnonzero(wanted >= 0)
    first, counts = bounds[wanted[here]], np.diff(bounds)[wanted[here]]
    file_at = np.repeat(here, counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    item_at = np.repeat(first, counts) + offsets
    made, facts = items.take(item_at), files.take(file_at)
    for name in ("language", "preview"):
        own = made[name]
        filled = pc.if_else(pc.equal(own, ""), facts[name], own)
        made = made.set_column(made.schema.get_field_index(name), name, filled)
    for name in _OF_FILES:
        made = made.append_column(name, facts[name])
    return made.combine_chunks()


def digests_of(items: pa.Table, known: "pa.Array | pa.ChunkedArray") -> tuple[pa.Array, np.ndarray]:
    """Sorted digests that the items lead to and that are known, and the vector row of each item (-1 = none)."""
    wanted = pc.unique(items["digest"])
    wanted = wanted.filter(pc.is_in(wanted, value_set=known))
    digests = wanted.take(pc.sort_indices(wanted))
    rows = pc.fill_null(pc.index_in(items["digest"], value_set=digests), -1)
    return digests, rows.to_numpy().astype(np.int64)
