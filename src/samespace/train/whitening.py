"""Features whitened as far as a ridge trusts them: what every head is fitted on.

Whitened all alike, a thousand pairs overfit in the weak directions and leave a ridge nothing to do. With the strength
kept in the whitening, of 495 photographs .366 are among a text's first ten, not .277 (docs/log.md).

Imports numpy and torch. Letters: n rows, ds width of the features, k whitened width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Whitening", "spread"]


@dataclass(frozen=True, eq=False)
class Whitening:
    """Features x (n, ds) → (x - mean) @ white (n, k): directions of much variance about 1, of little less.

    white = S V (L + strength * mean L)^-1/2, with V, L of the covariance of x S, and S scaling each part of the
    features to a mean variance of 1. The closed form of a ridge of that strength is then the plain mean of y x^T.
    """

    mean: np.ndarray
    white: np.ndarray

    @classmethod
    def fit(
        cls, features: np.ndarray, weights: np.ndarray, strength: float, width: int, parts: Sequence[int] = ()
    ) -> "Whitening":
        """On features (n, ds) with weights (n); `parts` are the widths of parts of the features, () = one."""
        features = features.astype(np.float32, copy=False)
        share = (weights / weights.sum()).astype(np.float32)[:, None]
        mean = (features * share).sum(axis=0, dtype=np.float64).astype(np.float32)
        drawn = (features - mean) * np.sqrt(share)
        scale = _scales((drawn**2).sum(axis=0), parts or (len(mean),))
        drawn *= scale
        values, vectors = spread(drawn.T @ drawn) if len(drawn) >= len(mean) else _narrow(drawn)
        white = vectors[:, :width] / np.sqrt(np.maximum(values[:width] + strength * values.sum() / len(mean), 1e-12))
        return cls(mean, (scale[:, None] * white).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, ds) → (n, k) float32."""
        made: np.ndarray = ((features - self.mean) @ self.white).astype(np.float32)
        return made


def spread(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, none below 0, and eigenvectors in columns: float32 by torch, a twentieth of the time."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(covariance.astype(np.float32, copy=False)))
    return np.maximum(values.numpy()[::-1], 0), vectors.numpy()[:, ::-1]


def _narrow(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`spread` of rows.T @ rows of fewer rows (n, ds) than columns, by way of rows @ rows.T: what is not 0 of it."""
    values, vectors = spread(rows @ rows.T)
    some = values > 1e-6 * values[0]
    return values[some], rows.T @ (vectors[:, some] / np.sqrt(values[some]))


def _scales(variances: np.ndarray, parts: Sequence[int]) -> np.ndarray:
    """(ds) what each feature is multiplied by, so that the features of a part have a mean variance of 1."""
    ends = np.cumsum(parts)
    means = [variances[end - part : end].mean() for part, end in zip(parts, ends, strict=True)]
    return np.repeat(1 / np.sqrt(np.maximum(means, 1e-12)), parts).astype(np.float32)
