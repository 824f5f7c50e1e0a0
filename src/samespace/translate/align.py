"""Translate without pairs: two Spaces, texts of one kind, not one text that is known in both.

The stages, each in its module and each to be looked at alone:

    ica        whiten both sides, find their independent axes, several times over
    axes       describe an axis by its distribution and by how it goes together with others
    assign     match axes with axes: a quadratic assignment
    consensus  sum up the best matches, match again from there: a map between whitened coordinates
    refine     first map by near rows; rank-annealed self-learning; neighbour means of both directions

Imports numpy, and scipy in `assign`. Letters: n, m rows of the two sides, ds, dt widths.
"""

from collections.abc import Callable

import numpy as np

from samespace.space import Vectors
from samespace.translate.consensus import RUNS, WIDTHS, Axial, match_axes
from samespace.translate.frame import Frame
from samespace.translate.procrustes import Procrustes
from samespace.translate.refine import anneal, first_map, polish, unit

__all__ = ["align"]

_FEWEST = 1000


def align(
    source: Vectors,
    target: Vectors,
    *,
    seed: int = 0,
    widths: tuple[int, ...] = WIDTHS,
    runs: int = RUNS,
    tell: Callable[[str], None] = lambda _: None,
) -> Procrustes:
    """Fit a rotation between two Spaces on rows of different items, with no pair known.

    About half a minute to a minute of CPU for 8,000 rows a side. It finds encoders that differ in training, width and
    architecture, where both sides embed texts of the same kinds; it gives a wrong map where they do not, or where rows
    are few. One run cannot tell which: see `facts["value"]` (below 1.0 is a bad sign) and compare two runs.

    Args:
        source: (n, ds), n >= 1,000; some thousands are needed in earnest.
        target: (m, dt), of other items or of the same in unknown order.
        seed: of all that is drawn; equal arguments give equal maps.
        widths: numbers of independent axes that are matched, one after the other.
        runs: of the search for axes, for each side and width.
        tell: is told each stage as it begins.

    Returns:
        Procrustes with fidelity None: nothing is measured where no pair is known.

    Raises:
        ValueError: too few rows, or rows that span too few directions.
    """
    for side in (source, target):
        if len(side) < _FEWEST:
            raise ValueError(
                f"{len(side)} rows of {side.space}: without pairs at least {_FEWEST:,} are needed, 8,000 are good\n"
                "Give more, or pairs: fit(source, target)"
            )
    rng = np.random.default_rng(seed)
    before, after = Frame.of(source), Frame.of(target)
    x, y = before.enter(source.data).astype(np.float32), after.enter(target.data).astype(np.float32)
    axial = match_axes(x, y, rng, widths=widths, runs=runs, tell=tell)
    tell("first map")
    start = first_map(x, y, *_coordinates(x, y, axial))
    tell("annealing")
    rough = anneal(x, y, start, rng)
    tell("polishing")
    rotation = polish(x, y, rough, rng)
    facts = {
        "method": "align", "rows": [len(source), len(target)], "seed": seed, "value": axial.agreement.value,
        "values": [list(one) for one in axial.values],
    }  # fmt: skip
    shift, back = np.zeros(target.space.dim), np.zeros(source.space.dim)
    return Procrustes(source.space, target.space, before, after, rotation, shift, rotation.T, back, facts=facts)


def _coordinates(x: np.ndarray, y: np.ndarray, axial: Axial) -> tuple[np.ndarray, np.ndarray]:
    """The same coordinates of both sides, (n, c) and (m, c), unit rows: sure directions count more."""
    u, s, vt = np.linalg.svd(axial.agreement.map)
    sure = (s / s[0]) ** 2
    made = x @ (axial.source @ (u * sure)), y @ (axial.target @ (vt.T * sure))
    return unit(made[0].astype(np.float32)), unit(made[1].astype(np.float32))
