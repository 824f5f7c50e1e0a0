"""A frozen tower with a trained head: pictures or sounds in the space of a text model (bound:FOLDER).

    features x of the tower, at unit length → h = unit(W x + b), at right angles to the texts' mean direction m
    vector = cos(t) m + sin(t) h, t as far from m as texts are

Texts of one model lie in a cone around their mean, which says nothing; put so, a picture lies in the same cone, and the
texts rank pictures as they would if the mean were taken off both.

Made by the training plan `bind`. Imports numpy, safetensors; the tower's framework when it is loaded.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace import registry
from samespace.encode.protocol import Encoder, Role
from samespace.encode.weights import sha256
from samespace.errors import SpaceMismatchError, WeightsError, WeightsNotFoundError
from samespace.items import Item, Modality
from samespace.space import Space, Vectors

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
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    made: np.ndarray = length * middle + np.sqrt(1 - length**2) * across
    return made


def save(head: Head, tower: str, folder: Path, facts: dict[str, Any]) -> None:
    """Write a head: bound.safetensors and bound.json. `tower` is the encoder's name, `facts` plain data for people."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": head.weight, "bias": head.bias, "mean": head.mean}
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, folder / "bound.safetensors")
    card = {
        "tower": tower,
        "source": head.source.to_dict(),
        "target": head.target.to_dict(),
        "sha256": sha256(folder / "bound.safetensors"),
        "facts": facts,
    }
    (folder / "bound.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load(rest: str, **settings: Any) -> Bound:
    """Load "bound:FOLDER".

    Raises:
        WeightsError: there is none, or it is damaged.
        SpaceMismatchError: the tower here is not the one the head was trained on.
    """
    folder = Path(rest).expanduser()
    try:
        card = json.loads((folder / "bound.json").read_text("utf-8"))
    except OSError as err:
        raise WeightsNotFoundError(f"{folder} holds no bound.json", _MEND) from err
    except ValueError as err:
        raise WeightsError(f"{folder}/bound.json is damaged ({err})", _MEND) from err
    scheme, name = registry.split(card["tower"])
    tower: Encoder = registry.load("encoders", scheme)(name)
    head = _head(folder, card)
    if tower.space != head.source:
        raise SpaceMismatchError(str(tower.space), str(head.source))
    return Bound(tower, head)


def _head(folder: Path, card: dict[str, Any]) -> Head:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "bound.safetensors"
    try:
        if sha256(path) != card["sha256"]:
            raise WeightsError(f"{path} is not the file that bound.json names", _MEND)
        held = load_file(path)
        spaces = Space.from_dict(card["source"]), Space.from_dict(card["target"])
        return Head(*spaces, held["weight"], held["bias"], held["mean"])
    except (SafetensorError, KeyError, ValueError, FileNotFoundError) as err:
        raise WeightsError(f"{path} cannot be read ({err})", _MEND) from err
