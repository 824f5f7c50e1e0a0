"""Recurrent: depth instead of length. A block of the model's layers is run over and over before the rest is.

The block stays the model's own: for the time of one call, its first layer is replaced by a loop over the block and the
others by nothing, so that masks, positions and everything else come from the model as usual. One round is the unchanged
model.

Knows nothing of Items or Spaces. Imports torch. Letters: b sequences, t tokens, s rounds, w model width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from samespace.errors import RecipeError
from samespace.reason.backbone import Backbone
from samespace.reason.batch import Batch
from samespace.reason.halting import moved
from samespace.reason.protocol import Inputs, Until
from samespace.reason.thought import Thought

__all__ = ["Recurrent"]

_NORMS = ("norm", "ln_f", "final_layernorm", "final_layer_norm")


class Recurrent(nn.Module):
    """A Reasoner in depth. Trained part: how the block's input is put in again.

    state_0 = input;  state_{i+1} = block(A [state_i ; input]), where A starts as the identity on state_i.

    Args:
        width: w of the model.
        block: first layer of the loop, and the first behind it; counts from 0.
        steps: rounds, if a call does not say; 1 = the unchanged model, 0 too.
        inject: whether the input is put in again at each round; without, A is left out.
        tolerance: of until="kl", in nats.
        kept: in training, gradients flow through the last so many rounds.

    Reference: Geiping et al., arXiv:2502.05171. There the state starts at random; here, so that a model that was
    trained without a loop keeps its vectors, at the block's input.
    """

    def __init__(
        self,
        width: int,
        block: tuple[int, int],
        *,
        steps: int = 4,
        inject: bool = True,
        tolerance: float = 5e-4,
        kept: int = 8,
    ) -> None:
        super().__init__()
        if not 0 <= block[0] < block[1] or steps < 0:
            raise ValueError(f"block {block}, steps {steps}\nUse 0 <= first < behind the last, and steps >= 0")
        self.block, self.steps, self.tolerance, self.kept = block, steps, tolerance, kept
        self.adapter = nn.Linear(2 * width, width, bias=False) if inject else None
        if self.adapter is not None:
            with torch.no_grad():
                self.adapter.weight.copy_(torch.eye(width, 2 * width))

    def forward(
        self, backbone: Backbone, inputs: Inputs, *, steps: int | None = None, until: Until | None = None
    ) -> Thought:
        """Think; see protocol.Reasoner. `states` are what would be read after each round; there are no latents."""
        rounds = max(self.steps if steps is None else steps, 1)
        batch = Batch.of(inputs)
        with self._looped(backbone, rounds, until) as loop:
            embedding = backbone.whole(batch)[:, -1]
        none = embedding.new_zeros(len(embedding), 0, embedding.shape[-1])
        return Thought(embedding, none, torch.stack(loop.seen, 1), loop.used, backbone)

    @contextmanager
    def _looped(self, backbone: Backbone, rounds: int, until: Until | None) -> Iterator["_Loop"]:
        """The backbone with the loop in the block's place. Restores its layers whatever happens."""
        layers, norm = _layers(backbone)
        first, behind = self.block
        if behind > len(layers):
            mend = f"Use a block within 0 and {len(layers)}"
            raise RecipeError(backbone.name, f"it has {len(layers)} layers, the block ends at {behind}", mend)
        if first < (early := _early(backbone)):
            fact = f"pictures are put in again after each of its first {early} layers, the block starts at {first}"
            raise RecipeError(backbone.name, fact, f"Let the block start at {early} or later")
        own = list(layers)
        _alike(backbone, own[first:])
        loop = _Loop(self, backbone, own[first:behind], own[behind:], norm, rounds, until)
        try:
            for i in range(first, behind):
                layers[i] = loop if i == first else _Skipped()
            yield loop
        finally:
            for i in range(first, behind):
                layers[i] = own[i]


