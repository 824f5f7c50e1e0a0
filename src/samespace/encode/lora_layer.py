"""A linear with an adapter as one step, forwards and backwards: peft's layer, without its casts and copies.

    y = W x + s · B A x

peft brings the input to the adapter's float32 and the sum back, a copy of all rows each; here the adapter, r rows, is
brought to the input's precision, and what it gives is added in place. A and B get float32 gradients.

Imports torch and peft. Letters: n rows, r rank.
"""

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Direct", "direct"]

_NAME = "default"  # peft's, of the adapter


class Direct(Linear):
    """peft's linear of one adapter; where it is asked for anything else (merged, switched off), peft's own way."""

    def forward(self, x: Tensor, *args: Any, **settings: Any) -> Tensor:
        """(…, in) → (…, out), in x's precision."""
        plain = self.disable_adapters or self.merged or self.active_adapters != [_NAME] or bool(args or settings)
        if plain or not isinstance(self.lora_dropout[_NAME], nn.Identity):
            made: Tensor = super().forward(x, *args, **settings)
            return made
        base, scale = self.base_layer, self.scaling[_NAME]
        down, up = self.lora_A[_NAME].weight, self.lora_B[_NAME].weight
        return torch.as_tensor(_Sum.apply(x, base.weight, base.bias, down, up, scale))  # type: ignore[no-untyped-call]


def direct(model: nn.Module) -> None:
    """Let every adapted linear of a model go this way, in place."""
    for part in model.modules():
        if type(part) is Linear and _NAME in part.lora_A and _NAME not in part.lora_variant:
            part.__class__ = Direct


class _Sum(torch.autograd.Function):
    """y (…, out) of x (…, in), W (out, in), b (out) or None, A (r, in), B (out, r) and s; W and b take no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        down, up = a.to(x.dtype), (scale * b).to(x.dtype)
        low = rows @ down.T
        made = functional.linear(rows, weight, bias).addmm_(low, up.T)
        ctx.save_for_backward(rows, weight, down, up, low)
        ctx.scale, ctx.kinds = scale, (a.dtype, b.dtype)
        return made.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, down, up, low = ctx.saved_tensors
        slope = slopes[0].reshape(-1, slopes[0].shape[-1])
        lower = slope @ up
        back = (slope @ weight).addmm_(lower, down) if ctx.needs_input_grad[0] else None
        of_a = (lower.T @ rows).to(ctx.kinds[0])
        of_b = ctx.scale * (slope.T @ low).to(ctx.kinds[1])
        return None if back is None else back.view(*slopes[0].shape[:-1], -1), None, None, of_a, of_b, None
