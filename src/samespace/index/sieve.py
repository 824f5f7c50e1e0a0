"""The k best of many rows for many queries at once, by bounds: who is out for certain goes, who is left is scored.

Rows come a block at a time. Of each query only k numbers are remembered, the least of which the k-th best reaches for
certain, and the rows whose upper bound reaches that one. Knows nothing of where bounds come from. Imports numpy.
Letters: b rows of a block, m queries, k hits, p pairs of a query and a row, t stretches of a block.
"""

import numpy as np

__all__ = ["Sieve"]

_STRETCH = 64  # rows of which only the highest is looked at, unless it is high enough for others to be
_LEAST = np.finfo(np.float32).min


class Sieve:
    """Fed by `add`, emptied by `left`.

    Args:
        m: queries.
        k: >= 1.
    """

    def __init__(self, m: int, k: int) -> None:
        self.k = k
        self._low = np.full(m, _LEAST)
        self._best = np.zeros((m, 0), np.float32)
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, values: np.ndarray, slack: np.ndarray, rows: "np.ndarray | slice") -> None:
        """Take in a block.

        Args:
            values: (b, m), what ranks like the score, about; -inf = this row is not asked for.
            slack: (m,) or (b, m), how far the values may be off.
            rows: which rows they are, (b,) or a slice with its start.
        """
        b = len(values)
        t = b // max(1, min(_STRETCH, b // (8 * self.k)))
        upper = values if slack.ndim == 1 else values + slack
        tops = _tops(upper, t)
        self._raise(tops - slack if slack.ndim == 1 else _tops(values - slack, t))
        bound = self._low - slack if slack.ndim == 1 else self._low
        row, query = _reaching(upper, tops, bound)
        highest = upper[row, query] + (slack[query] if slack.ndim == 1 else 0)
        self._kept.append((query, rows.start + row if isinstance(rows, slice) else rows[row], highest))

    def left(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs that are not ruled out, (p,) queries in rising order and (p,) rows: none of the k best is missing."""
        if not self._kept:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        query, row, upper = (np.concatenate(part) for part in zip(*self._kept, strict=True))
        good = np.flatnonzero(upper >= self._low[query])
        good = good[np.argsort(query[good], kind="stable")]
        return query[good], row[good]

    def _raise(self, tops: np.ndarray) -> None:
        """Lift what the k-th best reaches for certain, by (t, m) numbers that as many rows reach."""
        pool = np.concatenate([self._best, tops.T], axis=1)
        if pool.shape[1] > self.k:
            pool = np.partition(pool, pool.shape[1] - self.k, axis=1)[:, -self.k :]
        self._best = pool
        if pool.shape[1] == self.k:
            self._low = np.maximum(self._low, pool.min(axis=1))


def _tops(values: np.ndarray, t: int) -> np.ndarray:
    """(t, m) the highest of each of t stretches; stretch i is row i, t + i, 2 t + i, ...; rows at the end may miss."""
    b, m = values.shape
    if t == b:
        return values
    width = b // t
    made: np.ndarray = values[: t * width].reshape(width, t, m).max(axis=0)
    return made


def _reaching(values: np.ndarray, tops: np.ndarray, bound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(p,) rows and queries of the values that reach the query's bound, found by way of their stretches' tops."""
    (b, m), t = values.shape, len(tops)
    width = b // t
    stretch, query = np.divmod(np.flatnonzero(tops >= bound), m)
    inside = values[: t * width].reshape(width, t, m)[:, stretch, query]
    place, which = np.nonzero(inside >= bound[query])
    end, last = np.divmod(np.flatnonzero(values[t * width :] >= bound), m)
    return np.concatenate([place * t + stretch[which], t * width + end]), np.concatenate([query[which], last])
