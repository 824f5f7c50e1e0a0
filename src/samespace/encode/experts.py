"""Heads for several kinds of pictures and a gate that tells the kinds apart: a mixture of experts over looks.

    v = sum_e g_e unit(U_e V_e x + b_e) + s c,   g = softmax(sharp (G x + h))

x are a picture's looks, c its ConSE row, s how much that counts. Each head is kept as a product of two
narrow matrices. What one head for all kinds cannot hold at once, since a thousand pairs do not tell it which features
matter where, each of these holds for its own (docs/log.md).

Knows nothing of texts or of how it was trained. Imports numpy. Letters: n pictures, e experts, w width of the looks,
r rank, d width of the space. Reference: Jacobs et al., Adaptive mixtures of local experts, 1991.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from samespace.encode.looks import shaped

__all__ = ["Experts"]

_SHARP = 8.0  # the gate is fitted to 0 and 1; of two kinds half a step apart one then has 98 %


@dataclass(frozen=True, eq=False)
class Experts:
    """The heads and their gate.

    Attributes:
        up: (e, d, r).
        down: (e, r, w).
        bias: (e, d).
        gate: (e, w).
        gate_bias: (e).
        conse: how much the names of the surest classes count beside a head's row of length 1.
    """

    up: np.ndarray
    down: np.ndarray
    bias: np.ndarray
    gate: np.ndarray
    gate_bias: np.ndarray
    conse: float

    def __call__(self, rows: np.ndarray, named: np.ndarray) -> np.ndarray:
        """Looks (n, w) and their ConSE rows (n, d) at unit length → (n, d), of any length."""
        x = shaped(rows)
        made = self.conse * named
        for share, up, down, bias in zip(self.shares(x).T, self.up, self.down, self.bias, strict=True):
            own = x @ down.T @ up.T + bias
            made += (share / np.maximum(np.linalg.norm(own, axis=1), 1e-12))[:, None] * own
        return made

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Looks as heads take them (n, w) → (n, e): which kind each picture is; sums to 1."""
        told = _SHARP * (x @ self.gate.T + self.gate_bias)
        told = np.exp(told - told.max(axis=1, keepdims=True))
        made: np.ndarray = told / told.sum(axis=1, keepdims=True)
        return made

    def tensors(self) -> dict[str, np.ndarray]:
        """By name, as a file keeps them."""
        names = ("up", "down", "bias", "gate", "gate_bias")
        return {f"picture.{name}": getattr(self, name) for name in names}

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray], conse: float) -> "Experts":
        """Undo `tensors`. Raises KeyError if one is missing."""
        up, down, bias, gate, gate_bias = (tensors[f"picture.{n}"] for n in ("up", "down", "bias", "gate", "gate_bias"))
        return cls(up, down, bias, gate, gate_bias, conse)
