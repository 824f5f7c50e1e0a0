"""Looks: all that a head is told of a picture by the trunk, 2,784 wide, at the price of its features alone.

    features (1280)     what the trunk learned to tell classes by
    block 11 (112 + 112) mean and spread over the picture: textures, lines, letters, drawn or photographed
    block 16 (320 x 4)  mean of each quarter of the picture: what is where

A head that sees the inner blocks too finds textbook pictures by their captions a tenth more often (docs/log.md).

Knows nothing of texts. Imports numpy. Letters: b pictures, c channels.
"""

from typing import Protocol

import numpy as np

__all__ = ["FEATURES", "PARTS", "WIDTH", "Staged", "looks", "shaped"]

PARTS = (1280, 224, 1280)
FEATURES, WIDTH = PARTS[0], sum(PARTS)


class Staged(Protocol):
    """A trunk whose inner maps can be had: lite0_net.Net, lite0_numpy.NumpyNet."""

    def stages(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Maps after 11 and after 16 blocks (b, c, h, w), and the features (b, 1280)."""


def looks(net: Staged, pixels: np.ndarray) -> np.ndarray:
    """Pixels (b, 3, h, w) → (b, 2784) float32; the first 1,280 are the features as they are."""
    inner, last, features = net.stages(pixels)
    flat = inner.reshape(*inner.shape[:2], -1)
    parts = [features, flat.mean(axis=2), flat.std(axis=2, ddof=1), _quarters(last)]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def shaped(rows: np.ndarray) -> np.ndarray:
    """Looks (n, 2784) as heads take them: the root of the features, which are skewed; the rest as it is."""
    made = rows.copy()
    made[:, :FEATURES] = np.sqrt(np.maximum(rows[:, :FEATURES], 0))
    return made


def _quarters(maps: np.ndarray) -> np.ndarray:
    """The mean of each quarter of maps (b, c, h, w): (b, 4 c), channel by channel; odd maps share their middle."""
    (down, right), made = maps.shape[2:], []
    for top, bottom in ((0, -(-down // 2)), (down // 2, down)):
        for left, end in ((0, -(-right // 2)), (right // 2, right)):
            made.append(maps[:, :, top:bottom, left:end].mean(axis=(2, 3)))
    return np.stack(made, axis=2).reshape(len(maps), -1)
