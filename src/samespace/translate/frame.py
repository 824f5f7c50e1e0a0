"""A Frame: the origin and scale in which two Spaces can be compared.

The vectors of most models share a large common part (the mean of E5's has length .87), which says nothing about any
item. Maps are fitted and neighbours are counted after it is taken off; what is stored has it put back.

Knows nothing of how a map is fitted. Imports numpy only. Letters: n rows, d width.
"""

from dataclasses import dataclass

import numpy as np

from samespace.space import Vectors

__all__ = ["Frame"]

_SMALLEST = 1e-6  # a centred row shorter than this has no direction


@dataclass(frozen=True, eq=False)
class Frame:
    """Where the middle of a Space's rows is, and how far from it they lie.

    Attributes:
        mean: (d,) float64.
        scale: mean length of the centred rows, > 0.
        unit: whether centred rows are brought to length 1; so in cosine Spaces.
    """

    mean: np.ndarray
    scale: float
    unit: bool

    @classmethod
    def of(cls, vectors: Vectors) -> "Frame":
        """Of some rows, the more the better: a mean of thirty is noise.

        Raises:
            ValueError: no rows, or all rows are equal.
        """
        if not len(vectors):
            raise ValueError(f"no rows of {vectors.space}\nGive some: a Space's middle is measured on its vectors")
        data = vectors.data.astype(np.float64)
        mean = data.mean(axis=0)
        scale = float(np.linalg.norm(data - mean, axis=1).mean())
        if scale < _SMALLEST:
            raise ValueError(
                f"all {len(vectors)} rows of {vectors.space} are equal\nGive rows that differ: nothing can be "
                "told apart by these"
            )
        return cls(mean, scale, vectors.space.metric == "cosine")

    def enter(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, d) of the Space → float64 rows of the frame: centred, unit length if `unit`; the middle is zero."""
        centred: np.ndarray = rows.astype(np.float64) - self.mean
        if not self.unit:
            scaled: np.ndarray = centred / self.scale
            return scaled
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        made: np.ndarray = np.where(lengths > _SMALLEST, centred / np.maximum(lengths, _SMALLEST), 0.0)
        return made

    def leave(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, d) of the frame → rows about the Space's middle; not brought to unit length."""
        made: np.ndarray = rows * self.scale + self.mean
        return made
