"""Exact search over rows in RAM: every pair scored in float64, the definition that faster ways are held against.

Imports numpy only. Letters: n rows, m queries, d width, k hits.
"""

from dataclasses import dataclass

import numpy as np

from samespace.index.protocol import Nearest
from samespace.space import Space, Vectors

__all__ = ["Exact", "best", "score"]

_BLOCK = 8192


def score(rows: np.ndarray, query: np.ndarray, space: Space) -> np.ndarray:
    """Score rows (n, d) against one query (d,), each by itself: neighbours in the array change no bit.

    cosine and dot: x q; euclidean: -||x - q||. Summed in float64, given as float32.
    """
    wide = rows.astype(np.float64)
    if space.metric == "euclidean":
        made: np.ndarray = -np.sqrt(((wide - query) ** 2).sum(axis=1))
    else:
        made = (wide * query).sum(axis=1)
    return np.asarray(made, np.float32)


def best(rows: np.ndarray, scores: np.ndarray, k: int) -> Nearest:
    """The k best of some rows; equal scores by row, so by digest."""
    if k < 1:
        raise ValueError(f"k is {k}, it must be at least 1")
    order = np.lexsort((rows, -scores))[:k]
    return Nearest(rows[order].astype(np.int64), scores[order])


@dataclass(frozen=True, eq=False)
class Exact:
    """A Finder that looks at everything.

    Attributes:
        data: (n, d) float32.
        space: where they live.
    """

    data: np.ndarray
    space: Space

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        found: np.ndarray = self.data[rows]
        return found

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row."""
        rows = np.arange(len(self.data)) if allowed is None else np.flatnonzero(allowed)
        return [best(rows, self._scores(rows, one.astype(np.float64)), k) for one in query.require(self.space).data]

    def _scores(self, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
        parts = [score(self.data[rows[i : i + _BLOCK]], query, self.space) for i in range(0, len(rows), _BLOCK)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
