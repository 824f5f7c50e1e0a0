"""Recordings through the picture network: features of their log-mel pictures.

lite0-sound:       544 wide, what it sounds like: of block 11 the mean of its 112 channels and their spread over
                   frequency, of block 16 the mean of its 320
lite0-sound:order  5,488 wide, what follows on what, at which pitch: block 11 in 7 x 7 cells, of the recording without
                   the silence at its ends. For words and melodies, of which the mean over time knows nothing

A recording over 5 s is cut into stretches of at most 5 s, whose features are meant.

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

__all__ = ["Lite0Sound", "features", "load", "ordered", "row", "stretches", "trimmed"]

_SIDE = 224
_STRETCH = 5 * sound.RATE
_MOST = 12  # stretches of one recording that are looked at, evenly over it
_INNER, _LAST = 11, 16
_CHANNELS, _CELLS = 112, 7
_NEAR = sound.RATE // 40  # samples over which loudness is meant, and that are kept around what is loud
_SILENT = 0.05  # share of the greatest loudness
_SHORTEST = 0.25  # seconds


@dataclass(frozen=True, eq=False)
class Lite0Sound:
    """Recordings → features of inner maps, at unit length."""

    space: Space
    recipe: Recipe
    net: "Net | NumpyNet"
    order: bool = False
    modalities: frozenset[Modality] = frozenset({"audio"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode recordings (n) to (n, d). Both roles alike. Raises TypeError for other modalities, ReadError."""
        recordings = [self._audio(item, position) for position, item in enumerate(items)]
        look = ordered if self.order else row

        def forward(batch: list[int]) -> np.ndarray:
            return np.stack([look(self.net, sound.listen(recordings[i])) for i in batch])

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


def ordered(net: "Net | NumpyNet", samples: np.ndarray) -> np.ndarray:
    """(5488) of a recording: channel by channel, low bands last, from its beginning to its end."""
    planes = (sound.log_mel(part, _SIDE, _SHORTEST) for part in stretches(trimmed(samples)))
    maps = np.mean([net.inner(plane[None], (_INNER,))[0][0] for plane in planes], axis=0)
    size = maps.shape[1] // _CELLS
    made: np.ndarray = maps.reshape(len(maps), _CELLS, size, _CELLS, size).mean(axis=(2, 4)).ravel()
    return made


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Samples (n) without the silence at both ends, as loud as a twentieth of the loudest at most."""
    loud = np.convolve(np.abs(samples), np.full(_NEAR, 1 / _NEAR), "same")[: samples.size]
    at = np.flatnonzero(loud > _SILENT * loud.max())
    return samples[max(at[0] - _NEAR, 0) : at[-1] + _NEAR] if at.size else samples


def stretches(samples: np.ndarray) -> list[np.ndarray]:
    """A recording in equal parts of at most 5 s, at most 12 of them, evenly over it."""
    count = max(-(-samples.size // _STRETCH), 1)
    parts = np.array_split(samples, count)
    return [parts[i] for i in np.linspace(0, count - 1, min(count, _MOST)).round().astype(int)]


def load(rest: str = "", **settings: Any) -> Lite0Sound:
    """Make one: "lite0-sound:" or "lite0-sound:order". Raises WeightsError; ValueError for another word."""
    if rest not in ("", "order"):
        raise ValueError(f"lite0-sound:{rest}: there is no such kind\nUse lite0-sound: or lite0-sound:order")
    dim = _CHANNELS * _CELLS**2 if rest else 544
    recipe = Recipe(family="lite0-sound", dim=dim, modalities=frozenset({"audio"}), image_size=_SIDE)
    name = f"google/efficientnet-lite0@{lite0.FILE.sha256[:8]}-sound" + (f"-{rest}" if rest else "")
    return Lite0Sound(recipe.space(name, lite0.FILE.sha256), recipe, lite0.network(), bool(rest))
