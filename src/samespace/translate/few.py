"""Translate with a few pairs and many rows without: pairs say where to begin, what is near says the rest.

    start     the pairs' covariance; or, where pairs say too little, the independent axes of both sides (`align`)
    refine    annealing and polishing, the pairs' covariance added in every round
    gate      the same from three quarters of the pairs, against the pairs alone, on the quarter neither has seen

Knows nothing of models, files or indexes. Imports numpy; scipy where axes are matched. Letters: n pairs, ds, dt widths.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from samespace.space import Vectors
from samespace.translate.align import align
from samespace.translate.frame import Frame
from samespace.translate.pairs import Pairs
from samespace.translate.procrustes import Procrustes, polar
from samespace.translate.refine import anneal, polish
from samespace.translate.stretch import stretched

__all__ = ["few"]

_WEIGHT = 1.0  # of the pairs' covariance, that of near rows being 1
_GATE, _FEWEST = 0.25, 12  # share of the pairs held out to judge by; fewer pairs than this are not split
_RIGHT = 0.1  # mean place of the pairs by a map that was found without them, up to which it is begun at
_LOST = 0.02  # mean place among the rows, from which on a start from pairs has gone astray
_ROWS, _AXES = 1000, 8  # rows and pairs below which rows, or axes, are no help
_POOL = 4000
_FURTHER = 2.0


@dataclass(frozen=True, eq=False)
class _Sides:
    """Both sides in their Frames: rows without pairs, float32; pairs."""

    x: np.ndarray
    y: np.ndarray
    pairs: Pairs


def few(
    source: Vectors,
    target: Vectors,
    pairs_source: Vectors,
    pairs_target: Vectors,
    *,
    weights: np.ndarray | None = None,
    start: Procrustes | None = None,
    seed: int = 0,
) -> Procrustes:
    """Fit a rotation on few pairs (5 to some hundreds) and many rows of either side, of other items.

    Never knowingly worse than the pairs alone: what self-learning makes is held against them on pairs that neither has
    seen, and the better way is taken. With several hundred pairs fit() does as well.

    Args:
        source: (m, ds) rows without a known pair; some thousands.
        target: (m', dt), of whatever items.
        pairs_source: (n, ds), n >= 2.
        pairs_target: (n, dt); row i embeds the same item as row i of pairs_source.
        weights: (n,) >= 0, how much each pair counts; None = all alike.
        start: a map found without pairs, by `align` or better `judged`, to begin at in place of the pairs: with ten
            or thirty pairs better than either alone. One that places the pairs badly is passed over.
        seed: of all that is drawn.

    Returns:
        Procrustes; `facts["why"]` says which way was taken, `facts["table"]` mean places of held-out pairs (0 = found
        first, .5 = by chance). Its fidelity is None: few pairs cannot measure it.

    Raises:
        ValueError: no pairs, see Pairs.of; rows of other Spaces raise SpaceMismatchError.
    """
    every = (source.concat(pairs_source), target.concat(pairs_target))
    frames = (Frame.of(every[0]), Frame.of(every[1]))
    pairs = Pairs.of(pairs_source, pairs_target, weights, frames)
    x, y = (f.enter(v.data).astype(np.float32) for f, v in zip(frames, every, strict=True))
    sides = _Sides(x, y, pairs)
    alone = Procrustes.on(pairs)
    if min(len(source), len(target)) < _ROWS:
        return _finished(alone, "pairs", f"fewer than {_ROWS:,} rows on a side: the pairs alone", {}, seed)
    begin, judged = _judged(start, sides)
    table = {**_gate(sides, begin, seed), **judged}
    if "pairs" in table and table["pairs"] <= table["rows"]:
        return _finished(alone, "pairs", "the pairs alone place held-out pairs better", table, seed)
    turn = _refined(sides, begin, seed)
    way, why = (
        "rows",
        "rows that are near place held-out pairs better than the pairs alone" if "pairs" in table else "too few pairs",
    )
    place = table.get("rows", _place(turn, sides, pairs))
    if begin is None and place > _LOST and len(pairs) >= _AXES:
        found = align(source, target, seed=seed).matrix
        table["axes"] = _place(found, sides, pairs)
        if table["axes"] < place:
            turn, way = _refined(sides, found / np.linalg.norm(found), seed), "axes"
            why = "axes that go together place the pairs better than a start from the pairs"
    made = replace(alone, matrix=turn, back=turn.T)
    return _finished(made, way, why, table, seed)


def _judged(start: Procrustes | None, sides: _Sides) -> tuple[np.ndarray | None, dict[str, float]]:
    """A map to begin at, of norm 1, unless it places the pairs badly, which it has never seen; and how it does."""
    if start is None:
        return None, {}
    place = _place(start.matrix, sides, sides.pairs)  # its Frames are nearly these
    return (start.matrix / np.linalg.norm(start.matrix) if place <= _RIGHT else None), {"start": place}


def _gate(sides: _Sides, begin: np.ndarray | None, seed: int) -> dict[str, float]:
    """Mean places of held-out pairs under both ways; empty if there are too few pairs."""
    n = len(sides.pairs)
    if n < _FEWEST:
        return {}
    order = np.random.default_rng(seed).permutation(n)
    out, rest = np.split(order, [round(_GATE * n)])
    known, unknown = _part(sides.pairs, rest), _part(sides.pairs, out)
    turn = _refined(replace(sides, pairs=known), begin, seed)
    both = {"pairs": polar(_covariance(known), rank=len(known)), "rows": turn}
    return {name: _place(one, sides, unknown) for name, one in both.items()}


def _refined(sides: _Sides, begin: np.ndarray | None, seed: int) -> np.ndarray:
    """Polished from a map to begin at, of norm 1; or annealed from the pairs' covariance first."""
    rng = np.random.default_rng(seed)
    known = _WEIGHT * _covariance(sides.pairs)
    if begin is None:
        begin = anneal(sides.x, sides.y, _covariance(sides.pairs), rng, known)
    return polish(sides.x, sides.y, begin, rng, known=known)


def _covariance(pairs: Pairs) -> np.ndarray:
    """(ds, dt), of norm 1."""
    made: np.ndarray = (pairs.x * pairs.weights[:, None]).T @ pairs.y
    return made / max(float(np.linalg.norm(made)), 1e-12)


def _place(turn: np.ndarray, sides: _Sides, pairs: Pairs) -> float:
    """Geometric mean of the share of rows that are nearer than a pair's own, in (0, 1]; about .37 by chance."""
    made, pool = pairs.x @ turn, sides.y[:_POOL]
    lengths = np.maximum(np.linalg.norm(made, axis=1), 1e-12)
    own = (made * pairs.y).sum(axis=1) / lengths
    above = ((made / lengths[:, None]) @ pool.T > own[:, None] + 1e-6).sum(axis=1)
    return float(np.exp(np.log((1 + above) / (1 + len(pool))).mean()))


def _part(pairs: Pairs, rows: np.ndarray) -> Pairs:
    return replace(pairs, x=pairs.x[rows], y=pairs.y[rows], weights=pairs.weights[rows])


def _finished(made: Procrustes, way: str, why: str, table: dict[str, float], seed: int) -> Procrustes:
    facts: dict[str, Any] = {"method": "few", "way": way, "why": why, "table": table, "seed": seed}
    return stretched(replace(made, facts={**made.facts, **facts}), _FURTHER)
