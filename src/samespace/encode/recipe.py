"""The Recipe: everything that changes an encoder's numbers, as data.

Two encoders with equal Recipes and equal weights give equal vectors; the fingerprint of a Space is the hash of both.
A field that changes no number does not belong here.

Knows nothing of torch or of how a Recipe is carried out. Imports the standard library only.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from samespace.encode.protocol import Role
from samespace.errors import did_you_mean
from samespace.items import Modality
from samespace.space import Metric, Space

__all__ = ["Pooling", "Recipe", "Thinking"]

Pooling = Literal["mean", "cls", "last", "eos", "head", "none"]
"""mean over the mask · first token · last token by the mask · the terminal token by its id · the model's own
projection head (CLIP, SigLIP) · none, the model returns one vector (USE)."""

_PARTS_VERSION = 1  # counts up when our own loop changes the numbers of every recipe


@dataclass(frozen=True)
class Thinking:
    """Latent steps before the vector is read out (samespace.reason).

    Attributes:
        steps: how many, by role. Queries may think where documents do not: both are in one Space.
        feedback: what a step feeds back, reason.protocol.Feedback.
        tail: tokens read after the steps, the terminal one included.
        until: "kl" = a row stops where a further step changes nothing; None = never.
        tolerance: of until, in nats.
        trained: hash of what was trained for it; "" = nothing was.
    """

    steps: Mapping[Role, int]
    feedback: Literal["scale", "raw", "soft", "snap", "parallel"] = "scale"
    tail: int = 1
    until: Literal["kl"] | None = None
    tolerance: float = 5e-4
    trained: str = ""


@dataclass(frozen=True)
class Recipe:
    """How a model is to be used. Absent is None.

    Attributes:
        family: which code carries it out: "bert", "causal", "clip", "siglip", "qwen_vl", "onnx", "e5q4", "st", ...
        dim: width of the output, after `truncate_dim`.
        metric: how its vectors compare.
        modalities: what it takes in.
        prompts: text before the item, by role; "" where the model wants none.
        template: wraps prompt and item, "{prompt}{text}" and "{image}" slots; None = prompt + text.
        instruction: default instruction, where the template has "{instruction}".
        pooling: how tokens become one vector.
        layer: which hidden state is read, -1 the last, after the final norm.
        terminal: the token the sequence must end with, also after truncation; None = whatever the tokenizer adds.
        normalize: bring to unit length.
        padding: "longest" of the batch, or "max_length" (SigLIP's text towers).
        padding_side: "left" | "right".
        max_tokens: limit of a text with its prompt and special tokens.
        lower_case: of the text, before the tokenizer (SigLIP).
        bidirectional: whether a causal backbone is run without its causal mask.
        min_pixels, max_pixels: of a picture, before patches.
        image_size: side of a fixed square, in pixels.
        frames, fps: of a film.
        matryoshka: widths the model was trained to be cut to.
        truncate_dim: the width it is cut to here.
        precision: of weights and arithmetic: "float32", "bfloat16", "float16", "int8", "q4".
        backend: what runs it: "torch", "openvino", "onnxruntime".
        thinking: latent steps before read-out; None = none.
    """

    family: str
    dim: int
    metric: Metric = "cosine"
    modalities: frozenset[Modality] = frozenset({"text"})
    prompts: Mapping[Role, str] = field(default_factory=dict)
    template: str | None = None
    instruction: str | None = None
    pooling: Pooling = "mean"
    layer: int = -1
    terminal: str | None = None
    normalize: bool = True
    padding: Literal["longest", "max_length"] = "longest"
    padding_side: Literal["left", "right"] = "right"
    max_tokens: int = 512
    lower_case: bool = False
    bidirectional: bool = False
    min_pixels: int | None = None
    max_pixels: int | None = None
    image_size: int | None = None
    frames: int | None = None
    fps: float | None = None
    matryoshka: tuple[int, ...] = ()
    truncate_dim: int | None = None
    precision: str = "float32"
    backend: str = "torch"
    thinking: Thinking | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data; `from_dict` gives an equal Recipe back."""
        data = asdict(self)
        data["modalities"] = sorted(self.modalities)
        data["prompts"] = dict(sorted(self.prompts.items()))
        data["matryoshka"] = list(self.matryoshka)
        if self.thinking is None:  # a recipe without it has the fingerprint it had before there was any
            del data["thinking"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """Back from `to_dict`, or from a catalogue entry. Raises ValueError naming an unknown key and the nearest."""
        known = {f.name for f in fields(cls)}
        for key in data:
            if key not in known:
                raise ValueError(f"unknown key {key!r} in a recipe\n{did_you_mean(key, known) or 'See Recipe.'}")
        made = dict(data)
        if "modalities" in made:
            made["modalities"] = frozenset(made["modalities"])
        if "matryoshka" in made:
            made["matryoshka"] = tuple(made["matryoshka"])
        if made.get("thinking") is not None:
            made["thinking"] = Thinking(**made["thinking"])
        return cls(**made)

    def with_(self, **changes: Any) -> "Recipe":
        """A copy with some fields changed."""
        return replace(self, **changes)

    def fingerprint(self, weights: str, reader: str = "") -> str:
        """Hash over weights (their own hash or resolved commit), this Recipe and the reader's version.

        Returns:
            32 hex letters.
        """
        parts = {"parts": _PARTS_VERSION, "weights": weights, "reader": reader, "recipe": self.to_dict()}
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def space(self, name: str, weights: str, parent: Space | None = None) -> Space:
        """The Space that this Recipe over these weights makes."""
        return Space(name, self.dim, self.metric, self.fingerprint(weights), parent)
