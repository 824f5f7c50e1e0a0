"""A linear Translator: out of one Frame, through a matrix, into another.

What Procrustes, Affine and LowRankAffine have in common; they differ in how the matrix is fitted. A matrix without its
two means is never kept: that is the most common way to lose a translation.

Fitted in float64, applied in float32: one matrix product, and the lengths in the pass that it takes anyway.

Knows nothing of how it was fitted. Imports numpy only. Letters: n rows, ds and dt source and target width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.frame import Frame

__all__ = ["Linear"]

_BLOCK = 1024  # rows whose translation stays in the cache while it is brought to length
_LEAST = 1e-12
_NEAR = 1e-4  # squared distance from the middle below which float32 cannot tell the direction


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
            self._write(rows[part], made[part])
        return self.target.vectors(made, normalize=False)

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

    @cached_property
    def _single(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """In float32: the matrix and, as its last column, the mean, (ds, dt + 1); what is added, (dt,); shift (dt,)."""
        by = 1.0 if self.before.unit else 1 / self.before.scale
        wide = np.column_stack([self.matrix * by, self.before.mean])
        offset = -(self.before.mean @ self.matrix) * by
        return wide.astype(np.float32), offset.astype(np.float32), self.shift.astype(np.float32)

    def _write(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Translate rows (n, ds) into out (n, dt), float32, unit length in a cosine Space."""
        wide, offset, shift = self._single
        x = rows.astype(np.float32, copy=False)
        product = x @ wide
        np.add(product[:, :-1], offset, out=out)
        lost = np.zeros(len(x), bool)
        if self.before.unit:
            squares = _squares(x) - 2 * product[:, -1] + np.float32(self.before.mean @ self.before.mean)
            lost = squares < _NEAR
            if shift.any() or not self.after.unit:  # otherwise all rows are brought to one length below
                out /= np.sqrt(np.maximum(squares, np.float32(_NEAR)))[:, None]
        if shift.any():
            out += shift
        if self.after.unit:
            out *= np.float32(self.after.scale) / np.sqrt(np.maximum(_squares(out), np.float32(_LEAST)))[:, None]
        else:
            out *= np.float32(self.after.scale)
        out += self.after.mean.astype(np.float32)
        if lost.any():
            out[lost] = self.after.leave(self.carried(rows[lost]))
        if self.target.metric == "cosine":
            out /= np.sqrt(np.maximum(_squares(out), np.float32(_LEAST)))[:, None]


def _squares(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = np.einsum("nd,nd->n", rows, rows)
    return made
