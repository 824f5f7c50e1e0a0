"""EfficientNet-Lite0's last map in cells: what a picture shows and where, for heads that tell one place from another.

The row of a picture is the map's mean in each of c x c cells, left to right and top to bottom, 1,280 wide each, so that
a model that reads tokens can cut it into c² of them. lite0: is the same network's mean over the whole picture.

Knows nothing of training. Imports torch when a model is loaded. Letters: b pictures, c cells a side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samespace.encode import engine, intake, lite0
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.items import Item, Modality
from samespace.space import Space, Vectors

if TYPE_CHECKING:
    from samespace.encode.lite0_net import Net

__all__ = ["WIDTH", "Lite0Grid", "load"]

WIDTH = 1280  # of a cell
_BATCH = 2  # as in lite0.py
_MEND = "Write lite0-grid:CELLS or lite0-grid:CELLS-SIDE, 2 to 6 cells, 96 to 320 pixels: lite0-grid:3-96"


@dataclass(frozen=True, eq=False)
class Lite0Grid:
    """Pictures → the last map's cells in one row, at unit length."""

    space: Space
    recipe: Recipe
    net: "Net"
    cells: int
    modalities: frozenset[Modality] = frozenset({"image", "document"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode pictures (n) to (n, c² · 1280). Both roles alike. Raises TypeError for other modalities, ReadError."""
        blobs = intake.pictures(items, self.space.name)
        side = self.recipe.image_size or 0

        def forward(batch: list[int]) -> np.ndarray:
            return self._rows(np.stack([lite0.pixels(blobs[i], side) for i in batch]))

        keys = [item.digest() for item in items]
        return self.space.vectors(engine.run([1] * len(items), forward, budget=_BATCH, dim=self.space.dim, keys=keys))

    def _rows(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (b, 3, side, side) → (b, c² · 1280)."""
        import torch

        with torch.inference_mode():
            maps = self.net.maps(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last))
            pooled = torch.nn.functional.adaptive_avg_pool2d(maps, self.cells)
            made: np.ndarray = pooled.flatten(2).transpose(1, 2).flatten(1).numpy()
        return made


def load(rest: str = "", **settings: Any) -> Lite0Grid:
    """Make one: "lite0-grid:3-192" is 3 cells a side of a picture at 192 px, the default.

    Raises:
        ValueError: no such cells or side.
        WeightsError: the network's file is nowhere.
    """
    cells, dash, side = (rest or "3").partition("-")
    side = side if dash else "192"
    if not (cells.isdigit() and side.isdigit() and 2 <= int(cells) <= 6 and 96 <= int(side) <= 320):
        raise ValueError(f"lite0-grid:{rest} has no valid cells and side\n{_MEND}")
    recipe = Recipe(
        family="lite0-grid",
        dim=int(cells) ** 2 * WIDTH,
        modalities=frozenset({"image", "document"}),
        pooling="none",
        image_size=int(side),
    )
    space = recipe.space(f"google/efficientnet-lite0-grid{cells}@{lite0.FILE.sha256[:8]}-{side}", lite0.FILE.sha256)
    return Lite0Grid(space, recipe, lite0.network(), int(cells))
