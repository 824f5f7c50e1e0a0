"""A Gauge: one set of eligible rows, and what scores are worth in it.

Rows are taken by modality, and texts by writing, since a question scores lower against pictures than against texts and
an English one lower against Chinese texts than against English ones. What the lists are joined by is z, never a raw
cosine. Unrelated queries of the same sort as the one asked are made from the background: sums with the same weights,
pictures from the collection's own.

Knows nothing of files or models. Imports numpy and pyarrow. Letters: n vector rows, b background queries.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from samespace.index.calibrate import Background, Levels, Null
from samespace.index.compose import Direction
from samespace.index.snapshot import Memo, Snapshot
from samespace.index.sort import sorts
from samespace.space import Vectors, similarity

__all__ = ["Found", "Gauge", "Sorts", "sorts_of"]

_SAMPLE = 4096  # rows that the null is measured on
_OWN = 96  # rows of the collection that serve as unrelated pictures or sounds
_LARGEST_BLOCK = 65_536
Found = tuple[int, float, float | None, float | None]
"""Vector row, similarity, z, percentile."""
Shape = tuple[tuple[float, str], ...]
"""Weight and sort of each summand of a query."""
_USUAL: Shape = ((1.0, "query"),)  # a plain question
Sorts = tuple[np.ndarray, tuple[str, ...]]
"""(n,) number of the sort of each vector row, and the names of the sorts."""


@dataclass(frozen=True, eq=False)
class _Class:
    """Eligible rows of one sort: which, and an even sample of them. `name` is "image", "text/LATIN", …"""

    view: Snapshot
    name: str
    mask: np.ndarray
    total: int
    sample: np.ndarray

    @cached_property
    def rows(self) -> Vectors:
        """Vectors of the sample."""
        return self.view.vectors(self.sample)


class Gauge:
    """Scores and measures directions among the allowed rows of a snapshot."""

    def __init__(self, view: Snapshot, background: Background | None, allowed: np.ndarray | None, sorts: Sorts) -> None:
        self.view, self.background = view, background
        self._sorts, self._names = sorts  # see `sorts_of`: the same for every filter
        self._memo = _kept(view, background) if allowed is None else None
        eligible = np.ones(len(view), bool) if allowed is None else view.vector_mask(allowed)
        self.eligible = int(eligible.sum())
        counts = np.bincount(self._sorts if allowed is None else self._sorts[eligible], minlength=len(self._names))
        there = sorted((self._names[number], number) for number in np.flatnonzero(counts))
        self.classes = [self._class(name, eligible & (self._sorts == number)) for name, number in there]
        self._nulls: dict[tuple[object, ...], Null | None] = {}
        self._levels: dict[str, Levels] = {}

    def prepare(self) -> None:
        """Measure what plain questions are held against."""
        for one in self.classes:
            self._null(_USUAL, one)

    def nearest(self, direction: Direction, most: int) -> list[Found]:
        """The best rows of every sort, by falling worth."""
        found: list[Found] = []
        for one in self.classes:
            whole = None if one.total == len(self.view) else one.mask
            near = self.view.nearest(direction.vectors, most, allowed=whole)[0]
            found += self._judged(direction, one, near.rows, near.scores)
        if any(z is None for _, _, z, _ in found):
            return sorted(found, key=lambda f: (f[2] is None, -(f[2] or 0.0), -f[1], f[0]))[:most]
        return sorted(found, key=lambda f: (-(f[2] or 0.0), f[0]))[:most]

    def measure(self, direction: Direction, rows: np.ndarray) -> list[Found]:
        """Some rows, in their order."""
        if not len(rows):
            return []
        scores = similarity(direction.vectors, self.view.vectors(rows))[0]
        made: dict[int, Found] = {}
        for one in self.classes:
            here = np.flatnonzero(one.mask[rows])
            for at, judged in zip(here, self._judged(direction, one, rows[here], scores[here]), strict=True):
                made[int(at)] = judged
        return [made.get(i, (int(row), float(scores[i]), None, None)) for i, row in enumerate(rows)]

    def everything(self, direction: Direction) -> np.ndarray:
        """(n,) z of every eligible row; -inf for the others."""
        z = np.full(len(self.view), -np.inf)
        for one in self.classes:
            rows = np.flatnonzero(one.mask)
            for start in range(0, len(rows), _LARGEST_BLOCK):
                block = rows[start : start + _LARGEST_BLOCK]
                vectors, null = self.view.vectors(block), self._null(direction.shape, one)
                if null is None:
                    z[block] = similarity(direction.vectors, vectors)[0]
                else:
                    z[block] = null.worth(direction.vectors, vectors, direction.writing)[0]
        return z

    def _judged(self, direction: Direction, one: _Class, rows: np.ndarray, scores: np.ndarray) -> list[Found]:
        null = self._null(direction.shape, one)
        if null is None or not len(rows):
            return [(int(r), float(s), None, None) for r, s in zip(rows, scores, strict=True)]
        z, percentiles = null.worth(direction.vectors, self.view.vectors(rows), direction.writing)
        return [(int(r), float(s), float(a), float(b)) for r, s, a, b in zip(rows, scores, z, percentiles, strict=True)]

    def _class(self, name: str, mask: np.ndarray) -> _Class:
        rows = np.flatnonzero(mask)
        sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]
        return _Class(self.view, name, mask, len(rows), sample)

    def _null(self, shape: Shape, one: _Class) -> Null | None:
        key = (one.name, shape)
        if key not in self._nulls:
            usual = self._memo is not None and shape == _USUAL and one.name.startswith("text/")
            self._nulls[key] = self._remembered(one) if usual else self._measured(shape, one)
        return self._nulls[key]

    def _remembered(self, one: _Class) -> Null | None:
        """The null of plain questions among these rows: as it was measured once for this view, or measured now."""
        assert self._memo is not None and self.background is not None
        memo, name = self._memo
        known = memo.load(name)
        levels = self._levels_of(one)
        queries, scripts = self.background.queries, self.background.query_scripts
        made = Null.of_dict(known[one.name], queries, scripts, levels) if one.name in known else None
        if made is None:
            made = self._measured(_USUAL, one)
            if made is not None:
                memo.save(name, memo.load(name) | {one.name: made.to_dict()})
        return made

    def _measured(self, shape: Shape, one: _Class) -> Null | None:
        """The null of queries of this shape among these rows."""
        parts = [self._unrelated(sort) for _, sort in shape]
        levels = self._levels_of(one)
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        if len(known) == 1 and shape[0][0] > 0:
            vectors, scripts, taken = known[0]
            apart = None if taken is None else taken[:, None] == one.sample[None, :]
            own = vectors is levels.references
            return Null.fit(vectors, scripts, levels, one.rows, self.eligible, own=own, apart=apart)
        count = max(len(vectors) for vectors, _, _ in known)
        mixed = np.zeros((count, self.view.space.dim), np.float64)
        for i, ((weight, _), (vectors, _, _)) in enumerate(zip(shape, known, strict=True)):
            order = np.random.default_rng(i).permutation(count) % len(vectors) if i else np.arange(count) % len(vectors)
            mixed += weight * vectors.data[order]
        writings = [known[0][1][i % len(known[0][0])] for i in range(count)]
        keep = np.linalg.norm(mixed, axis=1) > 1e-6
        made = self.view.space.vectors(mixed[keep])
        return Null.fit(made, [s for s, k in zip(writings, keep, strict=True) if k], levels, one.rows, self.eligible)

    def _unrelated(self, sort: str) -> tuple[Vectors, tuple[str, ...], np.ndarray | None] | None:
        """Background queries of one sort, their writings, and which rows they are if they are rows."""
        if self.background is not None and sort == "query":
            return self.background.queries, self.background.query_scripts, None
        if self.background is not None and sort == "text":
            return self.background.texts, self.background.text_scripts, None
        alike = [number for number, name in enumerate(self._names) if name == sort]
        rows = np.flatnonzero(np.isin(self._sorts, alike))
        if len(rows) < 2:
            return None
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _OWN)).astype(np.int64)]
        return self.view.vectors(rows), ("",) * len(rows), rows

    def _levels_of(self, one: _Class) -> Levels:
        if one.name not in self._levels:
            modality, _, writing = one.name.partition("/")
            if modality == "text" and self.background is not None:
                made = Levels(self.background.texts, self.background.weights([writing]))
            else:
                made = Levels.of_things(self.background, one.rows)
            self._levels[one.name] = made
        return self._levels[one.name]


def sorts_of(view: Snapshot) -> Sorts:
    """The sort of each vector row: its modality, and of texts the writing: "image", "text/LATIN", "text/CJK"."""
    if view.prepared is not None:
        return view.prepared.sorts, view.prepared.sort_names
    known = np.flatnonzero(view.vector_row >= 0)
    first = np.full(len(view), -1, np.int64)
    first[view.vector_row[known[::-1]]] = known[::-1]
    return sorts(view.rows.take(first, ["modality", "text"]))


def _kept(view: Snapshot, background: Background | None) -> tuple[Memo, str] | None:
    """Where what is measured with this background is kept, and under which name."""
    if view.prepared is None or view.prepared.memo is None or background is None:
        return None
    return view.prepared.memo, f"null-{background.mark}"
