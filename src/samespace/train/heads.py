"""Heads between two spaces: the closed form, and the same as a layer that goes on learning from there.

Sides are centred on the training rows; features are whitened as far as a ridge trusts them (whitening.py), so that one
strength and one learning rate fit any tower.

Imports numpy and torch. Letters: n rows, ds dt source and target width, k whitened width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from samespace.encode.bound import Head
from samespace.space import Space, Vectors
from samespace.train.whitening import Whitening

__all__ = ["Frames", "Linear", "closed", "ridge"]


@dataclass(frozen=True, eq=False)
class Frames:
    """How both sides are brought into the shape a head works on; fitted on training rows alone.

    Attributes:
        source, target: the spaces.
        whitening: of the features.
        target_mean: (dt).
    """

    source: Space
    target: Space
    whitening: Whitening
    target_mean: np.ndarray

    @classmethod
    def fit(cls, source: Vectors, target: Vectors, strength: float = 3.0) -> "Frames":
        """Fit on rows that belong together (n each); `strength` of the ridge, in units of a feature's mean variance."""
        rows = np.asarray(source.data, np.float32)
        whitening = Whitening.fit(rows, np.ones(len(rows)), strength, min(rows.shape))
        return cls(source.space, target.space, whitening, target.data.astype(np.float64).mean(axis=0))

    def features(self, source: Vectors) -> Tensor:
        """(n, ds) → (n, k) float32."""
        return torch.from_numpy(self.whitening(source.data))

    def answers(self, target: Vectors) -> Tensor:
        """(n, dt) → (n, dt) float32, centred, at unit length."""
        centred = target.data - self.target_mean
        return torch.from_numpy((centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32))

    def head(self, weight: Tensor, bias: Tensor) -> Head:
        """A layer on whitened features (dt, k), (dt), folded into one on the tower's vectors."""
        folded = weight.detach().double().numpy() @ self.whitening.white.T
        shift = bias.detach().double().numpy() - folded @ self.whitening.mean
        made = (folded.astype(np.float32), shift.astype(np.float32), self.target_mean.astype(np.float32))
        return Head(self.source, self.target, *made)


def closed(features: Tensor, answers: Tensor) -> Tensor:
    """The closed form of a ridge of the strength that features (n, k) were whitened with, to answers (n, dt): (dt, k).

    In such features min_W mean |W x - y|² + strength |W|² is the plain mean of y x^T. It is brought to rows of length 1
    in the mean, so that a step of a given rate is as small beside it for any tower and any strength.
    """
    weight = answers.T @ features / len(features)
    made: Tensor = weight / (features @ weight.T).norm(dim=1).mean().clamp(min=1e-12)
    return made


def ridge(features: Tensor, answers: Tensor, strength: float) -> Tensor:
    """The closed form on features as they are: min_W |X Wᵀ - Y|² + strength n |W|².

    Args:
        features: (n, k).
        answers: (n, dt).
        strength: in units of the features' own squares, >= 0.

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
