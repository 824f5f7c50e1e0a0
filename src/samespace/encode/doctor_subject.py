"""An Encoder under examination: what to give it, and what it lets one see beyond the protocol.

Knows nothing of what is checked. Imports numpy; Pillow where a picture is needed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from samespace.encode import catalog
from samespace.encode.protocol import Encoder, Role
from samespace.encode.recipe import Recipe
from samespace.items import Blob, Image, Item, Mixed, Text

__all__ = ["LONG", "TEXTS", "Subject", "drift", "pictures"]

TEXTS = (
    "a red kite over the hills",
    "Tax",
    "The committee met on Tuesday to discuss the budget for the new library, and after two hours of debate it agreed "
    "to postpone the decision until the figures had been checked by somebody from outside.",
)
LONG = " ".join(f"sentence {n} says that nothing has changed since the one before it." for n in range(1500))
_TOLERANCE = {"float32": 1e-5, "q4": 1e-4, "float16": 2e-3, "bfloat16": 1e-2, "int8": 2e-2}


@dataclass(frozen=True, eq=False)
class Subject:
    """The Encoder, and the ways to look into it."""

    encoder: Encoder

    @cached_property
    def recipe(self) -> Recipe | None:
        """How it is used, if it says so."""
        found = getattr(self.encoder, "recipe", None)
        return found if isinstance(found, Recipe) else None

    @cached_property
    def stated(self) -> Recipe | None:
        """How its files or the catalogue say it should be used."""
        found = getattr(self.encoder, "stated", None)
        if isinstance(found, Recipe):
            return found
        entry = catalog.find(self.encoder.space.name.partition("@")[0].rpartition("/")[2])
        return entry.recipe if entry else None

    @property
    def tolerance(self) -> float:
        """How far the same vector may drift (1 - cosine) by its arithmetic alone."""
        return _TOLERANCE.get(self.recipe.precision, 2e-2) if self.recipe else 1e-4

    def takes(self, *modalities: str) -> bool:
        """Whether it takes in all of these."""
        return set(modalities) <= self.encoder.modalities

    def seam(self, name: str) -> Any | None:
        """One of its further methods, or None."""
        return getattr(self.encoder, name, None)

    def rows(self, items: Sequence[Item], role: Role = "document") -> np.ndarray:
        """What a user gets (n, d)."""
        return np.asarray(self.encoder.encode(items, role=role).data, np.float32)

    def together(self, items: Sequence[Item], role: Role = "document") -> np.ndarray:
        """Rows (n, d) of items that share a batch, as far as one can have it so."""
        batch = self.seam("batch")
        return np.asarray(batch(items, role=role) if batch else self.rows(items, role), np.float32)

    def sample(self) -> list[Item]:
        """A few items of the simplest kind it takes in."""
        if self.takes("text"):
            return [Text(t) for t in TEXTS]
        if self.takes("image"):
            return list(pictures())
        return [Mixed((Text(TEXTS[0]), pictures()[0]))] if self.takes("mixed") else []

    def beside(self, recipe: Recipe) -> "Subject | None":
        """The same weights by another Recipe, or None if that cannot be had."""
        revised = self.seam("revised")
        return Subject(revised(recipe)) if revised else None


def drift(a: np.ndarray, b: np.ndarray) -> float:
    """Greatest 1 - cosine between equal rows of a and b (n, d): 0 alike, 1 unrelated, 2 opposite."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.max(1 - (a * b).sum(1) / np.maximum(lengths, 1e-30))) if len(a) else 0.0


@lru_cache(maxsize=1)
def pictures() -> tuple[Image, Image]:
    """Two unlike pictures of unlike shape: a red disc on white, blue and black stripes."""
    from PIL import Image as Picture
    from PIL import ImageDraw

    disc = Picture.new("RGB", (96, 64), "white")
    ImageDraw.Draw(disc).ellipse((30, 12, 70, 52), fill="red")
    stripes = Picture.new("RGB", (64, 128), "black")
    for top in range(0, 128, 16):
        ImageDraw.Draw(stripes).rectangle((0, top, 64, top + 7), fill="blue")
    return _png(disc), _png(stripes)


def _png(picture: Any) -> Image:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return Image(Blob(data=stream.getvalue()))
