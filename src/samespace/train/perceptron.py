"""The two layers of encode/perceptron.py while they learn: inputs centred and scaled, some of them left out.

Imports torch. Letters: n rows, ds source width, h inner width, d width.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from samespace.encode import perceptron

__all__ = ["Perceptron"]


class Perceptron(nn.Module):
    """Rows (n, ds) → (n, d) at unit length.

    Args:
        rows: (n, ds), of training; their mean is taken off, and the rest brought to unit variance, all widths alike.
        hidden: h.
        dim: d.
        dropout: share of the inner layer that is left out, in [0, 1).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, rows: np.ndarray, hidden: int, dim: int, dropout: float) -> None:
        super().__init__()
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = float(np.sqrt(max(float((rows.astype(np.float32) ** 2).mean() - (mean**2).mean()), 1e-12)))
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.tensor(1 / spread))
        self.inner, self.outer = nn.Linear(rows.shape[1], hidden), nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor) -> Tensor:
        """As the class says."""
        hidden = functional.relu(self.inner((rows - self.mean) * self.scale))
        return functional.normalize(self.outer(self.dropout(hidden)), dim=1)

    @torch.no_grad()
    def frozen(self) -> perceptron.Perceptron:
        """As it is used: without dropout, what is done to the inputs folded in."""
        inner = self.inner.weight.double() * self.scale
        bias = self.inner.bias.double() - inner @ self.mean.double()
        parts = (inner, bias, self.outer.weight, self.outer.bias)
        return perceptron.Perceptron(*(part.float().numpy().copy() for part in parts))
