"""An encoder without a model: words and letter triples hashed into d dimensions.

It finds texts that share words, and knows no meaning. It is exact, light and the same everywhere, which makes it right
for trying out an index, for tests of everything around a model, and as the baseline a real model must beat.

Imports numpy only. Reference: Weinberger et al., Feature Hashing for Large Scale Multitask Learning, arXiv:0902.2206.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.items import Item, Modality, Text
from samespace.space import Space, Vectors

__all__ = ["Hashing", "load"]


@dataclass(frozen=True)
class Hashing:
    """Text → signed counts of hashed words and letter triples, at unit length."""

    space: Space
    recipe: Recipe
    modalities: frozenset[Modality] = frozenset({"text"})

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode texts (n) to (n, d). Both roles alike. Raises TypeError for other modalities."""
        rows = np.zeros((len(items), self.space.dim), np.float32)
        for i, item in enumerate(items):
            if not isinstance(item, Text):
                raise TypeError(f"item {i} is {item.modality}, but {self.space.name} takes text only")
            for feature in _features(item.text):
                code = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest())
                rows[i, code % self.space.dim] += 1.0 if code >> 63 else -1.0
            if not rows[i].any():
                rows[i, 0] = 1.0
        return self.space.vectors(rows)


def _features(text: str) -> Iterator[str]:
    """Lower-case words, and the triples of letters inside each; single characters of scripts without spaces."""
    for word in re.findall(r"\w+", text.lower()):
        yield word
        if len(word) > 3 or not word.isascii():
            width = 3 if word.isascii() else 1
            yield from (f"~{word[j : j + width]}" for j in range(len(word) - width + 1))


def load(rest: str = "256", **settings: Any) -> Hashing:
    """Make one: "hashing:256" is 256 wide. Raises ValueError if that is not a whole number from 8 to 65,536."""
    if not (rest or "256").isdigit() or not 8 <= int(rest or 256) <= 65_536:
        raise ValueError(f"hashing:{rest} has no valid width\nUse a whole number from 8 to 65536: hashing:256")
    recipe = Recipe(family="hashing", dim=int(rest or 256), pooling="none", backend="numpy")
    return Hashing(recipe.space(f"samespace/hashing-{recipe.dim}@1", "none"), recipe)
