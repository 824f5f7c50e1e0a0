"""Any causal model of transformers, as far as latent steps need it: a prompt pass, further steps on its KV cache.

Nothing here is specific to one architecture. A model must have a decoder that takes inputs_embeds and past_key_values,
and input embeddings. Positions are counted by the mask and given explicitly, so padding moves nothing; a model that
counts pictures in two dimensions (M-RoPE) says by how much it is off (`rope_deltas`), which is read right after the
prompt, because it stays on the model from batch to batch.

Knows nothing of feedback or adapters. Imports torch; transformers inside a function.
Letters: b sequences, t tokens, n new tokens, w model width, v vocabulary, l layers.
"""

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from samespace.errors import RecipeError
from samespace.reason.batch import Batch

__all__ = ["Backbone", "Walk", "tied"]


@dataclass(frozen=True, eq=False)
class Backbone:
    """A causal model's parts. Make it with `Backbone.of(model)`; the model stays the caller's.

    Attributes:
        name: for errors.
        model: as it was given, with or without its language head.
        entry: what takes ids and pictures, without the head.
        decoder: what takes embeddings.
        takes_positions: whether the decoder is told where a token stands (ALiBi models count for themselves).
        head: what turns states into logits; None = the model's own, or its table of embeddings where they are one.
    """

    name: str
    model: Any
    entry: Any
    decoder: Any
    takes_positions: bool
    head: Any = None
    _norm: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: Any, *, head: Any = None) -> "Backbone":
        """Look a model over; `head` if it has none of its own.

        Raises RecipeError: it is an encoder, or keeps no KV cache.
        """
        model = model.get_base_model() if hasattr(model, "get_base_model") else model
        name = type(model).__name__
        decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
        decoder = decoder if decoder is not None else model.base_model
        if getattr(model.config, "is_encoder_decoder", False):
            raise RecipeError(name, "it is an encoder with a decoder", "Latent steps need a decoder-only causal model")
        if any(getattr(part, "is_causal", True) is False for part in (model.config, *decoder.modules())):
            raise RecipeError(name, "its tokens see what follows them", "Latent steps need a causal model, no encoder")
        takes = set(inspect.signature(decoder.forward).parameters)
        if not {"inputs_embeds", "past_key_values"} <= takes:
            raise _no_cache(name)
        return cls(name, model, model.base_model, decoder, "position_ids" in takes, head)

    @property
    def table(self) -> Tensor:
        """The input embeddings (v, w)."""
        return torch.as_tensor(self.model.get_input_embeddings().weight)

    @property
    def width(self) -> int:
        """Width of its states."""
        return int(self.table.shape[1])

    @property
    def limit(self) -> int | None:
        """How many positions it knows; None if nothing says so."""
        found = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(found) if found else None

    def embed(self, tokens: dict[str, Tensor]) -> Tensor:
        """Embeddings (b, n, w) of tokens given by ids or as embeddings already."""
        if "inputs_embeds" in tokens:
            return tokens["inputs_embeds"]
        return torch.as_tensor(self.model.get_input_embeddings()(tokens["input_ids"]))

    def embedding_norm(self) -> Tensor:
        """Mean length of an input embedding, a scalar; computed again when the table has changed."""
        table = self.table
        stamp = (table.data_ptr(), 0 if table.is_inference() else table._version)
        if self._norm.get("stamp") != stamp:
            scale = float(getattr(self.model.get_input_embeddings(), "embed_scale", 1.0))
            self._norm.update(stamp=stamp, value=table.detach().float().norm(dim=1).mean() * scale)
        return torch.as_tensor(self._norm["value"])

    def logits(self, states: Tensor) -> Tensor:
        """What the states (..., w) would say next: float32 logits (..., v).

        Raises RecipeError: the model was loaded without its head, and that is not its embedding table.
        """
        head = self.head if self.head is not None else self.model.get_output_embeddings()
        if head is not None:
            return torch.as_tensor(head(states.to(head.weight.dtype))).float()
        if not tied(self.model):
            mend = "Load it with its head (AutoModelForCausalLM, AutoModelForImageTextToText), or use feedback='scale'"
            raise RecipeError(self.name, "it was loaded without the head that turns states into words", mend)
        return (states.to(self.table.dtype) @ self.table.T).float()

    def whole(self, batch: Batch) -> Tensor:
        """States (b, t, w) of a batch in one pass, without a cache."""
        made = self.entry(**self._given(batch), use_cache=False)
        return torch.as_tensor(made.last_hidden_state)

    def read(self, batch: Batch, *, flat: bool = False, cache: Any = None) -> "Walk":
        """Read a prompt, and stand ready for further steps.

        Args:
            batch: the prompts.
            flat: what follows stands at the number of tokens before it, even where pictures count for less (M-RoPE).
            cache: an empty one of transformers to fill; None = one that grows.

        Raises:
            RecipeError: nothing was cached.
        """
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config.get_text_config()) if cache is None else cache
        made = self.entry(**self._given(batch), past_key_values=cache, use_cache=True)
        if int(cache.get_seq_length()) != batch.mask.shape[1]:
            raise _no_cache(self.name)
        position = batch.mask.sum(1, keepdim=True)
        if self._counts_pictures(batch) and not flat:
            position = position + self.entry.rope_deltas.view(-1, 1).to(position)
        return Walk(self, cache, batch.mask, position, torch.as_tensor(made.last_hidden_state))

    def _given(self, batch: Batch) -> dict[str, Any]:
        """Arguments of the entry. Raises TypeError for what it does not take."""
        takes = inspect.signature(self.entry.forward).parameters
        foreign = sorted(name for name in batch.rest if name not in takes)
        if foreign:
            raise TypeError(f"{self.name} does not take {', '.join(foreign)}\nIt is a text model: give it text only")
        tokens = {name: value for name, value in batch.tokens.items() if name in takes}
        given: dict[str, Any] = {**tokens, **batch.rest, "attention_mask": batch.mask}
        if "position_ids" in takes and not self._counts_pictures(batch):
            given["position_ids"] = (batch.mask.cumsum(1) - 1).clamp(min=0)
        return given

    def _counts_pictures(self, batch: Batch) -> bool:
        return bool(batch.rest) and hasattr(self.entry, "rope_deltas")


