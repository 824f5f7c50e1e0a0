"""What each method makes of pairs it has not seen: cross-validated where they are few, held out where they are many.

Knows nothing of how one is chosen. Imports numpy only. Letters: n pairs, dt target width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.affine import Affine, LowRankAffine
from samespace.translate.frame import Frame
from samespace.translate.kernel import Kernel
from samespace.translate.local import LocalProcrustes
from samespace.translate.measure import Fidelity, compare, twins
from samespace.translate.near import unit
from samespace.translate.neural import ResidualMLP
from samespace.translate.procrustes import Procrustes
from samespace.translate.protocol import Translator
from samespace.translate.rotations import blend, ridge_rotation

__all__ = ["METHODS", "Trial", "candidates", "fitted", "try_all"]

METHODS: Final[Mapping[str, Callable[..., Translator]]] = {
    "procrustes": Procrustes.fit,
    "ridge-rotation": ridge_rotation,
    "blend": blend,
    "affine": Affine.fit,
    "low-rank": LowRankAffine.fit,
    "kernel": Kernel.fit,
    "local": LocalProcrustes.fit,
    "mlp": ResidualMLP.fit,
}
"""By name, as `method` takes them."""
_SEEDED = ("kernel", "local", "mlp")
_SLOW = ("kernel", "mlp")  # kept as measured, not fitted a second time
_FROM: Final[Mapping[str, int]] = {
    "procrustes": 0, "ridge-rotation": 100, "blend": 200, "kernel": 200,
}  # fmt: skip
"""Pairs from which each is tried: fewer cannot tell the candidates apart, and there the rotation is the safe one. With
a hundred a pool has twenty rows: what "blend" or "kernel" seems to gain there is luck, and costs up to .03 of top-1.

