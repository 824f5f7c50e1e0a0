"""Recordings through the picture network: features of their log-mel pictures, 544 wide.

Block 11 keeps pitch and rhythm apart from each other: the mean of its 112 channels and their spread over frequency;
block 16 gives the mean of its 320. A recording over 5 s is cut into stretches of at most 5 s, whose features are meant.

Imports torch when a model is loaded. Letters: n recordings, c channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samespace.encode import engine, lite0, sound
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.items import Audio, Item, Modality
from samespace.space import Space, Vectors

if TYPE_CHECKING:
    from samespace.encode.lite0_net import Net
    from samespace.encode.lite0_numpy import NumpyNet

__all__ = ["Lite0Sound", "features", "load", "row", "stretches"]

_SIDE = 224
_STRETCH = 5 * sound.RATE
_MOST = 12  # stretches of one recording that are looked at, evenly over it
_INNER, _LAST = 11, 16


@dataclass(frozen=True, eq=False)
class Lite0Sound:
    """Recordings → mean and spread of inner maps, at unit length."""

    space: Space
    recipe: Recipe
    net: "Net | NumpyNet"
    modalities: frozenset[Modality] = frozenset({"audio"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode recordings (n) to (n, 544). Both roles alike. Raises TypeError for other modalities, ReadError."""
        recordings = [self._audio(item, position) for position, item in enumerate(items)]

        def forward(batch: list[int]) -> np.ndarray:
            return np.stack([row(self.net, sound.listen(recordings[i])) for i in batch])

        keys = [item.digest() for item in items]
        return self.space.vectors(engine.run([1] * len(items), forward, budget=1, dim=self.space.dim, keys=keys))

    def _audio(self, item: Item, position: int) -> Audio:
        if isinstance(item, Audio):
            return item
        raise TypeError(f"item {position} is {item.modality}, but {self.space.name} takes audio only")


def row(net: "Net | NumpyNet", samples: np.ndarray) -> np.ndarray:
    """(544) of a recording: the mean over its stretches."""
    planes = (sound.log_mel(part, _SIDE) for part in stretches(samples))
    return np.asarray(np.mean([features(net, plane) for plane in planes], axis=0))


def features(net: "Net | NumpyNet", plane: np.ndarray) -> np.ndarray:
    """(544) of one log-mel picture (3, side, side)."""
    inner, last = net.inner(plane[None], (_INNER, _LAST))
    across = inner[0].mean(axis=2)  # over time: (112, bands)
    return np.concatenate([across.mean(axis=1), across.std(axis=1), last[0].mean(axis=(1, 2))])


def stretches(samples: np.ndarray) -> list[np.ndarray]:
    """A recording in equal parts of at most 5 s, at most 12 of them, evenly over it."""
    count = max(-(-samples.size // _STRETCH), 1)
    parts = np.array_split(samples, count)
    return [parts[i] for i in np.linspace(0, count - 1, min(count, _MOST)).round().astype(int)]


def load(rest: str = "", **settings: Any) -> Lite0Sound:
    """Make one: "lite0-sound:". Raises WeightsError; ValueError if anything is named after the colon."""
    if rest:
        raise ValueError(f"lite0-sound:{rest}: there is nothing to choose\nUse lite0-sound:")
    recipe = Recipe(family="lite0-sound", dim=544, modalities=frozenset({"audio"}), image_size=_SIDE)
    name = f"google/efficientnet-lite0@{lite0.FILE.sha256[:8]}-sound"
    return Lite0Sound(recipe.space(name, lite0.FILE.sha256), recipe, lite0.network())
