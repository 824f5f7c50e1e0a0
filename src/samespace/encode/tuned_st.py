"""A tuned language model as the first module of a SentenceTransformer.

    model = SentenceTransformer(FOLDER, trust_remote_code=True)    # FOLDER of a training plan
    model.encode_query(["what is asked"]), model.encode([PIL.Image.open("apple.jpg")])

Its vectors are those of tuned:FOLDER; gradients pass, so it trains on with that library's trainer. (Loading asks for
trust_remote_code because the class is not sentence-transformers' own; nothing but this installed package is run.)

Imports sentence-transformers and torch.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import InputModule
from torch import nn

from samespace.encode import tuned
from samespace.encode.language import Language
from samespace.items import Blob, Image, Item, Text

__all__ = ["Tuned"]


class Tuned(InputModule):
    """Items → the model's pooled states (b, w).

    Args:
        language: the model with what was learned in it.
    """

    def __init__(self, language: Language) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows = nn.Parameter(torch.zeros(0), requires_grad=False)  # modules behind it take the dtype of the first
        self.language = language
        self.tokenizer = language.body.wording.tokenizer

    @property
    def modalities(self) -> list[Any]:
        """What it takes in."""
        return ["text", "image"] if "image" in self.language.body.takes else ["text"]

    @property
    def max_seq_length(self) -> int:
        """Most tokens of an input, its prompt included."""
        return self.language.recipe.max_tokens

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **settings: Any) -> dict[str, Any]:
        """Tokenize; the task "query" is the role of the same name."""
        role: Any = "query" if settings.get("task") == "query" else "document"
        made = self.language.inputs([self.language.prepare(_item(given, prompt or ""), role) for given in inputs])
        return dict(made)

    def forward(self, features: dict[str, Any], **settings: Any) -> dict[str, Any]:
        """Put "sentence_embedding" (b, w), float32, into the features."""
        names = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")
        states = self.language.states({name: features[name] for name in names if name in features})
        features["sentence_embedding"] = self.language.pooled(states, features["attention_mask"])
        return features

    def get_embedding_dimension(self) -> int:
        """The width w."""
        return self.language.width

    def save(self, output_path: str, *args: Any, **settings: Any) -> None:
        """What was learned, beside the name of the base; the other modules save themselves."""
        tuned.save_language(self.language, Path(output_path))

    @classmethod
    def load(  # type: ignore[override]  # what is left out comes in settings
        cls, model_name_or_path: str, subfolder: str = "", **settings: Any
    ) -> "Tuned":
        """Back from `save`, or from a training plan's folder."""
        return cls(tuned.opened(Path(model_name_or_path) / subfolder))


def _item(given: Any, prompt: str) -> Item:
    """A text, a PIL picture, or the path of one is an Image only as such a picture."""
    if hasattr(given, "save"):
        stream = io.BytesIO()
        given.convert("RGB").save(stream, "PNG")
        return Image(Blob(data=stream.getvalue()))
    return Text(f"{prompt}{given}")
