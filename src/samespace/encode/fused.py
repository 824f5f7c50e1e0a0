"""Pictures, words and both at once in one Space, by a learned sum (fused:FOLDER).

    picture v → p = looks(v)      words t → w = says(t)      both → unit(p + w)

v and t are vectors of two encoders that stay as they are, looks and says two layers each (perceptron.py), trained so
that a picture and what is to be changed in it lie where the changed picture lies. The sum is the Space's own: a query
that adds a picture and words in an index says the same as one that this encoder fuses.

Made by the training plan `fuse`. Imports numpy; safetensors and the encoders' frameworks when it is loaded.
Letters: n items, d width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.encode import card
from samespace.encode.intake import pictures_and_texts
from samespace.encode.load import load as load_encoder
from samespace.encode.perceptron import Perceptron
from samespace.encode.protocol import Encoder, Role
from samespace.encode.recipe import Recipe
from samespace.errors import SpaceMismatchError, WeightsError
from samespace.items import Image, Item, Modality, Text
from samespace.space import Space, Vectors

__all__ = ["Fused", "load", "save"]

_MEND = "Make it: samespace train fuse --data ROWS.parquet --out FOLDER"
_TAKES: frozenset[Modality] = frozenset({"text", "image", "mixed"})


@dataclass(frozen=True, eq=False)
class Fused:
    """An Encoder: two encoders, a head on each, and their sum. Words alone are what is to be changed, of nothing."""

    space: Space
    recipe: Recipe
    tower: Encoder
    text: Encoder
    looks: Perceptron
    says: Perceptron
    modalities: frozenset[Modality] = _TAKES

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode items (n) to (n, d). Both roles alike. Raises TypeError for other modalities, ReadError."""
        name = self.space.name
        parts = [(row, part) for row, item in enumerate(items) for part in pictures_and_texts(item, row, name)]
        pictures = [(row, part) for row, part in parts if isinstance(part, Image)]
        texts = [(row, part) for row, part in parts if isinstance(part, Text)]
        rows = np.zeros((len(items), self.space.dim), np.float32)
        if pictures:
            seen = self.tower.encode([p for _, p in pictures])
            np.add.at(rows, [r for r, _ in pictures], self.looks(seen.data))
        if texts:
            said = self.text.encode([t for _, t in texts], role="query")
            np.add.at(rows, [r for r, _ in texts], self.says(said.data))
        return self.space.vectors(rows)


def save(
    looks: Perceptron, says: Perceptron, encoders: tuple[str, str], spaces: tuple[Space, Space], folder: Path,
    facts: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write fused.safetensors and fused.json.

    Args:
        looks: the head of pictures.
        says: the head of words.
        encoders: names of the encoders that they stand on, scheme:name, in that order.
        spaces: of these.
        folder: where to.
        facts: plain data for people.
    """
    said = {"encoders": encoders, "spaces": [space.to_dict() for space in spaces], "facts": facts}
    card.write(folder, "fused", {**looks.tensors("looks"), **says.tensors("says")}, said)


def load(rest: str, **settings: Any) -> Fused:
    """Load "fused:FOLDER".

    Raises:
        WeightsError: there is none, or it is damaged.
        SpaceMismatchError: an encoder here is not the one that a head was trained on.
    """
    folder = Path(rest).expanduser()
    found = card.read(folder, "fused", _MEND)
    try:
        looks, says = Perceptron.of(found.tensors, "looks"), Perceptron.of(found.tensors, "says")
        wanted = [Space.from_dict(space) for space in found.said["spaces"]]
        names = [str(name) for name in found.said["encoders"]]
    except (KeyError, ValueError, TypeError) as err:
        raise WeightsError(f"{folder}/fused.safetensors does not hold what it should ({err})", _MEND) from err
    tower, text = (load_encoder(name) for name in names)
    for encoder, space in zip((tower, text), wanted, strict=True):
        if encoder.space != space:
            raise SpaceMismatchError(str(encoder.space), str(space))
    recipe = Recipe(family="fused", dim=len(looks.outer), modalities=_TAKES, pooling="none")
    space = recipe.space(f"samespace/fused@{found.hash[:8]}", found.hash + "".join(s.fingerprint for s in wanted))
    return Fused(space, recipe, tower, text, looks, says)
