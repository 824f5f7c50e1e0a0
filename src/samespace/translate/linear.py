"""A linear Translator: out of one Frame, through a matrix, into another.

What Procrustes, Affine and LowRankAffine have in common; they differ in how the matrix is fitted. A matrix without its
two means is never kept: that is the most common way to lose a translation.

Knows nothing of how it was fitted. Imports numpy only. Letters: n rows, ds and dt source and target width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.frame import Frame

__all__ = ["Linear"]

_BLOCK = 8192
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Linear:
    """Translate by leave(enter(x) matrix + shift).

    Attributes:
        source, target: Spaces.
        before, after: their Frames.
        matrix, shift: (ds, dt) and (dt,), float64.
        back, back_shift: (dt, ds) and (ds,), those of the way back, fitted on the same pairs.
        fidelity: share of true neighbours kept on held-out rows; None = never measured.
        facts: what else is known of the fit, as plain data: pairs, penalty, seed, …
    """

    source: Space
    target: Space
    before: Frame
    after: Frame
    matrix: np.ndarray
    shift: np.ndarray
    back: np.ndarray
    back_shift: np.ndarray
    fidelity: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.matrix.shape != (self.source.dim, self.target.dim):
            raise ValueError(
                f"a matrix of shape {self.matrix.shape} does not lead from {self.source} to {self.target}: "
                f"({self.source.dim}, {self.target.dim}) is needed"
            )
        if not np.isfinite(self.matrix).all():
            raise ValueError(f"the matrix from {self.source} to {self.target} is not finite: the fit has failed")

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, ds) to (n, dt). Raises SpaceMismatchError on Vectors of another Space."""
        rows = vectors.require(self.source).data
        if not len(rows):
            return self.target.empty()
        made = np.empty((len(rows), self.target.dim), np.float32)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            made[part] = self.after.leave(self.carried(rows[part]))
        return self.target.vectors(made)

    def carried(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source into the target's Frame: (n, dt) float64, unit length where the Frame is."""
        made: np.ndarray = self.before.enter(rows) @ self.matrix + self.shift
        if self.after.unit:
            made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), _LEAST)
        return made

    def inverse(self) -> Self:
        """The way back; unmeasured."""
        return replace(
            self, source=self.target, target=self.source, before=self.after, after=self.before, fidelity=None,
            matrix=self.back, shift=self.back_shift, back=self.matrix, back_shift=self.shift,
        )  # fmt: skip

    def with_fidelity(self, fidelity: float | None) -> Self:
        """The same, measured."""
        return replace(self, fidelity=fidelity)