What is not here was never the best: "kernel" keeps more than "local" and "mlp" wherever these were measured."""
_AFFINE = 5  # pairs a dimension from which "affine" is tried: with fewer it wins in small pools and loses in large ones
_FOLDS, _FOLDED = 5, 1000
_SHARE, _MOST = 0.1, 2000  # held out of many pairs
_K = 10
_ENOUGH = 20  # rows of a fold that can be a pool


@dataclass(frozen=True, eq=False)
class Trial:
    """One method on held-out pairs.

    Attributes:
        rows: (m,) row numbers translated by a map that has not seen them.
        carried: (m, dt), what they became in the Frame of the target, before any stretch.
        frames: for each of them, which of `afters` it is in.
        afters: Frames of the maps.
        found: Fidelity in the Frame.
        split: how rows were held out.
        kept: the map, where it is not to be fitted again.
    """

    rows: np.ndarray
    carried: np.ndarray
    frames: np.ndarray
    afters: tuple[Frame, ...]
    found: Fidelity
    split: str
    kept: Translator | None = None

    def measured(self, target: Vectors, by: float, corpus: str) -> Fidelity:
        """Fidelity of the translations put `by` times as far out, scored as the target Space scores."""
        parts = []
        for number, after in enumerate(self.afters):
            here = self.frames == number
            made = target.space.vectors(self.carried[here] * (after.scale * by) + after.mean)
            parts.append((made, target[_pool(self.rows[here], len(target))]))
        return _over(parts, corpus)


def candidates(n: int, width: int) -> tuple[str, ...]:
    """Methods worth trying with n pairs of a source so wide."""
    there = [name for name, least in {**_FROM, "affine": max(100, _AFFINE * width)}.items() if n >= least]
    return tuple(name for name in there if name != "kernel" or find_spec("scipy") is not None)


def fitted(
    name: str, source: Vectors, target: Vectors, weights: np.ndarray | None, seed: int, rows: np.ndarray | None = None
) -> Translator:
    """One method fitted on all pairs, or on some rows of them."""
    if rows is not None:
        source, target, weights = source[rows], target[rows], None if weights is None else np.asarray(weights)[rows]
    settings: dict[str, Any] = {"seed": seed} if name in _SEEDED else {}
    return METHODS[name](source, target, weights=weights, **settings)


def try_all(
    names: Sequence[str], source: Vectors, target: Vectors, weights: np.ndarray | None, seed: int
) -> dict[str, Trial]:
    """Try each on the same held-out rows; empty if rows are so much alike that none can be held out."""
    folds, split = _folds(source, target, seed)
    return {name: _tried(name, source, target, weights, seed, folds, split) for name in names} if folds else {}


def _folds(source: Vectors, target: Vectors, seed: int) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """(rows to fit on, rows held out), no item nor its copy in both; and in words how."""
    n = len(source)
    order = np.random.default_rng(seed).permutation(n)
    few = n <= _FOLDED
    both = (source, target)
    outs = np.array_split(order, _FOLDS) if few else [order[: min(_MOST, round(_SHARE * n))]]
    made = []
    for out in outs:
        rest = np.setdiff1d(order, out)
        rest = rest[~twins(source, rest, out)]
        if min(len(rest), len(out)) >= 2 and all(_differ(side, rows) for side in both for rows in (rest, out)):
            made.append((rest, np.sort(out)))
    words = f"{_FOLDS}-fold cross-validation" if few else f"{len(outs[0]):,} of {n:,} pairs held out"
    return made, words


def _differ(side: Vectors, rows: np.ndarray) -> bool:
    return bool(np.ptp(side.data[rows], axis=0).max() > 1e-5)


def _tried(
    name: str,
    source: Vectors,
    target: Vectors,
    weights: np.ndarray | None,
    seed: int,
    folds: list[tuple[np.ndarray, np.ndarray]],
    split: str,
) -> Trial:
    made: list[Any] = [fitted(name, source, target, weights, seed, rest) for rest, _ in folds]
    carried = [one.carried(source.data[out]) for one, (_, out) in zip(made, folds, strict=True)]
    rows = np.concatenate([out for _, out in folds])
    frames = np.repeat(np.arange(len(folds)), [len(out) for _, out in folds])
    true = Frame.of(target).enter(target.data)
    found = _over([_framed(a, true[_pool(out, len(true))]) for a, (_, out) in zip(carried, folds, strict=True)])
    kept = made[0] if name in _SLOW and len(made) == 1 else None
    return Trial(rows, np.concatenate(carried), frames, tuple(one.after for one in made), found, split, kept)


def _pool(out: np.ndarray, n: int) -> np.ndarray:
    """What held-out rows are looked for among: themselves, for a map draws all it makes to the rows it was fitted on.

    Where they are too few to be a pool, all n rows follow them: what is measured is then on the low side.
    """
    return out if len(out) >= _ENOUGH else np.r_[out, np.setdiff1d(np.arange(n), out)]


def _framed(made: np.ndarray, pool: np.ndarray) -> tuple[Vectors, Vectors]:
    """Both for comparison by cosine in the Frame of the target."""
    space = Space("frame", pool.shape[1], "dot")
    return space.vectors(unit(made)), space.vectors(unit(pool))


def _over(parts: Sequence[tuple[Vectors, Vectors]], corpus: str = "") -> Fidelity:
    """The mean over folds, each a pair of what was made and its pool."""
    pool = min(len(there) for _, there in parts)
    found = [compare(made, there, k=_neighbours(pool), corpus=corpus) for made, there in parts]
    shares = [one.pairs for one in found]
    kept, top1, rank, cosine = np.average([[o.kept, o.top1, o.rank, o.cosine] for o in found], axis=0, weights=shares)
    return Fidelity(float(kept), float(top1), float(rank), float(cosine), pool, sum(shares), _neighbours(pool), corpus)


def _neighbours(pool: int) -> int:
    """10, and fewer in a small pool, where ten neighbours would be a good part of all."""
    return max(1, min(_K, pool // 10))
