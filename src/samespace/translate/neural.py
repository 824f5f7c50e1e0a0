"""Translate by an affine map and a small network on top of it: for many pairs, where a straight map is not enough.

Applied with numpy alone; only the fit needs torch (`neural_train.py`).

Imports numpy only. Letters: n pairs, ds and dt source and target width, h hidden.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.affine import Affine
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.pairs import Pairs

__all__ = ["ResidualMLP"]

_BLOCK = 1024
_LEAST = 1e-12
_FEWEST = 256


@dataclass(frozen=True, eq=False)
class ResidualMLP:
    """y = x A + relu(x U + u) V + b between Frames, started at the ridge regression.

    Worth its cost from some thousands of pairs on; worse than a rotation below.

    Attributes:
        source, target: Spaces.
        before, after: their Frames.
        matrix, shift: A (ds, dt), b (dt,).
        inner, bias, outer: U (ds, h), u (h,), V (h, dt).
        reverse: the way back, affine.
        fidelity: share of true neighbours kept on held-out rows; None = never measured.
        facts: what else is known of the fit, as plain data.
    """

    source: Space
    target: Space
    before: Frame
    after: Frame
    matrix: np.ndarray
    shift: np.ndarray
    inner: np.ndarray
    bias: np.ndarray
    outer: np.ndarray
    reverse: Linear
    fidelity: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        source: Vectors,
        target: Vectors,
        *,
        weights: np.ndarray | None = None,
        hidden: int = 768,
        epochs: int = 12,
        device: str = "cpu",
        seed: int = 0,
    ) -> "ResidualMLP":
        """Fit on pairs: row i of both sides embeds the same item. Further arguments and errors as Pairs.of.

        Args:
            source: (n, ds), n >= 256.
            target: (n, dt).
            weights: see Pairs.of; how often a pair is drawn.
            hidden: h.
            epochs: passes over the pairs.
            device: torch's name of it.
            seed: of start and order.

        Raises:
            MissingExtraError: torch is not installed.
        """
        if len(source) < _FEWEST:
            raise ValueError(
                f"{len(source)} pairs are too few for a network, {_FEWEST} at least\nFit a straight map: method='auto'"
            )
        from samespace.translate.neural_train import train

        pairs = Pairs.of(source, target, weights)
        start = Affine.on(pairs)
        learned = train(pairs, start, hidden=hidden, epochs=epochs, device=device, seed=seed)
        facts = {"pairs": len(pairs), "hidden": hidden, "epochs": epochs, "fit_seed": seed}
        frames = (pairs.before, pairs.after)
        return cls(pairs.source, pairs.target, *frames, *learned, replace(start, facts={}).inverse(), facts=facts)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, ds) to (n, dt). Raises SpaceMismatchError on Vectors of another Space."""
        rows = vectors.require(self.source).data
        if not len(rows):
            return self.target.empty()
        made = np.empty((len(rows), self.target.dim), np.float32)
        middle, scale = self.after.mean.astype(np.float32), np.float32(self.after.scale)
        for start in range(0, len(rows), _BLOCK):
            block = self.carried(rows[start : start + _BLOCK])
            block *= scale
            block += middle
            made[start : start + _BLOCK] = _unit(block) if self.target.metric == "cosine" else block
        return self.target.vectors(made, normalize=False)

    def carried(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source into the target's Frame: (n, dt) float32, unit length where the Frame is."""
        matrix, shift, inner, bias, outer = self._single
        x = self.before.enter(rows).astype(np.float32)
        grown = x @ inner
        grown += bias
        np.maximum(grown, 0, out=grown)
        made: np.ndarray = x @ matrix
        made += grown @ outer
        made += shift
        return _unit(made) if self.after.unit else made

    def inverse(self) -> Linear:
        """The way back, by an affine map; unmeasured."""
        return self.reverse

    @cached_property
    def _single(self) -> tuple[np.ndarray, ...]:
        return tuple(a.astype(np.float32) for a in (self.matrix, self.shift, self.inner, self.bias, self.outer))


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.maximum(np.einsum("nd,nd->n", rows, rows), np.float32(_LEAST)))
    rows /= lengths[:, None]
    return rows
