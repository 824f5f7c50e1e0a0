"""What an independent axis looks like from outside: its distribution, and how it goes together with the others.

None of it depends on how a Space is turned, so the same axis in two Spaces looks alike.

Imports numpy only. Letters: n rows, c axes, q quantiles.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Look", "look"]

_QUANTILES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)
_LEAST, _MOST = -4.0, 12.0  # of a standardised moment


@dataclass(frozen=True, eq=False)
class Look:
    """How the axes of one side look.

    Attributes:
        quantiles: (c, q) of each axis.
        excess: (c, c) symmetric, how two axes are strong together.
        lean: (c, c), how one is strong where the other leans to one side; not symmetric.
        skew: (c,) third moments, >= 0: those that have one carry over.
    """

    quantiles: np.ndarray
    excess: np.ndarray
    lean: np.ndarray
    skew: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """(c,) in [0, 1]: how much an axis counts in matching."""
        skew = np.abs(self.skew)
        made: np.ndarray = (skew / max(float(skew.max()), 1e-12)) ** 0.4
        return made


def look(values: np.ndarray) -> Look:
    """Describe axes by their values (n, c), float32, zero mean and unit variance.

    With r = clip(s - 1, 0, 6), q = min(s^2, 20), c = clip(s, -6, 6) of each axis s:
    excess_ij = corr(r_i, r_j); lean_ij = cov(q_i, c_j) / std(q_i); both standardised over their entries and clipped.
    Clipped squares and the part above 1 agree between encoders (rank correlation .7), raw third moments less (.5).
    """
    above, square, clipped = np.clip(values - 1, 0, 6), np.minimum(values * values, 20), np.clip(values, -6, 6)
    quantiles = np.quantile(values[:: max(1, len(values) // 8000)], _QUANTILES, axis=0).T
    spread = above.std(axis=0) + 1e-9
    excess = _covariance(above, above) / (spread[:, None] * spread)
    lean = _covariance(square, clipped) / (square.std(axis=0) + 1e-9)[:, None]
    skew = np.einsum("nc,nc,nc->c", clipped, clipped, clipped, dtype=np.float64) / len(values)
    return Look(quantiles.astype(np.float64), _standard(excess), _standard(lean), skew)


def _covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    made: np.ndarray = ((a - a.mean(axis=0)).T @ (b - b.mean(axis=0))).astype(np.float64) / len(a)
    return made


def _standard(matrix: np.ndarray) -> np.ndarray:
    off = ~np.eye(len(matrix), dtype=bool)
    made: np.ndarray = np.clip((matrix - matrix[off].mean()) / (matrix[off].std() + 1e-12), _LEAST, _MOST)
    np.fill_diagonal(made, 0.0)
    return made
