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

_BLOCK = 2048  # rows unpacked at a time: they stay in the cache
_BATCH = 64  # queries at a time
_ROUNDING = 2e-6  # of a float32 dot product, relative to |q| |x|
_EARN = 8  # queries after which the int8 copy has earned its making
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
        for part in _blocks(n):
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
        made = np.empty((len(self.codes), len(queries)), np.float32)
        room = np.empty((_BLOCK, self.codes.shape[1]), np.float32)
        for part in _blocks(len(self.codes)):
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
        dots = queries @ few.T
        none = np.zeros(len(rows), np.float32)
        return [self._decide(dots[i], none, q, k, rows, few) for i, q in enumerate(queries)]

    def _scan(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> list[Nearest]:
        """The best of all allowed rows."""
        self._asked += len(queries)
        if self._compact is None and self._asked > _EARN:
            self._compact = Compact.of(self.data)
        compact = self._compact
        dots = compact.dots(queries) if compact else queries @ self.data.T
        errors = compact.errors if compact else np.zeros(len(self.data), np.float32)
        if allowed is None:
            return [self._decide(dots[i], errors, q, k) for i, q in enumerate(queries)]
        rows = np.flatnonzero(allowed)
        return [self._decide(dots[i][rows], errors[rows], q, k, rows) for i, q in enumerate(queries)]

    def _decide(
        self,
        dots: np.ndarray,
        errors: np.ndarray,
        query: np.ndarray,
        k: int,
        rows: np.ndarray | None = None,
        few: np.ndarray | None = None,
    ) -> Nearest:
        """Score exactly what the bounds do not rule out. `rows`: which rows the dots are of; None = all."""
        length = float(np.linalg.norm(query))
        slack = errors * np.float32(length) + np.float32(_ROUNDING * length * self._longest + 1e-30)
        if self.space.metric == "euclidean":  # -||x - q||^2 + ||q||^2, which ranks alike
            squares = self._squares if rows is None else self._squares[rows]
            dots, slack = 2 * dots - squares, 2 * slack + np.float32(_ROUNDING) * self._longest**2
        kept = np.flatnonzero(dots + slack >= _kth(dots - slack, k))
        chosen = kept if rows is None else rows[kept]
        exact = self.data[chosen] if few is None else few[kept]
        return best(chosen, score(exact, query.astype(np.float64), self.space), k)


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


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))
