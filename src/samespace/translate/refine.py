"""From a rough map to a good one, without pairs: by what is near under it.

Imports numpy only. Letters: n, m rows, ds, dt widths, k neighbours, r rank.
"""

import numpy as np

from samespace.translate.procrustes import polar

__all__ = ["anneal", "first_map", "neighbour_mean", "polish", "unit"]

_BLOCK = 2000
_CSLS = 10  # neighbours that a row's crowd is measured on
_ROUNDS, _RANK = 8, 20
_ROWS = (2500, 3500)  # of the first and the last annealing round
_DROP = 0.3  # share of matches left out in the first round, falling to none
_POLISH, _EACH, _MIX = (40, 25, 15, 10), 7, 0.7
_SAMPLE = 1500
_FIRST = 30


def first_map(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Procrustes of x (n, ds) onto the mean of the y (m, dt) whose coordinates are near, unnormalised: (ds, dt).

    a (n, c), b (m, c): unit rows, the same coordinates of both sides.
    """
    made: np.ndarray = x.T @ neighbour_mean(a, b, y, _FIRST)
    return made


def anneal(x: np.ndarray, y: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mutual nearest neighbours under CSLS among random rows, the map's rank rising from 20: a (ds, dt) rotation.

    It can lower what a good start finds, and yet ends better after `polish`.

    Reference: Artetxe et al., A robust self-learning method for fully unsupervised cross-lingual mappings, ACL 2018.
    """
    width = min(x.shape[1], y.shape[1])
    m = start
    for t in range(_ROUNDS):
        done = t / (_ROUNDS - 1)
        u, s, vt = np.linalg.svd(m, full_matrices=False)
        r = round(_RANK * max(1.0, width / _RANK) ** (0.8 * done))
        rows = int(_ROWS[0] + (_ROWS[1] - _ROWS[0]) * done)
        xs, ys = (side[rng.permutation(len(side))[:rows]] for side in (x, y))
        weight = np.sqrt(s[:r] / s[0]).astype(np.float32)
        i, j, score = _mutual(unit((xs @ _f32(u[:, :r])) * weight), unit((ys @ _f32(vt[:r].T)) * weight))
        keep = rng.random(len(i)) > _DROP * (1 - done)
        i, j, score = i[keep], j[keep], score[keep]
        score = score - score.min() + 1e-3
        m = (xs[i] * (score / score.mean())[:, None]).T @ ys[j]
    return polar(m)


def polish(x: np.ndarray, y: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each side's rows onto the mean of their k nearest of the other, both directions together, k falling."""
    w = start
    for k in _POLISH:
        for _ in range(_EACH):
            a, b = (side[rng.permutation(len(side))[:_SAMPLE]] for side in (x, y))
            forth = a.T @ neighbour_mean(unit(a @ _f32(w)), y, y, k)
            back = neighbour_mean(unit(b @ _f32(w.T)), x, x, k).T @ b
            w = (1 - _MIX) * w + _MIX * polar(forth / np.linalg.norm(forth) + back / np.linalg.norm(back))
    return polar(w)


def neighbour_mean(a: np.ndarray, b: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """(n, dt): for each row of a (n, c) the mean of the rows of y (m, dt) at its k nearest of b (m, c)."""
    made = np.empty((len(a), y.shape[1]), np.float32)
    for start in range(0, len(a), _BLOCK):
        near = np.argpartition(-(a[start : start + _BLOCK] @ b.T), k - 1, axis=1)[:, :k]
        made[start : start + _BLOCK] = y[near].mean(axis=1)
    return made


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows at length 1."""
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return made


def _mutual(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mutual nearest neighbours under CSLS: 2 cos - mean cos to the 10 nearest of each side."""
    s = a @ b.T
    crowd_a = np.partition(s, -_CSLS, axis=1)[:, -_CSLS:].mean(axis=1)
    crowd_b = np.partition(s, -_CSLS, axis=0)[-_CSLS:].mean(axis=0)
    s = 2 * s - crowd_a[:, None] - crowd_b
    forth, back = s.argmax(axis=1), s.argmax(axis=0)
    i = np.flatnonzero(back[forth] == np.arange(len(a)))
    return i, forth[i], s[i, forth[i]]


def _f32(matrix: np.ndarray) -> np.ndarray:
    return matrix.astype(np.float32)
