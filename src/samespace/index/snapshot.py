"""A Snapshot: one consistent view of an Index, for the length of one search.

Two sorts of rows. Vector rows: one a distinct thing embedded, in the order of their digests. Item rows: one a passage
in a file, in the order of path and position; a passage that stands in two files has two. `vector_row` leads from the
second to the first. Only what a file row leads to is in it.

Knows nothing of how an Index is kept. Imports numpy and pyarrow. Letters: n vector rows, m item rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.lexicon import Lexicon, Postings, Words
from samespace.index.placed import Rows
from samespace.index.protocol import Nearest
from samespace.space import Space, Vectors, similarity

__all__ = ["Finder", "Memo", "Prepared", "Snapshot", "digests_of"]

_NEAR = 0.02  # share of the usual distance within which two items are copies
_PAIRS = 64  # rows that the usual distance is measured on


class Finder(Protocol):
    """Vector rows that can be searched and fetched."""

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """As Index.nearest."""

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows as (len(rows), d) float32."""


class Memo(Protocol):
    """Plain data that was measured of one view, kept beside it for the next process."""

    def load(self, name: str) -> dict[str, Any]:
        """What was kept under a name; nothing if there is nothing."""

    def save(self, name: str, data: dict[str, Any]) -> None:
        """Keep it, if that can be."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What can be made ready of a view before anybody asks.

    Attributes:
        names: words in the names and titles of the files, by file.
        sorts: (n,) uint8, which of `sort_names` each vector row is of; see `measure.sorts_of`.
        memo: where more of it is kept; None = nowhere.
    """

    names: Postings
    sorts: np.ndarray
    sort_names: tuple[str, ...]
    memo: Memo | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One consistent view.

    Attributes:
        space: where its vectors live.
        digests: (n,) what each vector row embeds, sorted.
        rows: the item rows, in RAM or where they are kept.
        vector_row: (m,) int64, the vector row of each item row; -1 = it has none.
        finder: what searches the vector rows.
        body: what searches the words of the item rows; None = they are inverted in RAM when first asked for.
        prepared: what was made ready; None = it is made when first asked for.
    """

    space: Space
    digests: pa.Array
    rows: Rows
    vector_row: np.ndarray
    finder: Finder
    body: Words | None = None
    prepared: Prepared | None = None

    def __len__(self) -> int:
        """Vector rows."""
        return len(self.digests)

    @cached_property
    def items(self) -> pa.Table:
        """All item rows in RAM, words and all: for small indexes and for those who look at everything.

        Strings: id, digest, reading, path, root, kind, origin, modality, mime, language, title, preview, text,
        content, locator and meta (both JSON); numbers: position, size, modified. Nothing is null.
        """
        return pa.table({name: self.rows[name] for name in self.rows.names})

    def find(self, key: str) -> np.ndarray:
        """Item rows of an item's id: one for each file that it stands in."""
        return np.asarray(pc.indices_nonzero(pc.equal(self.rows["id"], key)).to_numpy(), np.int64)

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
        return Lexicon.of(self.rows, self.body, self.prepared.names if self.prepared else None)

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
    def closest(self) -> float | None:
        """Score from which on two items are copies; None where scores have no upper end to count from."""
        count = len(self)
        if self.space.metric != "cosine" or count < 2:
            return None
        rows = np.unique(np.linspace(0, count - 1, min(count, _PAIRS)).astype(np.int64))
        sample = self.vectors(rows)
        scores = similarity(sample, sample)
        usual = float(np.median(scores[~np.eye(len(rows), dtype=bool)]))
        return 1.0 - _NEAR * (1.0 - min(usual, 0.99))

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Item rows sorted by vector row, and where each vector row's begin."""
        order = np.argsort(self.vector_row, kind="stable")
        return order, np.searchsorted(self.vector_row[order], np.arange(len(self) + 1))


def digests_of(wanted: "pa.ChunkedArray", known: "pa.Array | pa.ChunkedArray") -> tuple[pa.Array, np.ndarray]:
    """Sorted digests that item rows lead to and that are known, and the vector row of each item row (-1 = none)."""
    found = pc.unique(wanted)
    found = found.filter(pc.is_in(found, value_set=known))
    digests = found.take(pc.sort_indices(found))
    rows = pc.fill_null(pc.index_in(wanted, value_set=digests), -1)
    return digests, rows.to_numpy().astype(np.int64)
