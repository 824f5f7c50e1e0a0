"""Rows translated a block at a time, so that what stands between a translator's two sides stays small.

Imports numpy only. Letters: n rows, ds and dt source and target width.
"""

from typing import Protocol

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.frame import Frame

__all__ = ["Carrier", "in_blocks", "unit_single"]

_BLOCK = 1024
_LEAST = 1e-12


class Carrier(Protocol):
    """A translator by what it does to rows."""

    @property
    def source(self) -> Space:
        """Where rows come from."""

    @property
    def target(self) -> Space:
        """Where they go."""

    @property
    def after(self) -> Frame:
        """Of the target."""

    def carried(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, ds) of the source into the target's Frame: (n, dt)."""


def in_blocks(carrier: Carrier, vectors: Vectors) -> Vectors:
    """Translate (n, ds) to (n, dt). Raises SpaceMismatchError on Vectors of another Space."""
    rows = vectors.require(carrier.source).data
    made = np.empty((len(rows), carrier.target.dim), np.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        made[part] = carrier.after.leave(carrier.carried(rows[part]))
    return carrier.target.vectors(made) if len(made) else carrier.target.empty()


def unit_single(rows: np.ndarray) -> np.ndarray:
    """Rows (n, d) float32 at length 1, in their place."""
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(_LEAST))
    return rows
