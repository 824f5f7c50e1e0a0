"""A frozen tower with a trained head: pictures or sounds in the space of a text model (bound:FOLDER).

    features x of the tower, at unit length → h = unit(W x + b), at right angles to the texts' mean direction m
    vector = cos(t) m + sin(t) h, t as far from m as texts are

Texts of one model lie in a cone around their mean, which says nothing; put so, a picture lies in the same cone, and the
texts rank pictures as they would if the mean were taken off both.

Made by the training plan `bind`. Imports numpy, safetensors; the tower's framework when it is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.encode import card
from samespace.encode.load import load as load_encoder
from samespace.encode.protocol import Encoder, Role
from samespace.errors import SpaceMismatchError, WeightsError
from samespace.items import Item, Modality
from samespace.space import Space, Vectors
from samespace.translate.near import unit

__all__ = ["Bound", "Head", "laid", "load", "save"]

_MEND = "Make it: samespace train bind --data ROWS.parquet --out FOLDER"


@dataclass(frozen=True, eq=False)
class Head:
    """From a tower's space to a text model's.

    Attributes:
        source: of the tower, width ds.
        target: of the text model, width dt.
        weight: (dt, ds) float32.
        bias: (dt) float32.
        mean: (dt) float32, the mean of the texts it was trained on; not at unit length.
    """

    source: Space
    target: Space
    weight: np.ndarray
    bias: np.ndarray
    mean: np.ndarray

    def __call__(self, vectors: Vectors) -> Vectors:
        """Vectors (n, ds) of the source to (n, dt) of the target. Raises SpaceMismatchError."""
        made = vectors.require(self.source).data.astype(np.float32) @ self.weight.T + self.bias
        return self.target.vectors(laid(made, self.mean))


@dataclass(frozen=True, eq=False)
class Bound:
    """An Encoder: the tower, then the head. Its vectors live in the text model's Space."""

    tower: Encoder
    head: Head

    @property
    def space(self) -> Space:
        """The text model's."""
        return self.head.target

    @property
    def modalities(self) -> frozenset[Modality]:
        """The tower's."""
        return self.tower.modalities

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode items (n) to (n, dt). Raises what the tower raises."""
        return self.head(self.tower.encode(items, role=role))


def laid(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Rows (n, d) laid into the cone of texts with this mean (d): as far from it as texts are, at unit length."""
    length = min(float(np.linalg.norm(mean)), 0.999)
    middle = mean / max(float(np.linalg.norm(mean)), 1e-12)
    across = rows - np.outer(rows @ middle, middle)
    made: np.ndarray = length * middle + np.sqrt(1 - length**2) * unit(across)
    return made


def save(head: Head, tower: str, folder: Path, facts: dict[str, Any]) -> None:
    """Write a head: bound.safetensors and bound.json. `tower` is the encoder's name, `facts` plain data for people."""
    tensors = {"weight": head.weight, "bias": head.bias, "mean": head.mean}
    said = {"tower": tower, "source": head.source.to_dict(), "target": head.target.to_dict(), "facts": facts}
    card.write(folder, "bound", {name: np.asarray(rows, np.float32) for name, rows in tensors.items()}, said)


def load(rest: str, **settings: Any) -> Bound:
    """Load "bound:FOLDER".

    Raises:
        WeightsError: there is none, or it is damaged.
        SpaceMismatchError: the tower here is not the one the head was trained on.
    """
    folder = Path(rest).expanduser()
    found = card.read(folder, "bound", _MEND)
    try:
        spaces = Space.from_dict(found.said["source"]), Space.from_dict(found.said["target"])
        head = Head(*spaces, *(found.tensors[name] for name in ("weight", "bias", "mean")))
        name = str(found.said["tower"])
    except (KeyError, ValueError, TypeError) as err:
        raise WeightsError(f"{folder}/bound.json does not say what it should ({err})", _MEND) from err
    tower = load_encoder(name)
    if tower.space != head.source:
        raise SpaceMismatchError(str(tower.space), str(head.source))
    return Bound(tower, head)