class Walk:
    """A batch on its way through a Backbone: what it has read is in the cache.

    Attributes:
        hidden: states (b, t, w) of the prompt.
    """

    def __init__(self, backbone: Backbone, cache: Any, mask: Tensor, position: Tensor, hidden: Tensor) -> None:
        self.backbone, self.hidden = backbone, hidden
        self._cache, self._mask, self._position = cache, mask, position

    @property
    def position(self) -> Tensor:
        """(b, 1), where the next token of each row stands."""
        return self._position

    @property
    def mask(self) -> Tensor:
        """(b, t), 1 where a later token looks at what was read."""
        return self._mask

    def room(self, n: int) -> None:
        """See that n more tokens have a place. Raises RecipeError otherwise."""
        limit, reached = self.backbone.limit, int(self._position.max()) + n
        if limit is not None and reached > limit:
            raise RecipeError(
                self.backbone.name,
                f"prompt, steps and tail take {reached} positions, it knows {limit}",
                f"Take {reached - limit} steps fewer, or shorten the text by as many tokens",
            )

    def step(self, embeds: Tensor, live: Tensor | None = None, *, layers: bool = False) -> Tensor:
        """Read further embeddings (b, n, w); later tokens of a row see only those that are live.

        Args:
            embeds: what to read.
            live: (b, n), true where the row goes on; None = everywhere.
            layers: give the states of every layer, the embeddings first.

        Returns:
            The last states (b, n, w), or all of them (b, l+1, n, w).
        """
        seen = self._mask.new_ones(embeds.shape[:2]) if live is None else live.to(self._mask.dtype)
        self._mask = torch.cat([self._mask, seen], 1)
        place = self._position + (seen.cumsum(1) - 1).clamp(min=0)
        self._position = self._position + seen.sum(1, keepdim=True)
        given: dict[str, Any] = {"attention_mask": self._mask, "past_key_values": self._cache, "use_cache": True}
        if self.backbone.takes_positions:
            given["position_ids"] = place
        made = self.backbone.decoder(inputs_embeds=embeds, **given, output_hidden_states=layers)
        return torch.stack(made.hidden_states, 1) if layers else torch.as_tensor(made.last_hidden_state)


def tied(model: Any) -> bool:
    """Whether a model's head is its table of embeddings."""
    configs = (model.config, model.config.get_text_config())
    return any(getattr(config, "tie_word_embeddings", False) for config in configs)


def _no_cache(name: str) -> RecipeError:
    return RecipeError(
        name,
        "it keeps no KV cache, so no step can follow its prompt",
        "Latent steps need a causal decoder (GPT, Llama, Qwen, ...), run without gradient checkpointing",
    )
