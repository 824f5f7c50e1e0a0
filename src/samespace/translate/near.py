"""Which rows of two sides are near each other, both ways, from one product.

Imports numpy, and scipy for sparse sums. Letters: n, m rows of the two sides, d width, k neighbours.
"""

from typing import Any

import numpy as np

__all__ = ["Links", "linked", "mutual", "peaks", "unit"]

_SPREAD = 16  # blocks looked at for each neighbour wanted: two of the nearest seldom fall into one
_CROWD = 10  # neighbours that a row's crowd is measured on

Links = Any
"""(n, m) sparse weights (scipy.sparse): who is near whom."""


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows at length 1."""
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return made


def peaks(scores: np.ndarray, k: int, axis: int) -> np.ndarray:
    """The k largest along an axis, nearly: (n, k) for axis 1, (k, m) for axis 0; the least of them first.

    Of each block of entries only the largest is looked at, which a sort of all of them would cost five times as much.
    The least returned is never above the true k-th largest.
    """
    n, m = scores.shape
    length = scores.shape[axis]
    size = max(1, length // (_SPREAD * k))
    blocks = length // size
    if axis:
        tops = scores[:, : blocks * size].reshape(n, size, blocks).max(axis=1)
        return np.partition(tops, blocks - k, axis=1)[:, blocks - k :]
    tops = scores[: blocks * size].reshape(size, blocks, m).max(axis=0)
    return np.partition(tops, blocks - k, axis=0)[blocks - k :]


def linked(a: np.ndarray, b: np.ndarray, k: int) -> Links:
    """Link each row of a (n, d) to its k nearest of b (m, d) and each of b to its k nearest of a, weights 1 / k.

    Nearest by inner product. A row may get one or two more than k: all that are as near as the last of its `peaks`.
    Then `links @ y` sums up neighbour means of both directions.
    """
    from scipy.sparse import csr_matrix

    scores = a @ b.T
    n, m = scores.shape
    ways = (scores >= peaks(scores, k, 1)[:, :1], scores >= peaks(scores, k, 0)[:1])
    made = [np.divmod(np.flatnonzero(way), m) for way in ways]
    shares = [1 / np.bincount(side) for side in (made[0][0], made[1][1])]
    weights = np.concatenate([shares[0][made[0][0]], shares[1][made[1][1]]]).astype(np.float32)
    rows, columns = (np.concatenate([one[i] for one in made]) for i in (0, 1))
    return csr_matrix((weights, (rows, columns)), shape=(n, m))


def mutual(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (rows of a, rows of b, scores) that are each other's nearest under CSLS.

    CSLS = 2 cos(a, b) - mean cos(a, its 10 nearest of b) - mean cos(b, its 10 nearest of a), for unit rows: a row that
    is near to everything is near to nothing.

    Reference: Conneau et al., Word translation without parallel data, ICLR 2018, arXiv:1710.04087.
    """
    s = a @ b.T
    crowds = peaks(s, min(_CROWD, len(b)), 1).mean(axis=1), peaks(s, min(_CROWD, len(a)), 0).mean(axis=0)
    s *= 2
    s -= crowds[0][:, None]
    s -= crowds[1]
    forth, back = s.argmax(axis=1), s.argmax(axis=0)
    i = np.flatnonzero(back[forth] == np.arange(len(a)))
    return i, forth[i], s[i, forth[i]]
