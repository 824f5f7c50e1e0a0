"""Finders over the rows of an index that moves: embedded in the new Space where they are, translated where not.

`Held` has all of them in RAM. `Across` is for more rows than that: the embedded ones are searched where they are kept;
of the others the old side proposes some, asked by the query translated back, and these are scored as translated rows.

Knows nothing of models. Imports numpy; lance's datasets by their methods only. Letters: n rows, d width, k hits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np

from samespace.index.disk import Disk
from samespace.index.exact import best, score
from samespace.index.ground import fetched
from samespace.index.protocol import Nearest
from samespace.index.ram import Ram
from samespace.index.snapshot import Snapshot
from samespace.space import Space, Vectors
from samespace.translate.protocol import Translator

__all__ = ["Across", "Both", "Held", "translated"]

_BLOCK = 8192
_WIDER = 8  # times as many rows does the old side propose as are wanted


class Both(Protocol):
    """A Finder that knows which of its rows are embedded."""

    @property
    def native(self) -> np.ndarray:
        """(n,) bool."""

    def with_rows(self, at: np.ndarray, data: np.ndarray) -> Self:
        """The same with some rows (m,) embedded as (m, d)."""

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """As Index.nearest."""

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows as (len(rows), d) float32."""


def translated(base: Snapshot, translator: Translator) -> np.ndarray:
    """All vector rows of a view, (n, dt) float32, some at a time."""
    made = np.empty((len(base), translator.target.dim), np.float32)
    for start in range(0, len(base), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(base)))
        made[rows] = translator(base.vectors(rows)).data
    return made


@dataclass(frozen=True, eq=False)
class Held:
    """All rows in RAM.

    Attributes:
        data: (n, d) float32.
        native: (n,) bool.
        space: of the rows.
    """

    data: np.ndarray
    native: np.ndarray
    space: Space

    @classmethod
    def of(cls, rows: np.ndarray, table: Any, position: np.ndarray, space: Space) -> "Held":
        """Translated rows (n, d), but where there is a place (n,) in the new side's table, what stands there."""
        data, native = rows.copy(), position >= 0
        data[native] = fetched(table, position[native], space.dim)
        return cls(data, native, space)

    @cached_property
    def _ram(self) -> Ram:
        return Ram(self.data, self.space)

    def with_rows(self, at: np.ndarray, data: np.ndarray) -> "Held":
        """The same with some rows embedded."""
        rows, native = self.data.copy(), self.native.copy()
        rows[at], native[at] = data, True
        return replace(self, data=rows, native=native)

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row, exactly."""
        return self._ram.nearest(query, k, allowed=allowed)

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        found: np.ndarray = self.data[rows]
        return found


@dataclass(frozen=True, eq=False)
class Across:
    """Rows of two tables on the disk.

    Attributes:
        base: the view in the old Space.
        table: the new side's.
        position: (n,) where in it each row stands; -1 = nowhere.
        forth, back: from the old Space to the new one, and the way back.
        extra: (n,) which row of `fresh` each row is; -1 = none.
        fresh: (m, d) float32, embedded and not in the table yet.
    """

    base: Snapshot
    table: Any
    position: np.ndarray
    forth: Translator
    back: Callable[[Vectors], Vectors]
    extra: np.ndarray
    fresh: np.ndarray

    @property
    def space(self) -> Space:
        """The new one."""
        return self.forth.target

    @property
    def native(self) -> np.ndarray:
        """(n,) bool."""
        made: np.ndarray = (self.position >= 0) | (self.extra >= 0)
        return made

    def with_rows(self, at: np.ndarray, data: np.ndarray) -> "Across":
        """The same with some rows embedded."""
        extra = self.extra.copy()
        extra[at] = np.arange(len(self.fresh), len(self.fresh) + len(at))
        return replace(self, extra=extra, fresh=np.concatenate([self.fresh, data.astype(np.float32)]))

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        made = np.empty((len(rows), self.space.dim), np.float32)
        fresh, there = self.extra[rows] >= 0, self.position[rows] >= 0
        made[fresh] = self.fresh[self.extra[rows[fresh]]]
        there &= ~fresh
        made[there] = fetched(self.table, self.position[rows[there]], self.space.dim)
        other = ~fresh & ~there
        if other.any():
            made[other] = self.forth(self.base.vectors(rows[other])).data
        return made

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row; which of the translated ones approximately, all scores exactly."""
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        return [self._one(one, k, allowed) for one in query.require(self.space)]

    def _one(self, query: Vectors, k: int, allowed: np.ndarray | None) -> Nearest:
        wanted = np.ones(len(self.position), bool) if allowed is None else allowed
        fresh = np.flatnonzero(wanted & (self.extra >= 0))
        there = np.flatnonzero(wanted & (self.position >= 0) & (self.extra < 0))
        parts = [fresh]
        if len(there):
            disk = Disk(self.table, self.position[there], self.space)
            parts.append(there[disk.nearest(query, k)[0].rows])
        other = wanted & ~self.native
        if other.any():
            parts.append(self.base.nearest(self.back(query), _WIDER * k, allowed=other)[0].rows)
        rows = np.concatenate(parts)
        return best(rows, score(self.fetch(rows), query.data[0].astype(np.float64), self.space), k)
