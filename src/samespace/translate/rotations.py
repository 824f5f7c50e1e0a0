"""Rotations that have seen a regression: what stands between Procrustes and Affine, where pairs are few.

Ridge regression knows which directions of the source vary together and shrinks what it is unsure of; its singular
values, though, favour few directions, which costs ranks. So its directions are taken and its lengths are left.

Imports numpy only. Letters: n pairs, ds and dt source and target width.
"""

from dataclasses import replace

import numpy as np

from samespace.space import Vectors
from samespace.translate.affine import Ridge
from samespace.translate.linear import Linear
from samespace.translate.pairs import Pairs
from samespace.translate.procrustes import Procrustes, polar

__all__ = ["blend", "ridge_rotation", "turned"]

_PENALTY = 1.0  # in units of the mean eigenvalue; .3 to 10 end alike
_LOOSE = 0.3
_SHARE = 0.6  # of the regression's length in a blend, the rotation's being 1


def ridge_rotation(source: Vectors, target: Vectors, *, weights: np.ndarray | None = None) -> Procrustes:
    """The nearest rotation to the ridge regression: polar((X'X + p)^-1 X'Y). Errors as Pairs.of.

    Finds a row's own somewhat more often than Procrustes = polar(X'Y) does, up to some hundreds of pairs.
    """
    return turned(Pairs.of(source, target, weights))


def turned(pairs: Pairs) -> Procrustes:
    """The same of pairs that are in their Frames."""
    ridge = Ridge.of(pairs.x, pairs.y, pairs.weights)
    inner = ridge.projected / (ridge.values + _PENALTY * ridge.unit)[:, None]
    rotation = ridge.vectors @ polar(inner, rank=len(pairs) - 1)
    return replace(Procrustes.on(pairs), matrix=rotation, back=rotation.T)


def blend(source: Vectors, target: Vectors, *, weights: np.ndarray | None = None) -> Linear:
    """Procrustes plus .6 of the ridge regression, scaled to its length. Errors as Pairs.of.

    Keeps more neighbours than either, from a hundred pairs on.
    """
    pairs = Pairs.of(source, target, weights)
    rotation = Procrustes.on(pairs)
    forth = Ridge.of(pairs.x, pairs.y, pairs.weights).solve(_LOOSE)[0]
    back = Ridge.of(pairs.y, pairs.x, pairs.weights).solve(_LOOSE)[0]
    mixed = [_mixed(rotation.matrix, forth), _mixed(rotation.back, back)]
    fields = {f: getattr(rotation, f) for f in ("source", "target", "before", "after", "shift", "back_shift", "facts")}
    return Linear(matrix=mixed[0], back=mixed[1], **fields)


def _mixed(rotation: np.ndarray, regression: np.ndarray) -> np.ndarray:
    made: np.ndarray = rotation + _SHARE * np.linalg.norm(rotation) / np.linalg.norm(regression) * regression
    return made
