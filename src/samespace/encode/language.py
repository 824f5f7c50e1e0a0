"""A language model as a part that learns: items become prompted tokens, their states, and one vector, with gradients.

    language = opened("/path/to/model", template='This sentence: "{text}" means in one word: "')
    rows = language([language.prepare(Text("a lamp"), "document")])          # (1, w) float32, gradients pass

The model may be cut behind its first layers (its final norm stays) and kept in bfloat16; what is learned in it
(lora.py) is float32 then. Besides items it takes embeddings: `embedded` gives those of tokens, `states` reads any
sequence of them.

Knows nothing of heads or losses. Imports torch; transformers when a model is opened.
Letters: b sequences, t tokens, w model width, l layers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from samespace.encode import hf, hf_folder
from samespace.encode.hf_model import Prepared
from samespace.encode.pooling import pool
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.errors import RecipeError
from samespace.items import Item

__all__ = ["Language", "decoder", "opened"]


class Language(nn.Module):
    """A causal or vision-language model, read by a Recipe.

    Args:
        body: of hf.py; its model is this module's.
        place: where the model was found, as it can be opened again.
        weights: hash of the files it came from.
        layers: how many of its layers it was cut to; None = all.
    """

    def __init__(self, body: Any, place: str, weights: str, layers: int | None = None) -> None:
        super().__init__()
        self.model = body.model
        self.body, self.place, self.weights, self.layers = body, place, weights, layers
        self._told: dict[str, Any] = {}

    @property
    def recipe(self) -> Recipe:
        """How it is read; `dim` is the model's width w."""
        made: Recipe = self.body.recipe
        return made

    @property
    def width(self) -> int:
        """The model's width w."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    def prepare(self, item: Item, role: Role = "document", instruction: str = "") -> Prepared:
        """Tokenize an item with its role's prompt; `instruction` in the place of the recipe's.

        Raises TypeError for an item it does not take.
        """
        if not instruction:
            made: Prepared = self.body.prepare(item, role)
            return made
        if instruction not in self._told:
            self._told[instruction] = self.body.by(self.recipe.with_(instruction=instruction))
        made = self._told[instruction].prepare(item, role)
        return made

    def inputs(self, batch: Sequence[Prepared]) -> dict[str, Tensor]:
        """What `states` reads of a padded batch: "input_ids" and "attention_mask" (b, t), pictures decoded beside."""
        made: dict[str, Tensor] = self.body.inputs(batch)
        return made

    def embedded(self, ids: Tensor) -> Tensor:
        """The embeddings (b, t, w) of tokens (b, t), in the model's precision."""
        return torch.as_tensor(self.model.get_input_embeddings()(ids))

    def states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Token states (b, t, w) of `inputs`, or of {"inputs_embeds": (b, t, w), "attention_mask": (b, t)}."""
        made: Tensor = self.body.states(dict(inputs))
        return made

    def pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        """One vector each (b, w), float32, as the recipe pools."""
        return pool(states.float(), mask, self.recipe.pooling)

    def forward(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, w), float32, of what `prepare` made."""
        inputs = self.inputs(batch)
        return self.pooled(self.states(inputs), inputs["attention_mask"])


def opened(
    place: str,
    *,
    layers: int | None = None,
    precision: str = "float32",
    pooling: Literal["last", "mean"] = "last",
    template: str | None = None,
    prompts: Mapping[Role, str] | None = None,
    instruction: str | None = None,
    max_tokens: int = 128,
    max_pixels: int | None = None,
    device: str | None = None,
) -> Language:
    """Open a model, frozen.

    Args:
        place: a folder, a .gguf file, or org/model[@revision] of a hub.
        layers: keep its first so many; None = all.
        precision: of weights and arithmetic: "float32", "bfloat16", "float16".
        pooling: "last" token or "mean" over tokens.
        template: words around "{text}", with slots "{prompt}" and "{image}"; None = prompt, then pictures and text.
        prompts: by role; "{instruction}" in them is filled.
        instruction: where an item has none of its own.
        max_tokens: of an item with its prompt; its text is cut.
        max_pixels: of a picture; None = as the model's files say.
        device: None = an accelerator if there is one.

    Raises:
        WeightsNotFoundError, RecipeError: it is not here, is no causal model, or has fewer layers.
    """
    folder = hf_folder.locate(place)
    family = hf_folder.family(folder)
    if family not in ("causal", "qwen_vl"):
        raise RecipeError(folder.name, f"it is of family {family!r}, no language model", "Name a causal model's folder")
    seen = family == "qwen_vl"
    recipe = Recipe(
        family=family, dim=0, pooling=pooling, precision=precision, instruction=instruction,
        template=template if template is not None or not seen else "{prompt}{image}{text}",
        prompts=dict(prompts or {}), max_tokens=max_tokens, max_pixels=max_pixels,
        modalities=frozenset({"text", "image", "document", "mixed"}) if seen else frozenset({"text"}),
    )  # fmt: skip
    body: Any = hf.body_of(folder, recipe, device)
    if layers is not None:
        _cut(folder.name, body.model, layers)
    if precision == "bfloat16" and str(body.device) == "cpu":  # torch's fused attention is slow backwards there
        decoder(body.model).set_attn_implementation("eager")
    body = body.by(recipe.with_(dim=int(body.model.get_input_embeddings().weight.shape[1])))
    return Language(body, str(folder.path / (folder.gguf or "")), folder.weights(), layers)


def decoder(model: Any) -> Any:
    """The part of a model that holds the layers of language."""
    return getattr(model, "language_model", model)


def _cut(name: str, model: Any, layers: int) -> None:
    """Keep the first l layers; the final norm stays."""
    part = decoder(model)
    have = len(getattr(part, "layers", ()))
    if not 1 <= layers <= have:
        raise RecipeError(name, f"it cannot be cut to {layers} layers, it has {have}", f"Use 1 to {have}")
    part.layers = part.layers[:layers]
    part.config.num_hidden_layers = layers
