"""mini-vec2vec's recipe with its author's constants, to run beside ours.

Anchors (30 runs of k-means, 20 centres, matched by 2-opt from 30 starts) by the library's own `anchored`, which is
cheaper than the published code's; relative representations; 100 rounds of neighbour means; 500 clusters at the end.

Reference: Dar, mini-vec2vec: scaling universal geometry alignment with linear transformations, arXiv:2510.02348.
"""

import numpy as np

from samespace.space import Vectors
from samespace.translate.anchors import anchored, clusters
from samespace.translate.frame import Frame
from samespace.translate.near import unit
from samespace.translate.procrustes import Procrustes, polar

__all__ = ["mini_vec2vec"]

_NEAR, _ROUNDS, _SAMPLE, _MIX, _CENTRES = 50, 100, 1000, 0.5, 500


def mini_vec2vec(source: Vectors, target: Vectors, *, seed: int = 0) -> Procrustes:
    """Fit on rows of different items; see the module."""
    rng = np.random.default_rng(seed)
    frames = Frame.of(source), Frame.of(target)
    x, y = (frame.enter(side.data).astype(np.float32) for frame, side in zip(frames, (source, target), strict=True))
    a, b = anchored(x, y, rng)
    w = polar((x.T @ _means(a, b, y)).astype(np.float64))
    for _ in range(_ROUNDS):
        rows = x[rng.permutation(len(x))[:_SAMPLE]]
        w = (1 - _MIX) * w + _MIX * polar((rows.T @ _means(unit(rows @ w.astype(np.float32)), y, y)).astype(np.float64))
    centres = clusters(x, min(_CENTRES, len(x)), rng)
    found = clusters(y, len(centres), rng, start=(centres @ w).astype(np.float32))
    w = polar((1 - _MIX) * w + _MIX * polar((centres.T @ found).astype(np.float64)))
    shift, back = np.zeros(target.space.dim), np.zeros(source.space.dim)
    return Procrustes(source.space, target.space, *frames, w, shift, w.T, back, facts={"method": "mini-vec2vec"})


def _means(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each row of a the mean of the rows of y at its 50 nearest of b."""
    made = np.empty((len(a), y.shape[1]), np.float32)
    for start in range(0, len(a), _SAMPLE):
        near = np.argpartition(a[start : start + _SAMPLE] @ b.T, -_NEAR, axis=1)[:, -_NEAR:]
        made[start : start + _SAMPLE] = y[near].mean(axis=1)
    return made
