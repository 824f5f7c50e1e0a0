"""Another start without pairs: centres of clusters, matched by how alike they are to each other.

It finds Spaces that are nearly turned copies of one another, and little between encoders that differ: their centres do
not correspond. Kept to compare with.

Imports numpy, and scipy for the assignment. Letters: n, m rows of the two sides, ds, dt widths, c centres a run.

Reference: Dar, mini-vec2vec: scaling universal geometry alignment with linear transformations, arXiv:2510.02348.
"""

import numpy as np

from samespace.translate.near import unit

__all__ = ["CLUSTERINGS", "anchored", "clusters"]

CLUSTERINGS = 30
"""Runs of clustering, as many as the reference makes."""
_CENTRES, _SAMPLE = 20, 10_000
_STARTS = 30  # of each assignment; the best is kept
_LLOYD = 10


def anchored(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator, runs: int = CLUSTERINGS, centres: int = _CENTRES
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of both sides: likeness to anchors, (n, runs * c) and (m, runs * c), unit rows.

    A run clusters some rows of each side and matches the centres by their centred inner products.

    Args:
        x: (n, ds), unit rows of the Frame.
        y: (m, dt).
        rng: of samples, centres and assignments.
        runs: of clustering.
        centres: a run.
    """
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for _ in range(runs):
        a, b = (clusters(side[rng.permutation(len(side))[:_SAMPLE]], centres, rng) for side in (x, y))
        sides[0].append(a)
        sides[1].append(b[_assigned(_likeness(a), _likeness(b), rng)])
    anchors = [unit(np.concatenate(side)) for side in sides]
    made = unit(x @ anchors[0].T.astype(np.float32)), unit(y @ anchors[1].T.astype(np.float32))
    return made


def clusters(
    rows: np.ndarray, count: int, rng: np.random.Generator, start: np.ndarray | None = None, rounds: int = _LLOYD
) -> np.ndarray:
    """Centres (count, d) of rows (n, d) by Lloyd's rounds, from k-means++ or from a start; empty ones stay."""
    centres = _spread(rows, count, rng) if start is None else start
    for _ in range(rounds):
        nearest = (rows @ centres.T - (centres * centres).sum(1) / 2).argmax(axis=1)
        order = np.argsort(nearest, kind="stable")
        found, first, size = np.unique(nearest[order], return_index=True, return_counts=True)
        centres = centres.copy()
        centres[found] = np.add.reduceat(rows[order], first, axis=0) / size[:, None]
    return centres


def _spread(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: each next centre far from those there are."""
    chosen = [int(rng.integers(len(rows)))]
    square = (rows * rows).sum(1)
    far = np.full(len(rows), np.inf)
    for _ in range(count - 1):
        last = rows[chosen[-1]]
        far = np.minimum(far, np.maximum(square + last @ last - 2 * rows @ last, 0))
        total = float(far.sum(dtype=np.float64))
        chosen.append(int(rng.choice(len(rows), p=far.astype(np.float64) / total if total > 0 else None)))
    made: np.ndarray = rows[chosen]
    return made


def _likeness(centres: np.ndarray) -> np.ndarray:
    """Inner products of centres about their mean."""
    away = (centres - centres.mean(axis=0)).astype(np.float64)
    made: np.ndarray = away @ away.T
    return made / max(float(np.linalg.norm(made)), 1e-12)


def _assigned(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The order of b that is most like a, by swaps of two from random orders."""
    from scipy.optimize import quadratic_assignment

    best, value = np.arange(len(a)), -np.inf
    for _ in range(_STARTS):
        guess = np.column_stack([np.arange(len(a)), rng.permutation(len(a))])
        found = quadratic_assignment(
            a, b, method="2opt", options={"maximize": True, "partial_guess": guess, "rng": rng}
        )
        if found.fun > value:
            best, value = found.col_ind, found.fun
    return np.asarray(best)
