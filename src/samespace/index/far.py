"""Vectors in a Lance table that look like an array in RAM: a few rows are fetched, and when many were, all are held.

To fetch one row costs what reading sixteen in order does; so once a sixteenth was fetched the whole is read, and no
more than twice of what was needed has been paid.

Knows nothing of search. Imports numpy; lance's datasets by their methods only. Letters: n rows, d width.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from samespace.index.schema import matrix

__all__ = ["Far", "held"]

_DEARER = 16  # what a row fetched by itself costs more than one of all


class Far:
    """(n, d) float32, for whoever takes rows of it.

    Args:
        table: the table of vectors, at one version.
        positions: (n,) where in it each row stands.
        every: reads all of them.
        dim: d.
    """

    def __init__(self, table: Any, positions: np.ndarray, every: Callable[[], np.ndarray], dim: int) -> None:
        self._table, self._positions, self._every = table, positions, every
        self.shape = (len(positions), dim)
        self.whole: np.ndarray | None = None
        self._near = np.empty((0, dim), np.float32)
        self._slot = np.full(len(positions), -1, np.int32)
        self._lock = Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows."""
        return np.asarray(self._all(), dtype)

    def __getitem__(self, rows: "np.ndarray | slice") -> np.ndarray:
        if self.whole is None and isinstance(rows, np.ndarray):
            found = self._few(rows)
            if found is not None:
                return found
        made: np.ndarray = self._all()[rows]
        return made

    def _few(self, rows: np.ndarray) -> np.ndarray | None:
        """Some rows, those that were not fetched yet at once; None if it is time for the whole."""
        with self._lock:
            new = np.unique(rows[self._slot[rows] < 0])
            if (len(self._near) + len(new)) * _DEARER > len(self):
                return None
            if len(new):
                taken = self._table.take(self._positions[new].astype(np.int64), columns=["vector"])
                self._slot[new] = np.arange(len(self._near), len(self._near) + len(new))
                self._near = np.concatenate([self._near, matrix(taken["vector"], self.shape[1])])
            found: np.ndarray = self._near[self._slot[rows]]
            return found

    def _all(self) -> np.ndarray:
        with self._lock:
            if self.whole is None:
                self.whole = self._every()
                self._near = self._near[:0]
            return self.whole


def held(data: "np.ndarray | Far | None") -> np.ndarray | None:
    """Rows that are in RAM already, all of them; else None."""
    return data.whole if isinstance(data, Far) else data
