"""Translate by the nearest rotation: few pairs go furthest with it, and it keeps all angles.

Imports numpy only. Letters: n pairs, ds and dt source and target width, r rank.
"""

from dataclasses import dataclass

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.moments import Moments
from samespace.translate.pairs import Pairs

__all__ = ["Procrustes", "polar"]

_SMALLEST = 1e-9  # of the largest singular value


@dataclass(frozen=True, eq=False)
class Procrustes(Linear):
    """A (semi-)orthogonal matrix R between centred Frames: max_R tr(R' X' Y), R = U V' of X' Y = U S V'.

    With fewer pairs than dimensions only the directions that the pairs span are mapped; the rest goes to zero rather
    than anywhere. Inverse: R'.

    Reference: Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966;
    for embeddings Xing et al., NAACL 2015.
    """

    @classmethod
    def fit(
        cls,
        source: Vectors,
        target: Vectors,
        *,
        weights: np.ndarray | None = None,
        frames: tuple[Frame, Frame] | None = None,
    ) -> "Procrustes":
        """Fit on pairs: row i of both sides embeds the same item. Arguments and errors as Pairs.of."""
        return cls.on(Pairs.of(source, target, weights, frames))

    @classmethod
    def on(cls, pairs: Pairs) -> "Procrustes":
        """Fit on pairs that are in their Frames."""
        x, y, count = pairs.x, pairs.y * pairs.weights[:, None], int((pairs.weights > 0).sum())
        if len(x) < x.shape[1]:  # few and wide: the same within what they span
            span, inner = np.linalg.qr(x.T)
            rotation = span @ polar(inner @ y, rank=count)
        else:
            rotation = polar(x.T @ y, rank=count)
        return cls._made(rotation, count, pairs.source, pairs.target, (pairs.before, pairs.after))

    @classmethod
    def of(cls, moments: Moments, source: Space, target: Space, frames: tuple[Frame, Frame]) -> "Procrustes":
        """Fit on the moments of any number of pairs, in their Frames."""
        return cls._made(polar(moments.xy, rank=moments.count), moments.count, source, target, frames)

    @classmethod
    def _made(
        cls, rotation: np.ndarray, pairs: int, source: Space, target: Space, frames: tuple[Frame, Frame]
    ) -> "Procrustes":
        shift, back = np.zeros(target.dim), np.zeros(source.dim)
        return cls(source, target, *frames, rotation, shift, rotation.T, back, facts={"pairs": pairs})


def polar(matrix: np.ndarray, rank: int | None = None) -> np.ndarray:
    """U V' of U S V': the nearest (semi-)orthogonal matrix, or partial isometry where the rank is less.

    Args:
        matrix: (ds, dt).
        rank: directions at most; None = all that are not zero.
    """
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    r = min(int((s > _SMALLEST * max(s[0], 1e-300)).sum()), len(s) if rank is None else rank)
    made: np.ndarray = u[:, :r] @ vt[:r]
    return made
