"""Exact search in RAM at half the cost: an int8 copy rules rows out, float32 rows decide.

Each row x is kept a second time as x~ = mean + scale c with whole c in [-127, 127], and beside it the length e of what
that leaves out. By Cauchy and Schwarz |q x - q x~| <= |q| e, so a row whose upper bound lies below the lower bounds of
k others is not among the k best. All others are scored exactly. The answer is that of `exact.Exact`, bit for bit, not
an approximation; only the time depends on how much the bound rules out.

Imports numpy only. Letters: n rows, m queries, d width, k hits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from samespace.index.exact import best, score
from samespace.index.protocol import Nearest
from samespace.space import Space, Vectors

__all__ = ["Compact", "Ram"]

_BLOCK = 400_000  # numbers unpacked at a time: they stay in the cache, and OpenBLAS starts no threads for so few
_BATCH = 64  # queries at a time
_ROUNDING = 2e-6  # of a float32 dot product, relative to |q| |x|
_SINGLE = 2  # more queries at once are as cheap in float32
_EARN = 8  # searches after which the int8 copy has earned its making
_SELECTIVE = 8  # an allowed share below 1/8 is gathered instead of scanned


@dataclass(frozen=True, eq=False)
class Compact:
    """Rows as int8.

    Attributes:
        codes: (n, d) int8.
        scales: (n,) float32.
        mean: (d,) float32, taken off before coding: vectors of most models share a large common part.
        errors: (n,) float32, upper bound of ||x - (mean + scale c)||.
    """

    codes: np.ndarray
    scales: np.ndarray
    mean: np.ndarray
    errors: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "Compact":
        """Code rows (n, d) float32."""
        n, d = rows.shape
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32) if n else np.zeros(d, np.float32)
        codes, scales, errors = np.empty((n, d), np.int8), np.empty(n, np.float32), np.empty(n, np.float32)
        for part in _blocks(rows):
            rest = rows[part] - mean
            scale = np.maximum(np.abs(rest).max(axis=1), np.float32(1e-30)) / np.float32(127)
            code = np.rint(rest / scale[:, None])
            rest -= code * scale[:, None]
            codes[part], scales[part] = code, scale
            errors[part] = np.sqrt(np.einsum("nd,nd->n", rest, rest)) * 1.0001
        return cls(codes, scales, mean, errors)

    def dots(self, queries: np.ndarray) -> np.ndarray:
        """(m, n) float32: q x~ of each query with each row."""
        turned = np.ascontiguousarray(queries.T)
        made: np.ndarray = np.empty((len(self.codes), len(queries)), np.float32)
        room = np.empty((max(1, _BLOCK // self.codes.shape[1]), self.codes.shape[1]), np.float32)
        for part in _blocks(self.codes):
            unpacked = room[: part.stop - part.start]
            np.copyto(unpacked, self.codes[part], casting="unsafe")
            np.matmul(unpacked, turned, out=made[part])
        made *= self.scales[:, None]
        made += self.mean @ turned
        return made.T


class Ram:
    """A Finder over float32 rows in RAM.

    Args:
        data: (n, d) float32.
        space: where they live.
    """

    def __init__(self, data: np.ndarray, space: Space) -> None:
        self.data, self.space = data, space
        self._compact: Compact | None = None
        self._asked = 0
        self._squares = np.einsum("nd,nd->n", data, data, dtype=np.float64)
        self._longest = float(np.sqrt(self._squares.max(initial=0.0)))

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        found: np.ndarray = self.data[rows]
        return found

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row, exactly."""
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        queries = query.require(self.space).data.astype(np.float32)
        if allowed is not None and np.count_nonzero(allowed) * _SELECTIVE < len(self.data):
            rows = np.flatnonzero(allowed)
            return self._among(rows, queries, k)
        found: list[Nearest] = []
        for start in range(0, len(queries), _BATCH):
            found += self._scan(queries[start : start + _BATCH], k, allowed)
        return found

    def _among(self, rows: np.ndarray, queries: np.ndarray, k: int) -> list[Nearest]:
        """The best of a few rows."""
        few = self.data[rows]
        return [self._finish(rows, few, q, k) for q in queries]

    def _scan(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> list[Nearest]:
        """The best of all allowed rows."""
        self._asked += len(queries) <= _SINGLE
        if self._compact is None and self._asked > _EARN:
            self._compact = Compact.of(self.data)
        compact = self._compact
        if compact is not None and len(queries) <= _SINGLE:
            dots, errors = compact.dots(queries), compact.errors
        else:
            dots, errors = queries @ self.data.T, np.zeros(len(self.data), np.float32)
        rows = None if allowed is None else np.flatnonzero(allowed)
        found = []
        for mine, query in zip(dots, queries, strict=True):
            kept = self._survivors(mine, errors, query, k, rows)
            found.append(self._finish(kept, self.data[kept], query, k))
        return found

    def _finish(self, rows: np.ndarray, data: np.ndarray, query: np.ndarray, k: int) -> Nearest:
        """Score rows in float64, after float32 has ruled out most of them where they are many."""
        if len(rows) > 2 * k + 64:
            at = _reach(*self._bounds(_dots(data, query), np.zeros(len(rows), np.float32), query, rows), k)
            rows, data = rows[at], data[at]
        return best(rows, score(data, query.astype(np.float64), self.space), k)

    def _survivors(
        self, dots: np.ndarray, errors: np.ndarray, query: np.ndarray, k: int, rows: np.ndarray | None
    ) -> np.ndarray:
        """Rows (of these, None = of all) that the bounds do not rule out."""
        if rows is None:
            return _reach(*self._bounds(dots, errors, query, None), k)
        kept: np.ndarray = rows[_reach(*self._bounds(dots[rows], errors[rows], query, rows), k)]
        return kept

    def _bounds(
        self, dots: np.ndarray, errors: np.ndarray, query: np.ndarray, rows: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What ranks like the score, and how far it may be off. `rows`: which rows the dots are of; None = all."""
        length = float(np.linalg.norm(query))
        slack = errors * np.float32(length) + np.float32(_ROUNDING * length * self._longest + 1e-30)
        if self.space.metric != "euclidean":
            return dots, slack
        squares = self._squares if rows is None else self._squares[rows]  # 2 q x - x^2 ranks like -||x - q||
        return 2 * dots - squares, 2 * slack + np.float32(_ROUNDING) * self._longest**2


def _dots(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """(n,) float32 products, a block at a time: for a few thousand rows threads cost more than they bring."""
    return np.concatenate([rows[part] @ query for part in _blocks(rows)])


def _reach(values: np.ndarray, slack: np.ndarray, k: int) -> np.ndarray:
    """Positions whose upper bound reaches the lower bounds of k: none of the k best is missing."""
    return np.flatnonzero(values + slack >= _kth(values - slack, k))


def _kth(values: np.ndarray, k: int) -> float:
    """A number that at least k of the values reach; -inf if there are fewer than k.

    The k-th largest of the largest of each stretch: cheaper than the k-th largest of all, and hardly lower.
    """
    n = len(values)
    if n <= k:
        return -np.inf
    width = max(1, min(128, n // (8 * k)))
    tops = values[: n - n % width].reshape(-1, width).max(axis=1) if width > 1 else values
    return float(np.partition(tops, len(tops) - k)[len(tops) - k])


def _blocks(rows: np.ndarray) -> Iterator[slice]:
    n, d = rows.shape
    step = max(1, _BLOCK // d)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
