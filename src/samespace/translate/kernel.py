"""Translate by a rotation and a kernel regression together: what is common to all pairs, and what is like single ones.

The rotation finds a row's own; the regression, pulled to what the nearest pairs became, keeps its neighbours; where no
pair is near, it fades and the rotation stands alone. It carries the source rows of its pairs: whoever has it, has them.

Imports numpy; scipy when it is fitted. Letters: n pairs, ds and dt source and target width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from samespace.errors import MissingExtraError
from samespace.space import Space, Vectors
from samespace.translate.blocks import in_blocks, unit_single
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.pairs import Pairs
from samespace.translate.rotations import turned

__all__ = ["Kernel"]

_PENALTY = 0.03  # .01 to .1 end alike
_ALIKE, _MOST_SAY = 1000, 2.0  # pairs at which the rotation has as much say as the regression; how much with fewer
_MOST = 10_000  # pairs that the regression is made of: time goes with their cube


@dataclass(frozen=True, eq=False)
class Kernel:
    """y = s x R + sum_i exp(-|x - x_i|² / 2) a_i between Frames, with a = (K + p / w)^-1 Y.

    R is the ridge rotation, s its share. From some hundreds of pairs on it keeps most neighbours of all; it costs
    n (ds + dt) products a row.

    Attributes:
        source, target: Spaces.
        before, after: their Frames.
        matrix: s R (ds, dt), s = min(2, sqrt(1000 / n)).
        rows: (n, ds) float32, the pairs' own in the Frame.
        outer: (n, dt) float32, a.
        reverse: the way back, a rotation.
        fidelity: share of true neighbours kept on held-out rows; None = never measured.
        facts: what else is known of the fit, as plain data.

    Reference: Saunders, Gammerman and Vovk, Ridge regression learning algorithm in dual variables, ICML 1998.
    """

    source: Space
    target: Space
    before: Frame
    after: Frame
    matrix: np.ndarray
    rows: np.ndarray
    outer: np.ndarray
    reverse: Linear
    fidelity: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(cls, source: Vectors, target: Vectors, *, weights: np.ndarray | None = None, seed: int = 0) -> "Kernel":
        """Fit on pairs: row i of both sides embeds the same item. Errors as Pairs.of.

        Args:
            source: (n, ds).
            target: (n, dt).
            weights: see Pairs.of.
            seed: of the draw of 10,000 pairs, where there are more; the rotation is of all.

        Raises:
            MissingExtraError: scipy is not installed.
        """
        pairs = Pairs.of(source, target, weights)
        turn = turned(pairs)
        there = np.flatnonzero(pairs.weights > 0)
        taken = np.sort(np.random.default_rng(seed).permutation(there)[:_MOST])
        rows = pairs.x[taken].astype(np.float32)
        outer = _solved(rows, pairs.y[taken].astype(np.float32), _PENALTY / pairs.weights[taken])
        share = min(_MOST_SAY, (_ALIKE / len(rows)) ** 0.5)
        facts = {"pairs": len(pairs), "rows_kept": len(rows)}
        frames, back = (pairs.before, pairs.after), replace(turn, facts={}).inverse()
        return cls(pairs.source, pairs.target, *frames, share * turn.matrix, rows, outer, back, facts=facts)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, ds) to (n, dt). Raises SpaceMismatchError on Vectors of another Space."""
        return in_blocks(self, vectors)

    def carried(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source into the target's Frame: (n, dt) float32, unit length where the Frame is."""
        x = self.before.enter(rows).astype(np.float32)
        made: np.ndarray = x @ self._single
        made += _near(x, self.rows) @ self.outer
        return unit_single(made) if self.after.unit else made

    def inverse(self) -> Linear:
        """The way back, by the rotation alone; unmeasured."""
        return self.reverse

    @cached_property
    def _single(self) -> np.ndarray:
        return self.matrix.astype(np.float32)


def _solved(x: np.ndarray, y: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """(K + diag p)^-1 y, float32, in place of K."""
    try:
        from scipy.linalg import cho_factor, cho_solve
    except ImportError as err:
        raise MissingExtraError("translating by kernels", "scipy", "translate") from err
    matrix = _near(x, x)
    matrix[np.diag_indices(len(x))] += penalties.astype(np.float32)
    made: np.ndarray = cho_solve(cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False), y)
    return made


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """exp(-|a_i - b_j|² / 2), (n, m), in one array."""
    made: np.ndarray = a @ b.T
    made -= (np.einsum("nd,nd->n", a, a) / 2)[:, None]
    made -= np.einsum("nd,nd->n", b, b) / 2
    np.minimum(made, 0, out=made)
    np.exp(made, out=made)
    return made
