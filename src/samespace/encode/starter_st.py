"""The starter as a model of sentence-transformers: a Router that sends texts, pictures and sounds their own way.

    from samespace.encode.starter_st import router
    model = SentenceTransformer(modules=[router()])
    model.encode_query("a red apple"), model.encode([PIL.Image.open("apple.jpg")])

It saves and loads as any model of theirs; the weights stay those of samespace. For search and comparison: gradients do
not pass through it.

Imports sentence-transformers and torch.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers.base.modules import InputModule, Router

from samespace.encode import starter
from samespace.encode.protocol import Encoder
from samespace.errors import ReadError
from samespace.items import Audio, Blob, Image, Item, Text

__all__ = ["Route", "router"]

_KINDS = ("text", "image", "audio")


class Route(InputModule):
    """One modality's way through the starter.

    Args:
        kind: "text", "image" or "audio".
        weights: a file of the plan `starter`; "" = those that ship.
    """

    config_keys = ["kind", "weights"]  # noqa: RUF012 - as theirs
    save_in_root = False

    def __init__(self, kind: str, weights: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind, self.weights = kind, weights
        self.encoder = _loaded(weights)

    @property
    def modalities(self) -> list[Any]:
        """What it takes in."""
        return [self.kind]

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **settings: Any) -> dict[str, Any]:
        """Inputs as items; the task "query" is the role of the same name."""
        role = "query" if settings.get("task") == "query" else "document"
        return {"items": [_item(self.kind, given) for given in inputs], "role": role}

    def forward(self, features: dict[str, Any], **settings: Any) -> dict[str, Any]:
        """Items (n) → "sentence_embedding" (n, d)."""
        made = self.encoder.encode(features["items"], role=features["role"])
        features["sentence_embedding"] = torch.from_numpy(np.array(made.data))
        return features

    def get_embedding_dimension(self) -> int:
        """The width d."""
        return self.encoder.space.dim

    def save(self, output_path: str, *args: Any, **settings: Any) -> None:
        """Its settings; the weights are samespace's."""
        self.save_config(output_path)


def router(weights: str = "") -> Router:
    """All three ways, over one starter. Raises what `starter.load` raises."""
    return Router({kind: [Route(kind, weights)] for kind in _KINDS}, route_mappings={(None, k): k for k in _KINDS})


@cache
def _loaded(weights: str) -> Encoder:
    return starter.load(weights)


def _item(kind: str, given: Any) -> Item:
    """What they hand over, as an item: text, a path, a PIL picture, samples and rate, {"audio": any of these}."""
    if kind == "text":
        return Text(str(given))
    if isinstance(given, Mapping) and kind in given:
        given = given[kind]
    whole = Image if kind == "image" else Audio
    if isinstance(given, str | Path):
        return whole(Blob(path=Path(given)))
    stream = io.BytesIO()
    if kind == "image" and hasattr(given, "save"):
        given.convert("RGB").save(stream, "PNG")
        return Image(Blob(data=stream.getvalue()))
    if isinstance(given, Mapping) and "array" in given:
        import soundfile

        soundfile.write(stream, np.asarray(given["array"], np.float32), int(given["sampling_rate"]), format="WAV")
        return Audio(Blob(data=stream.getvalue()))
    raise ReadError("unsupported", f"{type(given).__name__} is no {kind} that is known here", "Give the path of a file")
