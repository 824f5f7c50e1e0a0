"""Matching axes again and again: many runs of FastICA, matched two by two, and what the best matches agree on.

One match of one pair of runs is right about as often as not. Right matches add up and wrong ones do not; so the sum of
the best is a far better map than any of them, and the next matches start from it.

Imports numpy only. Letters: n rows, c axes, w widths.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from samespace.translate.assign import Match, Problem, noised, sinkhorn
from samespace.translate.axes import Look, look
from samespace.translate.ica import Axes, fast_ica, whitening

__all__ = ["Agreement", "Axial", "match_axes"]

WIDTHS = (80, 110)
"""Axes looked for, one width after the other; fewer where the Spaces are narrower."""
RUNS = (3, 5)
"""Runs of FastICA a side, width by width."""
FOUND = 1.0
"""Objective of a match above which axes were found; below it is a bad sign."""
_SHARE = 0.85  # of the rows, that each run sees
_STARTS = 4
_SHARP = (6.0, 8.0)  # of the starts made from what was agreed on, round by round
_BEST = 4


@dataclass(frozen=True, eq=False)
class Agreement:
    """What the best matches agree on.

    Attributes:
        map: (c, c), between whitened coordinates; its singular values say how sure a direction is.
        value: mean objective of the four best; above FOUND wherever axes were found.
    """

    map: np.ndarray
    value: float


@dataclass(frozen=True, eq=False)
class Axial:
    """The outcome of matching axes.

    Attributes:
        agreement: at the last width that was looked at, c axes.
        source, target: (d, c or more) whitenings of both sides, the first c columns of which are meant.
        values: objective by width and way: ((80, "fresh", 1.02), (110, "fresh", .99), (110, "grown", 1.06)).
    """

    agreement: Agreement
    source: np.ndarray
    target: np.ndarray
    values: tuple[tuple[int, str, float], ...]


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of both sides at one width, and the problem of matching each with each."""

    source: list[tuple[Axes, Look]]
    target: list[tuple[Axes, Look]]
    problems: dict[tuple[int, int], Problem]


_Found = tuple[tuple[int, int], Match]


def match_axes(
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    widths: Sequence[int] = WIDTHS,
    runs: Sequence[int] = RUNS,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Axial]:
    """Find which independent axes of two sides are the same, by more and more of them.

    Args:
        x: (n, ds), centred rows.
        y: (m, dt), of other texts.
        rng: of runs and starts.
        widths: numbers of axes, rising.
        runs: of FastICA a side, by width; the last holds for all that follow.
        tell: is told each stage.

    Yields:
        what is known after each width; stop where it is enough.

    Raises:
        ValueError: a side spans too few directions.
    """
    most = min(max(widths), x.shape[1], y.shape[1])
    forth, back = whitening(x, most), whitening(y, most)
    white = [(rows @ turn).astype(np.float32) for rows, turn in ((x, forth), (y, back))]
    kept: Agreement | None = None
    values: list[tuple[int, str, float]] = []
    for step, width in enumerate(sorted({min(w, most) for w in widths})):
        tell(f"axes: {width}")
        made = _runs(white[0][:, :width], white[1][:, :width], runs[min(step, len(runs) - 1)], rng)
        fresh = [(key, p.solve(p.starts(_STARTS, rng))) for key, p in made.problems.items()]
        ways = [("fresh", _agree(made, fresh, rng))]
        if kept is not None:
            room = width - len(kept.map)
            ways.append(("grown", _agree(made, _again(made, np.pad(kept.map, (0, room)), _SHARP[0], rng), rng)))
        values += [(width, way, agreement.value) for way, agreement in ways]
        kept = max((agreement for _, agreement in ways), key=lambda agreement: agreement.value)
        yield Axial(kept, forth, back, tuple(values))


def _runs(x: np.ndarray, y: np.ndarray, runs: int, rng: np.random.Generator) -> _Runs:
    sides = []
    for white in (x, y):
        drawn = (white[rng.permutation(len(white))[: int(_SHARE * len(white))]] for _ in range(runs))
        found = [fast_ica(np.ascontiguousarray(rows), rng) for rows in drawn]
        sides.append([(axes, look(axes.values)) for axes in found])
    problems = {(i, j): Problem(a[1], b[1]) for i, a in enumerate(sides[0]) for j, b in enumerate(sides[1])}
    return _Runs(sides[0], sides[1], problems)


def _agree(runs: _Runs, found: list[_Found], rng: np.random.Generator) -> Agreement:
    """Sum up the best, match again from there, and keep the best of old and new; twice."""
    for sharp in _SHARP:
        found = found + _again(runs, _sum(runs, found), sharp, rng)
        found = sorted(found, key=lambda one: -one[1].value)[: len(runs.problems)]
    return Agreement(_sum(runs, found), float(np.mean([match.value for _, match in found[:_BEST]])))


def _again(runs: _Runs, agreed: np.ndarray, sharp: float, rng: np.random.Generator) -> list[_Found]:
    """Match every pair of runs from what was agreed on."""
    made = []
    for (i, j), problem in runs.problems.items():
        seen = runs.source[i][0].turn.T @ agreed @ runs.target[j][0].turn
        start = sinkhorn(np.exp(sharp * (seen / np.abs(seen).max())), 20)
        made.append(((i, j), problem.solve([start, noised(start, rng)])))
    return made


def _sum(runs: _Runs, found: list[_Found]) -> np.ndarray:
    """Add up (f - median f) W_x diag(sqrt(skew_x skew_y)) P W_y' over the best quarter."""
    ranked = sorted(found, key=lambda one: -one[1].value)
    middle = ranked[len(ranked) // 2][1].value
    total = 0.0
    for (i, j), match in ranked[: max(_BEST, len(ranked) // 4)]:
        (a, seen_a), (b, seen_b) = runs.source[i], runs.target[j]
        weight = np.sqrt(np.abs(seen_a.skew) * np.abs(seen_b.skew[match.to])) * max(1e-3, match.value - middle)
        total = total + (a.turn * weight) @ b.turn[:, match.to].T
    return np.asarray(total)