class _Loop(nn.Module):
    """Stands in the place of a block's first layer, for one call.

    Attributes:
        seen: states (b, w) of the last token as they would be read: before any round at depth 1, and after each.
        used: (b), rounds of each row.
    """

    def __init__(
        self,
        owner: Recurrent,
        backbone: Backbone,
        block: Sequence[nn.Module],
        rest: Sequence[nn.Module],
        norm: nn.Module,
        rounds: int,
        until: Until | None,
    ) -> None:
        super().__init__()
        # in a tuple: these belong to others, and must not become children
        self._own = (owner, backbone, tuple(block), tuple(rest), norm)
        self._rounds, self._until = rounds, until
        self.seen: list[Tensor] = []
        self.used = torch.zeros(0, dtype=torch.long)
        self.attention_type = getattr(block[0], "attention_type", None)

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Run the block's rounds over (b, t, w)."""
        owner, backbone, block, _, _ = self._own
        given = hidden
        live = torch.ones(len(hidden), dtype=torch.bool, device=hidden.device)
        self.used = torch.zeros(len(hidden), dtype=torch.long, device=hidden.device)
        for number in range(self._rounds):
            if owner.training and number < self._rounds - owner.kept:
                hidden = hidden.detach()
            mixed = hidden if owner.adapter is None else _mixed(owner.adapter, hidden, given)
            hidden = torch.where(live[:, None, None], _through(block, mixed, *args, **kwargs), hidden)
            self.used = self.used + live
            self.seen.append(self._read(hidden, *args, **kwargs))
            if self._until == "kl" and number:
                live = live & (moved(backbone, self.seen[-2], self.seen[-1]) >= owner.tolerance)
                if not bool(live.any()):
                    break
        return hidden

    def _read(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The last token's state (b, w) as the rest of the model would give it."""
        _, _, _, rest, norm = self._own
        made: Tensor = norm(_through(rest, hidden, *args, **kwargs)[:, -1])
        return made


class _Skipped(nn.Module):
    """Stands in the place of the block's other layers."""

    attention_type: Any = None

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return hidden


def _mixed(adapter: nn.Linear, hidden: Tensor, given: Tensor) -> Tensor:
    made: Tensor = adapter(torch.cat([hidden, given], -1).to(adapter.weight.dtype))
    return made.to(hidden.dtype)


def _through(layers: Sequence[nn.Module], hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    for layer in layers:
        made: Any = layer(hidden, *args, **kwargs)
        if not isinstance(made, Tensor):
            fact = "its layers return tuples, as transformers' older models do"
            raise RecipeError(type(layer).__name__, fact, "Think in tokens: Latent(...)")
        hidden = made
    return hidden


def _layers(backbone: Backbone) -> tuple[nn.ModuleList, nn.Module]:
    """The decoder's layers and its final norm. Raises RecipeError where they are not found."""
    count = int(backbone.model.config.get_text_config().num_hidden_layers)
    lists = [m for m in backbone.decoder.children() if isinstance(m, nn.ModuleList) and len(m) == count]
    norms = [getattr(backbone.decoder, name) for name in _NORMS if hasattr(backbone.decoder, name)]
    if not lists or not norms:
        raise RecipeError(backbone.name, "its layers and final norm are not where others have them", "Think in tokens")
    return lists[0], norms[0]


def _early(backbone: Backbone) -> int:
    """After how many of the first layers pictures are put in again (Qwen3-VL's deepstack)."""
    return len(getattr(getattr(backbone.model.config, "vision_config", None), "deepstack_visual_indexes", ()))


def _alike(backbone: Backbone, layers: Sequence[nn.Module]) -> None:
    """Layers that see through different masks cannot share one. Raises RecipeError."""
    kinds = {str(getattr(layer, "attention_type", "")) for layer in layers}
    if len(kinds) > 1:
        raise RecipeError(backbone.name, f"from the block on its layers attend by {sorted(kinds)}", "Think in tokens")
