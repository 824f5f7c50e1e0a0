"""Translate without pairs: two Spaces, texts of one kind, not one text that is known in both.

The stages, each in its module and each to be looked at alone:

    ica        whiten both sides, find their independent axes, several times over
    axes       describe an axis by its distribution and by how it goes together with others
    assign     match axes with axes: a quadratic assignment
    consensus  sum up the best matches, match again from there: a map between whitened coordinates
    refine     first map by near rows; rank-annealed self-learning; neighbour means of both directions
    verdict    whether two runs agree

Imports numpy, and scipy in `assign` and `near`. Letters: n, m rows of the two sides, ds, dt widths.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from samespace.space import Vectors
from samespace.translate.anchors import CLUSTERINGS, anchored
from samespace.translate.consensus import FOUND, RUNS, WIDTHS, Axial, match_axes
from samespace.translate.frame import Frame
from samespace.translate.near import unit
from samespace.translate.procrustes import Procrustes
from samespace.translate.refine import BRIEF, COPY, POLISH, anneal, first_map, halves, polish, settle
from samespace.translate.verdict import of_runs

__all__ = ["align", "judged"]

_FEWEST = 1000
_DRAW = 0.8  # of the rows, that each of two runs sees

Tell = Callable[[str], None]


def align(
    source: Vectors,
    target: Vectors,
    *,
    seed: int = 0,
    method: Literal["axes", "kmeans"] = "axes",
    widths: tuple[int, ...] = WIDTHS,
    runs: tuple[int, ...] | None = None,
    tell: Tell = lambda _: None,
) -> Procrustes:
    """Fit a rotation between two Spaces on rows of different items, with no pair known.

    Ten to thirty seconds of CPU for 8,000 rows a side. It finds encoders that differ in training, width and
    architecture, where both sides embed texts of the same kinds; it gives a wrong map where they do not, or where rows
    are few. One run cannot tell which; two can: `judged`.

    Args:
        source: (n, ds), n >= 1,000; some thousands are needed in earnest.
        target: (m, dt), of other items or of the same in unknown order.
        seed: of all that is drawn; equal arguments give equal maps.
        method: "axes", or "kmeans", the start of mini-vec2vec, to compare with.
        widths: numbers of independent axes that are matched, one after the other until both halves of the rows agree.
        runs: of the search for axes, for each side, by width; or of clustering, the first. None = (3, 5), or 30.
        tell: is told each stage as it begins.

    Returns:
        Procrustes with fidelity None: nothing is measured where no pair is known. Its facts: `value`, the objective of
        the match (below 1.0 is a bad sign); `halves`, for which share of rows the first map, polished on two halves of
        the rows, finds the same neighbour; `same_texts`, whether both sides turned out to embed the same items.

    Raises:
        ValueError: too few rows that differ, or rows that span too few directions.
    """
    _enough(source)
    _enough(target)
    rng = np.random.default_rng(seed)
    before, after = Frame.of(source), Frame.of(target)
    x, y = before.enter(source.data).astype(np.float32), after.enter(target.data).astype(np.float32)
    facts: dict[str, Any] = {"method": f"align:{method}", "rows": [len(source), len(target)], "seed": seed}
    if method == "axes":
        rough, copy, found = _by_axes(x, y, rng, widths, runs or RUNS, tell)
        facts |= found
    else:
        tell("anchors")
        coordinates = anchored(x, y, rng, runs[0] if runs else CLUSTERINGS)
        tell("first map")
        rough, copy = first_map(x, y, *coordinates, rng), False
    if not copy:
        tell("annealing")
        rough = anneal(x, y, rough, rng)
    tell("polishing")
    rotation, mutual = settle(x, y, polish(x, y, rough, rng, BRIEF if copy else POLISH))
    facts |= {"mutual": mutual.share, "same_texts": mutual.same}
    shift, back = np.zeros(target.space.dim), np.zeros(source.space.dim)
    return Procrustes(source.space, target.space, before, after, rotation, shift, rotation.T, back, facts=facts)


def judged(source: Vectors, target: Vectors, *, seed: int = 0, tell: Tell = lambda _: None, **how: Any) -> Procrustes:
    """Two runs of `align`, each on its own draw of four fifths of the rows, and the verdict on whether they agree.

    Args and errors as `align`.

    Returns:
        Where they are trusted, what both say, polished on all rows; else the run whose axes matched better. With
        facts["verdict"].
    """
    rng = np.random.default_rng(seed)
    runs = []
    for name in ("first run", "second run"):
        tell(name)
        sides = (side[np.sort(rng.permutation(len(side))[: int(_DRAW * len(side))])] for side in (source, target))
        runs.append(align(*sides, seed=int(rng.integers(2**31)), tell=tell, **how))
    tell("verdict")
    verdict = of_runs(runs[0], runs[1], source, target)
    best = max(runs, key=lambda run: float(run.facts.get("value", 0.0)))
    facts = {**best.facts, "rows": [len(source), len(target)], "seed": seed, "verdict": verdict.to_dict()}
    if verdict.level != "trusted":
        return replace(best, facts=facts)
    before, after = Frame.of(source), Frame.of(target)
    x, y = before.enter(source.data).astype(np.float32), after.enter(target.data).astype(np.float32)
    rotation, _ = settle(x, y, polish(x, y, runs[0].matrix + runs[1].matrix, rng, POLISH[-1:]))
    return replace(best, before=before, after=after, matrix=rotation, back=rotation.T, facts=facts)


def _enough(side: Vectors) -> None:
    """Refuse few rows, however often they are repeated."""
    ray = np.random.default_rng(0).standard_normal(side.space.dim)
    different = len(np.unique(side.data @ ray)) if len(side) >= _FEWEST else len(side)
    if different < _FEWEST:
        raise ValueError(
            f"{different} different rows of {side.space}: without pairs at least {_FEWEST:,} are needed, 8,000 are "
            "good\nGive more, or pairs: fit(source, target)"
        )


def _by_axes(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator, widths: tuple[int, ...], runs: tuple[int, ...], tell: Tell
) -> tuple[np.ndarray, bool, dict[str, Any]]:
    """A first map by more and more axes; whether the Spaces are nearly turned copies, which ends it; and the facts."""
    for axial in match_axes(x, y, rng, widths=widths, runs=runs, tell=tell):
        tell("first map")
        rough = first_map(x, y, *_coordinates(x, y, axial), rng)
        both, agreed = halves(x, y, rough, rng)
        facts = {"value": axial.agreement.value, "values": [list(one) for one in axial.values], "halves": agreed}
        if agreed >= COPY and axial.agreement.value >= FOUND:
            return both, True, facts
    return rough, False, facts


def _coordinates(x: np.ndarray, y: np.ndarray, axial: Axial) -> tuple[np.ndarray, np.ndarray]:
    """The same coordinates of both sides, (n, c) and (m, c), unit rows: sure directions count more."""
    u, s, vt = np.linalg.svd(axial.agreement.map)
    sure, c = (s / s[0]) ** 2, len(s)
    made = x @ (axial.source[:, :c] @ (u * sure)), y @ (axial.target[:, :c] @ (vt.T * sure))
    return unit(made[0].astype(np.float32)), unit(made[1].astype(np.float32))
