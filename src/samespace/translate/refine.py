"""From a rough map to a good one, without pairs: by what is near under it.

A map is kept as a covariance M (ds, dt) = U S V' of rows with what is near them. Its rotation is U V'; its singular
values say how sure a direction is, and the least sure directions are left out where rows are compared.

Imports numpy only. Letters: n, m rows, ds, dt widths, k neighbours, r rank.
"""

from dataclasses import dataclass

import numpy as np

from samespace.translate.near import linked, mutual, unit
from samespace.translate.procrustes import polar

__all__ = ["BRIEF", "COPY", "POLISH", "Mutual", "anneal", "first_map", "halves", "polish", "settle"]

_ROUNDS, _RANK = 8, 20
_ROWS = (2500, 3500)  # of the first and the last annealing round
_DROP = 0.3  # share of matches left out in the first round, falling to none
_FIRST = 15  # neighbours that the first map is made of
_SAMPLE = 4000  # rows of a side that a round looks at
_SEEN = 2000  # rows whose neighbours are held together
_SURE = 192  # directions that rows are compared along
_ALL = 8000  # rows of a side that are looked through for the same items
_SAME = 0.58  # share of mutual neighbours from which on both sides embed the same items: .4 to .5 where they do not
_SETTLE = 3
POLISH = ((20, 6), (10, 6), (5, 8))
"""Neighbours among 4,000 rows, and rounds with so many."""
BRIEF = ((10, 4),)
"""The same to see what a first map is worth, and for Spaces that are nearly turned copies: there it is nearly right."""
COPY = 0.32
"""Same neighbours by two halves from which on Spaces are nearly turned copies: .36 to .58 there, below .29 between
encoders that differ."""


@dataclass(frozen=True)
class Mutual:
    """How many rows of the smaller side are a row's mutual nearest neighbour under the map, and what that says.

    Attributes:
        share: of the rows, in [0, 1].
        same: whether the two sides embed (largely) the same items, in whatever order.
    """

    share: float
    same: bool


def first_map(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The covariance of x (n, ds) with the y (m, dt) whose coordinates are near, both ways: (ds, dt).

    a (n, c), b (m, c): unit rows, the same coordinates of both sides.
    """
    i, j = _drawn(len(x), _SAMPLE, rng), _drawn(len(y), _SAMPLE, rng)
    made: np.ndarray = x[i].T @ (linked(a[i], b[j], _FIRST) @ y[j])
    return made


def anneal(
    x: np.ndarray, y: np.ndarray, start: np.ndarray, rng: np.random.Generator, known: np.ndarray | None = None
) -> np.ndarray:
    """Mutual nearest neighbours under CSLS among random rows, the map's rank rising from 20: a covariance (ds, dt).

    It can lower what a good start finds, and yet ends better after `polish`. `known`: see there.

    Reference: Artetxe et al., A robust self-learning method for fully unsupervised cross-lingual mappings, ACL 2018.
    """
    width = min(x.shape[1], y.shape[1])
    m = start
    for t in range(_ROUNDS):
        done = t / (_ROUNDS - 1)
        u, s, vt = np.linalg.svd(m, full_matrices=False)
        r = round(_RANK * max(1.0, width / _RANK) ** (0.8 * done))
        rows = int(_ROWS[0] + (_ROWS[1] - _ROWS[0]) * done)
        xs, ys = x[_drawn(len(x), rows, rng)], y[_drawn(len(y), rows, rng)]
        weight = np.sqrt(s[:r] / s[0]).astype(np.float32)
        i, j, score = mutual(unit((xs @ _f32(u[:, :r])) * weight), unit((ys @ _f32(vt[:r].T)) * weight))
        keep = rng.random(len(i)) > _DROP * (1 - done)
        i, j, score = i[keep], j[keep], score[keep]
        score = score - score.min() + 1e-3
        m = _with((xs[i] * (score / score.mean())[:, None]).T @ ys[j], known)
    return m


def polish(
    x: np.ndarray,
    y: np.ndarray,
    start: np.ndarray,
    rng: np.random.Generator,
    plan: tuple[tuple[int, int], ...] = POLISH,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Each side's rows onto the mean of their k nearest of the other, both ways together, k falling: a rotation.

    Args:
        x: (n, ds), unit rows of the Frame, float32.
        y: (m, dt).
        start: (ds, dt), a rotation or a covariance.
        rng: of the rows that a round looks at.
        plan: neighbours and rounds, one after the other.
        known: (ds, dt), the covariance of pairs that are known; its norm is its weight, the rows' being 1.
    """
    turn, sure = _turn(start)
    for k, rounds in plan:
        for _ in range(rounds):
            xs, ys = x[_drawn(len(x), _SAMPLE, rng)], y[_drawn(len(y), _SAMPLE, rng)]
            near = linked(unit(xs @ _f32(turn @ sure)), unit(ys @ _f32(sure)), k)
            turn, sure = _turn(_with(xs.T @ (near @ ys), known))
    return turn


def halves(x: np.ndarray, y: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Polish briefly on every other row and on the rest: both rotations' sum, and how far they agree.

    Args: as `polish`.

    Returns:
        (ds, dt); share of rows for which both find the same nearest one of the other side, in [0, 1].
    """
    turns = [polish(x[i::2], y[i::2], start, rng, BRIEF) for i in (0, 1)]
    near = [(x[:_SEEN] @ _f32(turn) @ y[:_SAMPLE].T).argmax(axis=1) for turn in turns]
    return turns[0] + turns[1], float((near[0] == near[1]).mean())


def settle(x: np.ndarray, y: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, Mutual]:
    """See whether both sides embed the same items; if so, end on them: Procrustes of mutual neighbours, three times.

    Args:
        x: (n, ds), unit rows of the Frame; the first 8,000 are looked at.
        y: (m, dt).
        turn: (ds, dt), the map so far.
    """
    x, y = x[:_ALL], y[:_ALL]
    i, j, _ = mutual(unit(x @ _f32(turn)), y)
    share = len(i) / min(len(x), len(y))
    if share < _SAME:
        return turn, Mutual(share, False)
    for _ in range(_SETTLE):
        turn = polar((x[i].T @ y[j]).astype(np.float64))
        i, j, _ = mutual(unit(x @ _f32(turn)), y)
    return turn, Mutual(len(i) / min(len(x), len(y)), True)


def _turn(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation U V' of a covariance U S V' and the directions of the target it is sure of, (dt, r)."""
    u, _, vt = np.linalg.svd(m.astype(np.float64), full_matrices=False)
    return u @ vt, vt[:_SURE].T


def _with(m: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """A covariance and that of known pairs."""
    made: np.ndarray = m if known is None else m / np.linalg.norm(m) + known
    return made


def _drawn(rows: int, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(rows)[:count]


def _f32(matrix: np.ndarray) -> np.ndarray:
    return matrix.astype(np.float32)
