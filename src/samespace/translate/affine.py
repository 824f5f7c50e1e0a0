"""Translate by ridge regression, the penalty chosen by leaving each pair out once, in closed form.

Imports numpy only. Letters: n pairs, ds and dt source and target width, l penalties.
"""

from dataclasses import dataclass

import numpy as np

from samespace.space import Vectors
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.moments import Moments
from samespace.translate.pairs import Pairs

__all__ = ["Affine", "LowRankAffine", "Ridge", "leave_one_out"]

PENALTIES = np.geomspace(1e-2, 1e2, 13)
"""Candidates, in units of the mean eigenvalue of X'X. Below the least, the map passes through the pairs."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression with an intercept for any penalty: B(p) = V (s^2 + p)^-1 V' X'Y of centred X = U s V'.

    Attributes:
        values, vectors: (r,), (ds, r) eigenvalues (falling, >= 0) and eigenvectors of centred X'X, weighted; r = ds, or
            n where there are fewer rows.
        projected: (r, dt), V' X'Y.
        mean_x, mean_y: weighted means.
        unit: mean eigenvalue; penalties are in its units.
    """

    values: np.ndarray
    vectors: np.ndarray
    projected: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray
    unit: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> "Ridge":
        """Of rows x (n, ds), y (n, dt), weights (n,); of few and wide ones without their (ds, ds) moments."""
        if len(x) >= x.shape[1]:
            return cls.on(Moments.of(x, y, weights))
        share, root = weights / weights.sum(), np.sqrt(weights)[:, None]
        mean_x, mean_y = share @ x, share @ y
        u, s, vt = np.linalg.svd(root * (x - mean_x), full_matrices=False)
        projected = (u * s).T @ (root * (y - mean_y))
        return cls(s**2, vt.T, projected, mean_x, mean_y, _unit(s**2, int((weights > 0).sum()), x.shape[1]))

    @classmethod
    def on(cls, moments: Moments) -> "Ridge":
        """Of the moments of any number of rows, whose means are not far from zero: so in their Frames."""
        mean_x, mean_y = moments.x / moments.weight, moments.y / moments.weight
        values, vectors = np.linalg.eigh(moments.xx - np.outer(moments.x, mean_x))
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        projected = vectors.T @ (moments.xy - np.outer(moments.x, mean_y))
        return cls(values, vectors, projected, mean_x, mean_y, _unit(values, moments.count, len(values)))

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Matrix (ds, dt) and shift (dt,)."""
        matrix: np.ndarray = self.vectors @ (self.projected / (self.values + penalty * self.unit)[:, None])
        return matrix, self.mean_y - self.mean_x @ matrix


def _unit(values: np.ndarray, count: int, width: int) -> float:
    """Mean of the eigenvalues that so many rows can have."""
    return max(float(values.sum()) / max(1, min(count - 1, width)), 1e-12)


def leave_one_out(ridge: Ridge, x: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """What each row is translated to by the map that was fitted on all the others: (n, dt).

    y_i - e_i / (1 - h_i), with e the residuals and h_i = w_i / sum w + w_i z_i (s^2 + p)^-1 z_i', z = (x - mean) V.
    Exact if all weights are equal; otherwise the row that is left out takes its weight from the means, too.

    Reference: Allen, The relationship between variable selection and data augmentation, Technometrics 1974 (PRESS).
    """
    matrix, shift = ridge.solve(penalty)
    residuals = y - (x @ matrix + shift)
    turned = (x - ridge.mean_x) @ ridge.vectors
    leverage = weights * ((turned**2) @ (1 / (ridge.values + penalty * ridge.unit)) + 1 / weights.sum())
    made: np.ndarray = y - residuals / np.maximum(1 - leverage, 1e-9)[:, None]
    return made


@dataclass(frozen=True, eq=False)
class Affine(Linear):
    """Ridge regression between Frames; the penalty with the best leave-one-out cosine of PENALTIES.

    Better than Procrustes in cosine and, from some multiples of ds pairs on, in neighbours kept; worse with few pairs.
    Inverse: the ridge regression of the other direction with the same relative penalty, never a pseudo-inverse.
    """

    @classmethod
    def fit(
        cls,
        source: Vectors,
        target: Vectors,
        *,
        weights: np.ndarray | None = None,
        frames: tuple[Frame, Frame] | None = None,
        penalty: float | None = None,
    ) -> "Affine":
        """Fit on pairs: row i of both sides embeds the same item. Further arguments and errors as Pairs.of.

        Args:
            source: (n, ds).
            target: (n, dt).
            weights: see Pairs.of.
            frames: see Pairs.of.
            penalty: > 0, in units of the mean eigenvalue; None = chosen.
        """
        return cls.on(Pairs.of(source, target, weights, frames), penalty)

    @classmethod
    def on(cls, pairs: Pairs, penalty: float | None = None) -> "Affine":
        """Fit on pairs that are in their Frames."""
        ridge = Ridge.of(pairs.x, pairs.y, pairs.weights)
        chosen = _chosen(ridge, pairs) if penalty is None else penalty
        back = Ridge.of(pairs.y, pairs.x, pairs.weights).solve(chosen)
        facts = {"pairs": len(pairs), "penalty": float(chosen)}
        return cls(pairs.source, pairs.target, pairs.before, pairs.after, *ridge.solve(chosen), *back, facts=facts)


@dataclass(frozen=True, eq=False)
class LowRankAffine(Linear):
    """Reduced-rank regression: the affine map, cut to the r directions of its outputs that vary most.

    Smaller to keep; nearly always worse than Affine, and never better by much: offered to compare with.

    Reference: Izenman, Reduced-rank regression for the multivariate linear model, J. Multivariate Analysis 1975.
    """

    @classmethod
    def fit(
        cls,
        source: Vectors,
        target: Vectors,
        *,
        rank: int = 64,
        weights: np.ndarray | None = None,
        frames: tuple[Frame, Frame] | None = None,
    ) -> "LowRankAffine":
        """Fit on pairs: row i of both sides embeds the same item. Further arguments and errors as Pairs.of.

        Args:
            source: (n, ds).
            target: (n, dt).
            rank: directions kept, 1 <= rank; more than there are keeps all.
            weights: see Pairs.of.
            frames: see Pairs.of.
        """
        if rank < 1:
            raise ValueError(f"rank is {rank}, it must be at least 1")
        pairs = Pairs.of(source, target, weights, frames)
        whole = Affine.on(pairs)
        forth = _cut(whole.matrix, whole.shift, pairs.x, rank)
        back = _cut(whole.back, whole.back_shift, pairs.y, rank)
        facts = {**whole.facts, "rank": min(rank, source.space.dim, target.space.dim)}
        return cls(pairs.source, pairs.target, pairs.before, pairs.after, *forth, *back, facts=facts)


def _chosen(ridge: Ridge, pairs: Pairs) -> float:
    """The penalty with the best leave-one-out cosine."""

    def score(penalty: float) -> float:
        made = leave_one_out(ridge, pairs.x, pairs.y, pairs.weights, penalty)
        lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(pairs.y, axis=1)
        return float(pairs.weights @ ((made * pairs.y).sum(1) / np.maximum(lengths, 1e-12)))

    return float(max(PENALTIES, key=score))


def _cut(matrix: np.ndarray, shift: np.ndarray, rows: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """A map whose outputs vary in `rank` directions only."""
    made = rows @ matrix
    made -= made.mean(axis=0)
    _, vectors = np.linalg.eigh(made.T @ made)
    kept = vectors[:, ::-1][:, :rank]
    middle = rows.mean(axis=0) @ matrix
    cut = matrix @ kept @ kept.T
    return cut, shift + middle - rows.mean(axis=0) @ cut
