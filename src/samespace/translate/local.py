"""Translate by a rotation for each region of the source, softly mixed, each shrunk towards the one of all.

Imports numpy only. Letters: n pairs, c clusters, ds and dt source and target width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.blocks import in_blocks, unit_single
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.pairs import Pairs
from samespace.translate.procrustes import Procrustes, polar

__all__ = ["LocalProcrustes"]

_ROUNDS = 12
_SHARP = 12.0  # of the mixture: weight of a cluster is exp(sharp * cosine to its centre), normalised
_HOLD = 2.0  # the pull to the common rotation, in multiples of ds pairs
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class LocalProcrustes:
    """y = sum_c p_c(x) R_c x with p(x) = softmax(sharp * cos(x, centre_c)), R_c = polar(X'P_cY + hold * X'Y/n).

    Better than one rotation where a map bends, which shows from some thousands of pairs on.

    Attributes:
        source, target: Spaces.
        before, after: their Frames.
        centres: (c, ds) float64, of unit length.
        matrices: (c, ds, dt) float64.
        reverse: the way back, one rotation.
        fidelity: share of true neighbours kept on held-out rows; None = never measured.
        facts: what else is known of the fit, as plain data.
    """

    source: Space
    target: Space
    before: Frame
    after: Frame
    centres: np.ndarray
    matrices: np.ndarray
    reverse: Linear
    fidelity: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, source: Vectors, target: Vectors, *, weights: np.ndarray | None = None, clusters: int = 8, seed: int = 0
    ) -> "LocalProcrustes":
        """Fit on pairs: row i of both sides embeds the same item. Further arguments and errors as Pairs.of.

        Args:
            source: (n, ds).
            target: (n, dt).
            weights: see Pairs.of.
            clusters: c >= 1; fewer where there are fewer pairs.
            seed: of the clusters' start.
        """
        if clusters < 1:
            raise ValueError(f"{clusters} clusters: at least 1 is needed")
        pairs = Pairs.of(source, target, weights)
        x, y = pairs.x * pairs.weights[:, None], pairs.y
        common = Procrustes.on(pairs)
        centres = _centres(pairs.x, min(clusters, len(pairs)), np.random.default_rng(seed))
        belongs = _belonging(pairs.x, centres)
        hold = _HOLD * x.shape[1] / len(x) * (x.T @ y)
        matrices = np.stack([polar((x * part[:, None]).T @ y + hold, rank=len(pairs)) for part in belongs.T])
        facts = {"pairs": len(pairs), "clusters": len(centres)}
        frames = (pairs.before, pairs.after)
        return cls(pairs.source, pairs.target, *frames, centres, matrices, common.inverse(), facts=facts)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, ds) to (n, dt). Raises SpaceMismatchError on Vectors of another Space."""
        return in_blocks(self, vectors)

    def carried(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source into the target's Frame: (n, dt), unit length where the Frame is."""
        centres, matrices = self._single
        x = self.before.enter(rows).astype(np.float32)
        belongs = _belonging(x, centres)
        made = np.zeros((len(x), self.target.dim), np.float32)
        for c, matrix in enumerate(matrices):
            made += (x @ matrix) * belongs[:, c : c + 1]
        return unit_single(made) if self.after.unit else made

    def inverse(self) -> Linear:
        """The way back, by one rotation; unmeasured."""
        return self.reverse

    @cached_property
    def _single(self) -> tuple[np.ndarray, np.ndarray]:
        return self.centres.astype(np.float32), self.matrices.astype(np.float32)


def _centres(x: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Spherical k-means: (count, d), unit length."""
    made = _unit(x[rng.permutation(len(x))[:count]])
    for _ in range(_ROUNDS):
        nearest = (x @ made.T).argmax(axis=1)
        sums = np.stack([x[nearest == c].sum(axis=0) for c in range(count)])
        made = np.where(np.linalg.norm(sums, axis=1, keepdims=True) > 0, _unit(sums), made)
    return made


def _belonging(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, c), rows sum to 1."""
    near = _SHARP * (_unit(x) @ centres.T)
    grown = np.exp(near - near.max(axis=1, keepdims=True))
    made: np.ndarray = grown / grown.sum(axis=1, keepdims=True)
    return made


def _unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _LEAST)
    return made
