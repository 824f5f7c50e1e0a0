"""Second moments of pairs of rows: all that a linear map needs, in one pass over any number of them.

Summed in float64, block by block, with a weight for each pair. Two Moments of different rows add up.

Imports numpy only. Letters: n pairs, ds and dt source and target width.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Moments"]

_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted sums over pairs (x, y).

    Attributes:
        count: pairs with a weight.
        weight: sum of weights.
        x, y: (ds,), (dt,) sums.
        xx, yy: (ds, ds), (dt, dt) sums of products.
        xy: (ds, dt).
    """

    count: int
    weight: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    yy: np.ndarray
    xy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> "Moments":
        """Of rows x (n, ds) and y (n, dt); weights (n,) >= 0, None = 1 each."""
        made = cls.none(x.shape[1], y.shape[1])
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            a, b = x[part].astype(np.float64), y[part].astype(np.float64)
            w = np.ones(len(a)) if weights is None else np.asarray(weights[part], np.float64)
            wa, wb = a * w[:, None], b * w[:, None]
            made += cls(int((w > 0).sum()), float(w.sum()), wa.sum(0), wb.sum(0), wa.T @ a, wb.T @ b, wa.T @ b)
        return made

    @classmethod
    def none(cls, ds: int, dt: int) -> "Moments":
        """Of no pairs."""
        zero = np.zeros
        return cls(0, 0.0, zero(ds), zero(dt), zero((ds, ds)), zero((dt, dt)), zero((ds, dt)))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.count + other.count, self.weight + other.weight, self.x + other.x, self.y + other.y,
            self.xx + other.xx, self.yy + other.yy, self.xy + other.xy,
        )  # fmt: skip

    def scaled(self, factor: float) -> "Moments":
        """The same pairs with all weights times a factor."""
        sums = (self.x, self.y, self.xx, self.yy, self.xy)
        return Moments(self.count, self.weight * factor, *(s * factor for s in sums))
