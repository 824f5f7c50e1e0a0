"""Exact search in RAM at half the cost: an int8 copy rules rows out, float32 rows decide.

Each row x is kept a second time as x~ = mean + scale c with whole c in [-127, 127], and beside it the length e of what
that leaves out. By Cauchy and Schwarz |q x - q x~| <= |q| e, so a row whose upper bound lies below the lower bounds of
k others is not among the k best. All others are scored exactly. The answer is that of `exact.Exact`, bit for bit, not
an approximation; only the time depends on how much the bound rules out. Many queries at once are as cheap in float32,
where the bound is the rounding of a product.

Imports numpy only. Letters: n rows, m queries, d width, k hits, b rows of a block.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from samespace.index.exact import score
from samespace.index.protocol import Nearest
from samespace.index.sieve import Sieve
from samespace.space import Space, Vectors

__all__ = ["Compact", "Ram"]

_BLOCK = 400_000  # numbers unpacked at a time: they stay in the cache, and OpenBLAS starts no threads for so few
_DOTS = 1_000_000  # products at a time: they stay in the cache until the sieve has seen them
_BATCH = 128  # queries at a time
_ROUNDING = 2e-6  # of a float32 dot product, relative to |q| |x|
_SINGLE = 8  # more queries at once are as cheap in float32
_EARN = 8  # searches after which the int8 copy has earned its making
_SELECTIVE = 8  # an allowed share below 1/8 is gathered instead of scanned
_PAIRS = 2048  # rows scored at a time


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
    def of(cls, rows: np.ndarray, mean: np.ndarray | None = None) -> "Compact":
        """Code rows (n, d) float32, about their own mean or another one."""
        n, d = rows.shape
        if mean is None:
            mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32) if n else np.zeros(d, np.float32)
        codes, scales, errors = np.empty((n, d), np.int8), np.empty(n, np.float32), np.empty(n, np.float32)
        for part in _blocks(n, _BLOCK // d):
            rest = rows[part] - mean
            scale = np.maximum(np.abs(rest).max(axis=1), np.float32(1e-30)) / np.float32(127)
            code = np.rint(rest / scale[:, None])
            rest -= code * scale[:, None]
            codes[part], scales[part] = code, scale
            errors[part] = np.sqrt(np.einsum("nd,nd->n", rest, rest)) * 1.0001
        return cls(codes, scales, mean, errors)

    def dots(self, queries: np.ndarray, rows: "np.ndarray | slice" = slice(None)) -> np.ndarray:
        """(b, m) float32: q x~ of each of the rows with each query; a query at a time, which few are cheapest by."""
        codes = self.codes[rows]
        made: np.ndarray = np.empty((len(queries), len(codes)), np.float32)
        room = np.empty((max(1, _BLOCK // codes.shape[1]), codes.shape[1]), np.float32)
        for part in _blocks(len(codes), len(room)):
            unpacked = room[: part.stop - part.start]
            np.copyto(unpacked, codes[part], casting="unsafe")
            for products, query in zip(made, queries, strict=True):
                np.matmul(unpacked, query, out=products[part])
        made *= self.scales[rows]
        made += (queries @ self.mean)[:, None]
        return made.T


class Ram:
    """A Finder over float32 rows in RAM.

    Args:
        data: (n, d) float32.
        space: where they live.
        compact: the rows as int8, if that is there already; else it is made after a few searches.
    """

    def __init__(self, data: np.ndarray, space: Space, compact: Compact | None = None) -> None:
        self.data, self.space = data, space
        self._compact = compact
        self._asked = 0

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        found: np.ndarray = self.data[rows]
        return found

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row, exactly."""
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        queries = query.require(self.space).data.astype(np.float32)
        found: list[Nearest] = []
        for part in _blocks(len(queries), _BATCH):
            found += self._scan(queries[part], k, allowed)
        return found

    def _scan(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> list[Nearest]:
        """The best of all allowed rows."""
        n, m = len(self.data), len(queries)
        rows = None
        if allowed is not None and np.count_nonzero(allowed) * _SELECTIVE < n:
            rows, allowed = np.flatnonzero(allowed), None
        compact, sieve = self._coded(m), Sieve(m, k)
        lengths, room = np.linalg.norm(queries, axis=1), np.empty((0 if compact else max(1, _DOTS // m), m), np.float32)
        turned = np.ascontiguousarray(queries.T)
        for block in _blocks(n if rows is None else len(rows), _DOTS // m):
            part = block if rows is None else rows[block]
            if compact is None:
                dots = np.matmul(self.data[part], turned, out=room[: block.stop - block.start])
                values, slack = self._bounds(dots, None, lengths, part)
            else:
                values, slack = self._bounds(compact.dots(queries, part), compact.errors[part], lengths, part)
            if allowed is not None:
                values[~allowed[part]] = -np.inf
            sieve.add(values, slack, part)
        asked, kept = sieve.left()
        if compact is not None:
            asked, kept = self._narrow(asked, kept, queries, k)
        return self._finish(asked, kept, queries, k)

    def _coded(self, m: int) -> Compact | None:
        """The int8 copy, where it is the cheaper way."""
        if m > _SINGLE:
            return None
        self._asked += 1
        if self._compact is None and self._asked > _EARN:
            self._compact = Compact.of(self.data)
        return self._compact

    def _bounds(
        self, dots: np.ndarray, errors: np.ndarray | None, lengths: np.ndarray, rows: "np.ndarray | slice"
    ) -> tuple[np.ndarray, np.ndarray]:
        """What ranks like the score (b, m), and how far it may be off, (m,) or where the rows have errors (b, m)."""
        slack = np.asarray(_ROUNDING * self._longest * lengths + 1e-30, np.float32)
        if errors is not None:
            slack = errors[:, None] * lengths + slack
        if self.space.metric != "euclidean":
            return dots, slack
        squares = self._squares[rows, None]  # 2 q x - x^2 ranks like -||x - q||
        return 2 * dots - squares, 2 * slack + np.float32(_ROUNDING * self._longest**2)

    def _narrow(
        self, asked: np.ndarray, kept: np.ndarray, queries: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let float32 rule more out for queries that the int8 copy leaves much to score, whose rows are `kept`."""
        bounds = np.searchsorted(asked, np.arange(len(queries) + 1))
        parts = []
        for query, (first, last) in zip(queries, pairwise(bounds), strict=True):
            rows = kept[first:last]
            if len(rows) > 2 * k + 64:
                sieve, length = Sieve(1, k), np.array([np.linalg.norm(query)])
                for block in _blocks(len(rows), _BLOCK // len(query)):
                    part = rows[block]
                    sieve.add(*self._bounds(self.data[part] @ query[:, None], None, length, part), part)
                rows = sieve.left()[1]
            parts.append(rows)
        return np.repeat(np.arange(len(parts)), [len(rows) for rows in parts]), np.concatenate(parts)

    def _finish(self, asked: np.ndarray, kept: np.ndarray, queries: np.ndarray, k: int) -> list[Nearest]:
        """Score pairs of a query and a row in float64, and take the best of each query; equal scores by row."""
        wide, scores = queries.astype(np.float64), np.empty(len(kept), np.float32)
        for part in _blocks(len(kept), _PAIRS):
            scores[part] = score(self.data[kept[part]], wide[asked[part]], self.space)
        order = np.lexsort((kept, -scores, asked))
        bounds = np.searchsorted(asked, np.arange(len(queries) + 1))
        ends = np.minimum(bounds[1:], bounds[:-1] + k)
        kept, scores = kept[order].astype(np.int64), scores[order]
        return [Nearest(kept[a:b], scores[a:b]) for a, b in zip(bounds[:-1], ends, strict=True)]

    @cached_property
    def _squares(self) -> np.ndarray:
        """(n,) float64 squared lengths."""
        found: np.ndarray = np.einsum("nd,nd->n", self.data, self.data, dtype=np.float64)
        return found

    @cached_property
    def _longest(self) -> float:
        """The greatest length of a row; rows of a cosine Space have length 1."""
        return 1.0 if self.space.metric == "cosine" else float(np.sqrt(self._squares.max(initial=0.0)))


def _blocks(n: int, step: int) -> Iterator[slice]:
    """Slices that cover n rows."""
    step = max(1, step)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
