"""The starter's raw features of pictures: other pictures of the same thing, whatever words say (starter:raw).

A picture is looked at twice, whole and by its middle, where the thing mostly is, and both rows of features are meant at
equal length. Of groceries of other shop visits .53 instead of .48 find their kind first, for twice the time
(docs/log.md).

Knows nothing of texts. Imports numpy. Letters: n pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.encode import engine, intake, lite0, picture
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.encode.starter_file import Senses
from samespace.items import Blob, Item, Modality
from samespace.space import Space, Vectors
from samespace.translate.near import unit

__all__ = ["Raw"]

_EDGE = 0.2  # share of the width and height that is left out at each side: a third of the area stays


@dataclass(frozen=True, eq=False)
class Raw:
    """Pictures → the trunk's features, 1,280 wide."""

    space: Space
    recipe: Recipe
    senses: Senses
    modalities: frozenset[Modality] = frozenset({"image"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode pictures (n) to (n, 1280). Both roles alike. Raises TypeError for other modalities, ReadError."""
        blobs = intake.pictures(items, self.space.name)
        side = self.recipe.image_size or 0

        def forward(batch: list[int]) -> np.ndarray:
            rows = [self.senses.net.features(_twice(blobs[i], side)) for i in batch]
            return np.stack([unit(both).mean(axis=0) for both in rows])

        keys = [item.digest() for item in items]
        return self.space.vectors(engine.run([1] * len(items), forward, budget=1, dim=self.space.dim, keys=keys))


def _twice(blob: Blob, side: int) -> np.ndarray:
    """A picture whole and its middle, (2, 3, side, side). Raises ReadError."""
    whole = picture.decode(blob)
    left, top = int(_EDGE * whole.width), int(_EDGE * whole.height)
    middle = whole.crop((left, top, max(whole.width - left, left + 1), max(whole.height - top, top + 1)))
    return np.stack([lite0.scaled(part, side) for part in (whole, middle)])
