"""How often a row would find its own among thousands, told from a few: by how far its own stands out.

Among twenty rows nearly every map finds a row's own, and which finds one more is luck. How far out of the others'
scores the own one lies is a number for each row, and tells maps apart that all find it.

Knows nothing of Translators. Imports numpy only. Letters: n pairs, m pool, d width.
"""

from collections.abc import Sequence
from math import erfc, sqrt

import numpy as np

from samespace.space import Vectors, similarity

__all__ = ["POOL", "reach"]

POOL = 5000
"""Rows of the pool that is asked about."""


def reach(parts: Sequence[tuple[Vectors, Vectors]]) -> float:
    """Top-1 to be expected among 5,000 rows, if scores of others are spread normally: mean of exp(-4999 Q(z)).

    z = (own score - mean score of the others) / their spread about that mean, Q the share of a normal distribution
    above z. Scores have heavier tails than that, so it is for comparing maps on the same rows, not for telling.

    Args:
        parts: (made (n, d), pool (m, d)) for each fold; row i of the pool is the own one of row i.

    Returns:
        In [0, 1]; chance 1 / 5,000.
    """
    found = np.concatenate([_apart(made, pool) for made, pool in parts])
    return float(np.mean([np.exp((1 - POOL) * erfc(z / sqrt(2)) / 2) for z in found]))


def _apart(made: Vectors, pool: Vectors) -> np.ndarray:
    """How far out each row's own score lies: z (n,)."""
    scores = similarity(made, pool).astype(np.float64)
    rows = np.arange(len(made))
    own = scores[rows, rows]
    scores[rows, rows] = np.nan
    mean = np.nanmean(scores, axis=1)
    spread = float(np.sqrt(np.nanmean((scores - mean[:, None]) ** 2)))
    z: np.ndarray = (own - mean) / max(spread, 1e-12)
    return z
