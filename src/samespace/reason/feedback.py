"""Feedback: what a latent step feeds back into the model, from the state before it.

A raw state is many times as long as any embedding the model has seen in its place, which is the main reason why latent
steps are hard to train; so the default brings it to the mean length of an embedding.

Norm guard: lengths are computed in float32, a coordinate that overflowed counts as the largest finite number, and
nothing longer than a sixteenth of the number format's range is fed back (4,094 in float16; no bound worth the name in
bfloat16 and float32).

Knows nothing of adapters. Imports torch. Letters: b sequences, w model width, v vocabulary.
"""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from samespace.reason.backbone import Backbone

__all__ = ["FEEDBACK"]

_SHARE = 16  # of the range of the number format that one vector's length may take


def _scale(backbone: Backbone, state: Tensor) -> Tensor:
    """At the mean length of an embedding: state * mean ||E|| / ||state||."""
    return torch.nn.functional.normalize(state, dim=-1, eps=1e-6) * backbone.embedding_norm().to(state)


def _raw(backbone: Backbone, state: Tensor) -> Tensor:
    """The state itself. Reference: Hao et al., Coconut, arXiv:2412.06769."""
    return state


def _soft(backbone: Backbone, state: Tensor) -> Tensor:
    """softmax(logits) E: a mixture of embeddings. Reference: LaSER, arXiv:2603.01425."""
    return backbone.logits(state).softmax(-1) @ backbone.table.float()


def _snap(backbone: Backbone, state: Tensor) -> Tensor:
    """The embedding of the likeliest token; its gradient is that of the mixture."""
    if not torch.is_grad_enabled():
        return backbone.table[backbone.logits(state).argmax(-1)].float()
    chances = backbone.logits(state).softmax(-1)
    mixed = chances @ backbone.table.float()
    return mixed + (backbone.table.float()[chances.argmax(-1)] - mixed).detach()


_KINDS: Final[Mapping[str, Callable[[Backbone, Tensor], Tensor]]] = {
    "scale": _scale,
    "raw": _raw,
    "soft": _soft,
    "snap": _snap,
}


def _guarded(kind: Callable[[Backbone, Tensor], Tensor]) -> Callable[[Backbone, Tensor], Tensor]:
    def feed(backbone: Backbone, state: Tensor) -> Tensor:
        most = torch.finfo(backbone.table.dtype).max
        made = kind(backbone, state.float().clamp(-most, most))
        length = made.norm(dim=-1, keepdim=True)
        bound = (most / _SHARE / length.clamp(min=1e-6)).clamp(max=1.0)
        return torch.as_tensor((made * bound).to(backbone.table.dtype))

    return feed


FEEDBACK: Final = {name: _guarded(kind) for name, kind in _KINDS.items()}
"""(backbone, state (b, w)) → what is fed back (b, w), in the number format of the embeddings; by kind."""
