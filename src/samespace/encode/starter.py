"""The starter: text, pictures and sounds in one Space, by a small file that comes with the package (starter:).

Text is the text model's own. A picture goes through EfficientNet-Lite0, whose features f become

    unit(W f + b) + conse * unit(sum_c p_c t_c),   p = the classifier's surest classes, t = their names' vectors

and a sound goes through the same network as a log-mel picture and takes a linear head of its own; both are then laid
into the cone in which texts lie (bound.py has why). ConSE knows what the network learned and nobody trained here;
the head knows what it was shown. The network is read when the first picture or sound comes: a search by words does
not pay for it.

Made by the training plan `starter`. Imports numpy; safetensors and torch for pictures and sounds.
Letters: n items, d width, c classes. Reference: Norouzi et al., ConSE, arXiv:1312.5650; Zhai et al., LiT, 2111.07991.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.encode import catalog, starter_file
from samespace.encode.catalog import Entry
from samespace.encode.load import load as load_encoder
from samespace.encode.protocol import Encoder, Role
from samespace.encode.recipe import Recipe
from samespace.encode.starter_file import SHIPPED, Senses
from samespace.encode.starter_raw import Raw
from samespace.encode.weights import sha256
from samespace.errors import SpaceMismatchError
from samespace.items import Audio, Image, Item, Modality, Text
from samespace.space import Space, Vectors

__all__ = ["Starter", "load"]


@dataclass(frozen=True, eq=False)
class Starter:
    """Texts, pictures and recordings → one Space. Pages are found by their words, not by their looks."""

    space: Space
    recipe: Recipe
    text: Encoder
    senses: Senses
    modalities: frozenset[Modality] = frozenset({"text", "image", "audio"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode items (n) to (n, d). The role counts for texts. Raises TypeError for other modalities, ReadError."""
        texts, pictures, sounds = list[int](), list[int](), list[int]()
        for position, item in enumerate(items):
            if isinstance(item, Text):
                texts.append(position)
            elif isinstance(item, Image):
                pictures.append(position)
            elif isinstance(item, Audio):
                sounds.append(position)
            else:
                raise TypeError(
                    f"item {position} is {item.modality}, but {self.space.name} takes audio, image, text only"
                )
        rows = np.zeros((len(items), self.space.dim), np.float32)
        ways: tuple[tuple[list[int], Callable[[list[Any]], np.ndarray]], ...] = (
            (texts, lambda some: self.text.encode(some, role=role).data),
            (pictures, self.senses.pictures),
            (sounds, self.senses.sounds),
        )
        for at, way in ways:
            if at:
                rows[at] = way([items[i] for i in at])
        return self.space.vectors(rows)


def load(rest: str = "", *, entry: Entry | None = None, **settings: Any) -> Starter | Raw:
    """Make one.

    Args:
        rest: "" = the weights that come with samespace; "raw" = their features of pictures, in a Space of their own;
            a file that the plan `starter` wrote ("starter:out/starter.safetensors").
        entry: of the catalogue.
        settings: of other plugins; none matters here.

    Raises:
        WeightsError: no such file, or not of that kind; or the text model's are not here.
        SpaceMismatchError: the text model here is not the one it was trained for.
        MissingExtraError: safetensors or torch is missing, once a picture or sound comes.
    """
    recipe, raw = (entry or catalog.get("starter")).recipe, rest == "raw"
    path = Path(rest).expanduser() if rest and not raw else SHIPPED
    facts, hashed = starter_file.facts(path), sha256(path)
    senses = Senses(path)
    if raw:
        kind: frozenset[Modality] = frozenset({"image"})
        own = Recipe("starter-raw", 1280, modalities=kind, image_size=recipe.image_size, precision="float16")
        return Raw(own.space(f"samespace/starter-raw@{hashed[:8]}", hashed), own, senses)
    text, target = load_encoder(facts["text"]), Space.from_dict(facts["target"])
    if text.space != target:
        raise SpaceMismatchError(str(text.space), str(target))
    recipe = recipe.with_(dim=target.dim)
    space = recipe.space(f"samespace/starter@{hashed[:8]}", hashed + target.fingerprint)
    return Starter(space, recipe, text, senses)
