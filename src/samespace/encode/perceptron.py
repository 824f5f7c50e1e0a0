"""Two layers on a vector: (x) → unit(outer · relu(inner · x + inner_bias) + outer_bias).

Trained by train/perceptron.py, which folds into `inner` what it does to its inputs. Imports numpy.
Letters: n rows, ds source width, h inner width, d width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from samespace.translate.near import unit

__all__ = ["Perceptron"]


@dataclass(frozen=True, eq=False)
class Perceptron:
    """The weights, float32.

    Attributes:
        inner, inner_bias: (h, ds), (h).
        outer, outer_bias: (d, h), (d).
    """

    inner: np.ndarray
    inner_bias: np.ndarray
    outer: np.ndarray
    outer_bias: np.ndarray

    def __post_init__(self) -> None:
        h, d = len(self.inner), len(self.outer)
        if (self.inner_bias.shape, self.outer.shape, self.outer_bias.shape) != ((h,), (d, h), (d,)):
            raise ValueError(f"layers {self.inner.shape} and {self.outer.shape} do not fit\nMake the file again")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) to (n, d), each at unit length."""
        hidden = np.maximum(rows.astype(np.float32) @ self.inner.T + self.inner_bias, 0)
        return unit(hidden @ self.outer.T + self.outer_bias)

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """By name, for a file."""
        return {f"{prefix}.{f.name}": np.ascontiguousarray(getattr(self, f.name), np.float32) for f in fields(self)}

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray], prefix: str) -> "Perceptron":
        """Back from `tensors`. Raises KeyError, ValueError."""
        return cls(*(tensors[f"{prefix}.{f.name}"] for f in fields(cls)))
