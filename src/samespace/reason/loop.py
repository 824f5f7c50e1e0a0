"""The loop that stands in a block's place while a Recurrent reasoner thinks, and how it is put there and taken away.

Knows nothing of what is read out. Imports torch. Letters: b sequences, t tokens, w model width, s rounds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samespace.errors import RecipeError
from samespace.reason.backbone import Backbone
from samespace.reason.halting import moved
from samespace.reason.protocol import Until

__all__ = ["Loop", "Plan", "looped"]

_NORMS = ("norm", "ln_f", "final_layernorm", "final_layer_norm")


@dataclass(frozen=True, eq=False)
class Plan:
    """How a block is looped.

    Attributes:
        block: first layer, and the first behind it.
        rounds: s, at most.
        adapter: mixes the block's input in again; None = it is not.
        tolerance: of until, in nats.
        kept: gradients flow through the last so many rounds; None = through all.
        until: "kl" = rows stop by themselves.
        used: (b), rounds of each row, where that is settled already.
        carried: what is carried on in the place of a state (b, t, w), given that and the block's input.
        trace: gets the last token's state (b, w) after each layer, embeddings first; then no round is read out.
    """

    block: tuple[int, int]
    rounds: int
    adapter: nn.Linear | None
    tolerance: float
    kept: int | None = None
    until: Until | None = None
    used: Tensor | None = None
    carried: Callable[[Tensor, Tensor], Tensor] | None = None
    trace: list[Tensor] | None = None


@contextmanager
def looped(backbone: Backbone, plan: Plan) -> Iterator["Loop"]:
    """The backbone with a loop in the block's place. Restores its layers whatever happens.

    Raises RecipeError: the block is not there, or cannot be looped.
    """
    layers, norm = _layers(backbone)
    first, behind = plan.block
    if behind > len(layers):
        mend = f"Use a block within 0 and {len(layers)}"
        raise RecipeError(backbone.name, f"it has {len(layers)} layers, the block ends at {behind}", mend)
    if first < (early := _early(backbone)):
        fact = f"pictures are put in again after each of its first {early} layers, the block starts at {first}"
        raise RecipeError(backbone.name, fact, f"Let the block start at {early} or later")
    own = list(layers)
    _alike(backbone, own[first:])
    loop = Loop(plan, backbone, own[first:behind], own[behind:], norm)
    hooks = [] if plan.trace is None else _watched(plan.trace, own[:first], own[behind:], norm)
    try:
        for i in range(first, behind):
            layers[i] = loop if i == first else _Skipped()
        yield loop
    finally:
        for i in range(first, behind):
            layers[i] = own[i]
        for hook in hooks:
            hook.remove()


class Loop(nn.Module):
    """Stands in the place of a block's first layer, for one call.

    Attributes:
        seen: states (b, w) of the last token as they would be read after each round.
        used: (b), rounds of each row.
    """

    def __init__(
        self, plan: Plan, backbone: Backbone, block: Sequence[nn.Module], rest: Sequence[nn.Module], norm: nn.Module
    ) -> None:
        super().__init__()
        # in a tuple: these belong to others, and must not become children
        self._own = (plan, backbone, tuple(block), tuple(rest), norm)
        self.seen: list[Tensor] = []
        self.used = torch.zeros(0, dtype=torch.long)
        self.attention_type = getattr(block[0], "attention_type", None)

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Run the block's rounds over (b, t, w)."""
        plan = self._own[0]
        given = hidden
        live = torch.ones(len(hidden), dtype=torch.bool, device=hidden.device)
        self.used = torch.zeros(len(hidden), dtype=torch.long, device=hidden.device)
        if plan.trace == []:
            plan.trace.append(given[:, -1])
        for number in range(plan.rounds):
            if plan.kept is not None and number < plan.rounds - plan.kept:
                hidden = hidden.detach()
            carried = plan.carried(hidden, given) if plan.carried and number else hidden
            mixed = carried if plan.adapter is None else _mixed(plan.adapter, carried, given)
            hidden = torch.where(live[:, None, None], self._round(mixed, live, *args, **kwargs), hidden)
            self.used = self.used + live
            live = self._further(hidden, live, number, *args, **kwargs)
            if not bool(live.any()):
                break
        return hidden

    def _round(self, hidden: Tensor, live: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The block once."""
        plan, _, block, _, _ = self._own
        for layer in block:
            hidden = _through([layer], hidden, *args, **kwargs)
            if plan.trace is not None:
                plan.trace.append(torch.where(live[:, None], hidden[:, -1], plan.trace[-1]))
        return hidden

    def _further(self, hidden: Tensor, live: Tensor, number: int, *args: Any, **kwargs: Any) -> Tensor:
        """Which rows go on (b) behind a round."""
        plan, backbone, _, rest, norm = self._own
        if plan.trace is None:
            self.seen.append(norm(_through(rest, hidden, *args, **kwargs)[:, -1]))
        if plan.used is not None:
            return plan.used > number + 1
        if plan.until != "kl" or not number:
            return live
        return live & (moved(backbone, self.seen[-2], self.seen[-1]) >= plan.tolerance)


class _Skipped(nn.Module):
    """Stands in the place of the block's other layers."""

    attention_type: Any = None

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return hidden


def _watched(
    trace: list[Tensor], before: Sequence[nn.Module], behind: Sequence[nn.Module], norm: nn.Module
) -> list[Any]:
    """Hooks that put the last token's states into `trace`; the norm's takes the place of the last layer's."""

    def entered(module: nn.Module, args: Any) -> None:
        trace.append(args[0][:, -1])

    def left(module: nn.Module, args: Any, made: Tensor) -> None:
        trace.append(made[:, -1])

    def ended(module: nn.Module, args: Any, made: Tensor) -> None:
        trace[-1] = made[:, -1]

    hooks = [before[0].register_forward_pre_hook(entered)] if before else []
    hooks += [layer.register_forward_hook(left) for layer in (*before, *behind)]
    return [*hooks, norm.register_forward_hook(ended)]


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
