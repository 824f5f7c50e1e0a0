"""Adapters: small trained networks between a state and what is fed back.

All start as the identity (their last layer is zero), so an untrained adapter changes nothing.

Knows nothing of backbones. Imports torch. Letters: b sequences, w model width, m experts, h inner width.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = ["Adapter", "Mlp", "Routed"]


@runtime_checkable
class Adapter(Protocol):
    """A state (b, w) and the number of its step → the state moved (b, w), and how it was routed (b, m) or None."""

    def __call__(self, state: Tensor, step: int, anchor: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Move.

        Args:
            state: (b, w).
            step: counts from 0.
            anchor: (b, w), the state of a token of the prompt; None = there is none.
        """


class Mlp(nn.Module):
    """state + W2 gelu(W1 LN(state))."""

    def __init__(self, width: int, inner: int | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, inner or 2 * width)
        self.last = nn.Linear(inner or 2 * width, width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, state: Tensor, step: int, anchor: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Move (b, w); step and anchor change nothing."""
        given = state.to(self.first.weight.dtype)
        moved: Tensor = self.last(nn.functional.gelu(self.first(self.norm(given))))
        return state + moved.to(state.dtype), None


class Routed(nn.Module):
    """A mixture of experts that is told the step and an anchor in the prompt: PLUME's latent transition.

    chances = softmax(R [state + anchor ; step]);
    out = state + E_0(LN state) + sum over the top k of chances_i E_i(LN state), not renormalised.
    All experts are computed, in one batched product: no branch depends on the data, and at these
    widths that costs less than picking rows.

    Args:
        width: of the model.
        experts: m, routed ones, besides the shared one.
        top: how many of them count.
        inner: h, width inside an expert; None = twice the model's.
        steps: different steps it can tell apart; later ones count as the last.
        dropout: inside the experts, in training.

    Reference: He et al., PLUME, arXiv:2604.02073, section 3.
    """

    def __init__(
        self,
        width: int,
        *,
        experts: int = 4,
        top: int = 2,
        inner: int | None = None,
        steps: int = 32,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 1 <= top <= experts:
            raise ValueError(f"top {top} of {experts} experts\nUse 1 <= top <= experts")
        h = inner or 2 * width
        self.top, self.dropout = top, dropout
        self.norm = nn.LayerNorm(width)
        self.step = nn.Embedding(steps, width)
        self.router = nn.Linear(2 * width, experts)
        self.first = nn.Parameter(torch.empty(1 + experts, width, h))
        self.first_bias = nn.Parameter(torch.zeros(1 + experts, 1, h))
        self.last = nn.Parameter(torch.zeros(1 + experts, h, width))
        self.last_bias = nn.Parameter(torch.zeros(1 + experts, 1, width))
        nn.init.normal_(self.first, std=width**-0.5)
        nn.init.normal_(self.step.weight, std=0.02)

    def forward(self, state: Tensor, step: int, anchor: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Move (b, w); gives the router's chances (b, m) too, each row summing to 1."""
        given = state.to(self.first.dtype)
        near = given if anchor is None else given + anchor.to(given.dtype)
        number = self.step.weight[min(step, self.step.num_embeddings - 1)].expand_as(near)
        chances = self.router(torch.cat([near, number], -1)).float().softmax(-1)
        kept = torch.zeros_like(chances).scatter(-1, chances.topk(self.top, dim=-1).indices, 1.0) * chances
        weights = torch.cat([torch.ones_like(kept[:, :1]), kept], -1).T.unsqueeze(-1)
        inner = nn.functional.gelu(torch.matmul(self.norm(given), self.first) + self.first_bias)
        inner = nn.functional.dropout(inner, self.dropout, self.training)
        moved = (weights.to(inner.dtype) * (torch.matmul(inner, self.last) + self.last_bias)).sum(0)
        return state + moved.to(state.dtype), chances
