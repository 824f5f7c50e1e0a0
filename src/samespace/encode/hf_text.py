"""Text models of transformers: encoders like BERT, and causal language models read at a token.

Knows nothing of pictures. Imports torch. Letters: b sequences, t tokens, w model width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from samespace.encode.hf_model import Prepared, collate
from samespace.encode.pooling import pool
from samespace.encode.protocol import Role
from samespace.encode.recipe import Recipe
from samespace.encode.wording import Wording
from samespace.items import Item, Modality, Text

__all__ = ["TextBody", "open_mask"]


@dataclass(frozen=True, eq=False)
class TextBody:
    """A text model used by a Recipe: families "bert" and "causal". Its head is loaded where a recipe needs it."""

    model: Any
    wording: Wording
    recipe: Recipe
    device: str
    takes: frozenset[Modality] = frozenset({"text"})
    head: Any = None

    def by(self, recipe: Recipe) -> "TextBody":
        """The same weights, used by another Recipe."""
        return replace(self, recipe=recipe, wording=replace(self.wording, recipe=recipe))

    def prepare(self, item: Item, role: Role) -> Prepared:
        """Tokenize a Text."""
        if not isinstance(item, Text):
            raise TypeError(f"{item.modality} is not text")
        ids = tuple(self.wording.ids(item.text, role))
        return Prepared(ids, (), len(ids), 0, f"{role} {item.digest()}")

    def rows(self, batch: Sequence[Prepared]) -> Tensor:
        """One vector each (b, w)."""
        ids, mask = self._collate(batch)
        return pool(self._states(ids, mask), mask, self.recipe.pooling, ids=ids, terminal=self._terminal())

    def hidden(self, one: Prepared) -> Tensor:
        """Token states (t, w) of one text, unpadded."""
        ids, mask = self._collate([one])
        return self._states(ids, mask)[0, mask[0].bool()]

    def inputs(self, batch: Sequence[Prepared]) -> dict[str, Any]:
        """What a Reasoner reads of a batch."""
        ids, mask = self._collate(batch)
        return {"input_ids": ids, "attention_mask": mask}

    def _collate(self, batch: Sequence[Prepared]) -> tuple[Tensor, Tensor]:
        return collate(batch, int(self.wording.tokenizer.pad_token_id or 0), self.recipe, self.device)

    def _terminal(self) -> int | None:
        found = self.wording.terminal
        return found if found is not None else self.wording.tokenizer.eos_token_id

    def states(self, given: dict[str, Any]) -> Tensor:
        """The layer's token states (b, t, w) of `inputs`; of "inputs_embeds" too, given for the ids. Gradients pass."""
        given = dict(given)
        if self.recipe.family == "causal":
            mask = given["attention_mask"]
            given["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
            given["use_cache"] = False
            if self.recipe.bidirectional:
                given["attention_mask"] = open_mask(mask, self.model.dtype)
        if self.recipe.layer == -1:
            return torch.as_tensor(self.model(**given).last_hidden_state)
        return torch.as_tensor(self.model(**given, output_hidden_states=True).hidden_states[self.recipe.layer])

    @torch.inference_mode()
    def _states(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.states({"input_ids": ids, "attention_mask": mask})


def open_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive mask (b, 1, t, t) by which every token sees every token that is not padding.

    Given to a causal model in this form because a mask (b, t) leaves its attention causal, and setting is_causal in the
    config does so too where a batch has no padding.
    """
    length = mask.shape[1]
    closed = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask == 0, torch.finfo(dtype).min)
    return closed[:, None, None, :].expand(-1, 1, length, length)
