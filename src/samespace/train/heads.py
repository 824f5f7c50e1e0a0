"""Heads between two spaces: the closed form, and the same as a layer that goes on learning from there.

Sides are centred on the training rows; features are whitened to their strongest directions, so that one strength of
the ridge and one learning rate fit any tower.

Imports numpy and torch. Letters: n rows, ds dt source and target width, k whitened width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from samespace.encode.bound import Head
from samespace.space import Space, Vectors

__all__ = ["Frames", "Linear", "ridge"]


@dataclass(frozen=True, eq=False)
class Frames:
    """How both sides are brought into the shape a head works on; fitted on training rows alone.

    Attributes:
        source, target: the spaces.
        source_mean: (ds).
        white: (ds, k): whitened features are (x - source_mean) @ white.
        target_mean: (dt).
    """

    source: Space
    target: Space
    source_mean: np.ndarray
    white: np.ndarray
    target_mean: np.ndarray

    @classmethod
    def fit(cls, source: Vectors, target: Vectors, width: int = 384) -> "Frames":
        """Fit on rows that belong together (n each). `width` k is cut to what n and ds allow."""
        x = source.data.astype(np.float64)
        mean = x.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(x - mean, rowvar=False))
        keep = min(width, len(x) - 1, int((values > values[-1] * 1e-6).sum()))
        white = vectors[:, ::-1][:, :keep] / np.sqrt(values[::-1][:keep])
        target_mean = target.data.astype(np.float64).mean(axis=0)
        return cls(source.space, target.space, mean, white, target_mean)

    def features(self, source: Vectors) -> Tensor:
        """(n, ds) → (n, k) float32, about unit variance."""
        return torch.from_numpy(((source.data - self.source_mean) @ self.white).astype(np.float32))

    def answers(self, target: Vectors) -> Tensor:
        """(n, dt) → (n, dt) float32, centred, at unit length."""
        centred = target.data - self.target_mean
        return torch.from_numpy((centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32))

    def head(self, weight: Tensor, bias: Tensor) -> Head:
        """A layer on whitened features (dt, k), (dt), folded into one on the tower's vectors."""
        folded = weight.detach().double().numpy() @ self.white.T
        shift = bias.detach().double().numpy() - folded @ self.source_mean
        made = (folded.astype(np.float32), shift.astype(np.float32), self.target_mean.astype(np.float32))
        return Head(self.source, self.target, *made)


def ridge(features: Tensor, answers: Tensor, strength: float) -> Tensor:
    """The closed form: min_W |X Wᵀ - Y|² + strength n |W|².

    Args:
        features: (n, k), whitened.
        answers: (n, dt).
        strength: in units of a feature's variance, >= 0.

    Returns:
        (dt, k) float32.
    """
    x, y = features.double(), answers.double()
    gram = x.T @ x + strength * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    solved: Tensor = torch.linalg.solve(gram, x.T @ y)
    return solved.T.float()


class Linear(nn.Module):
    """A linear head with dropout, from the closed form. {"input_values": (n, k)} → {"sentence_embedding": (n, dt)}."""

    def __init__(self, start: Tensor, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(start.clone())
        self.bias = nn.Parameter(torch.zeros(len(start)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(n, k) → (n, dt), not at unit length."""
        return nn.functional.linear(self.dropout(features), self.weight, self.bias)
