"""The networks of vec2vec, several seeds of them side by side in one batched model.

Every parameter has a leading axis of seeds; a layer is one batched matrix product, so that ten seeds cost little more
than one where one does not fill the machine. No seed ever sees another.

    source ─ A ─┐           ┌─ B ─ source
                ├─ latent ──┤               each a residual MLP; the critics have no residual
    target ─ A ─┘           └─ B ─ target

Imports torch: import this module where it is used. Letters: s seeds, n rows, d width, h hidden width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__all__ = ["SIDES", "Mlp", "Nets", "unit"]

SIDES = ("source", "target")
_SMALL = 0.01  # of the scale of a residual network's last layer


@dataclass(frozen=True, eq=False)
class Mlp:
    """`depth` linear layers, layer norm and SiLU between; if `residual`, the input is added, cut or filled with zeros.

    Attributes:
        weights: each (s, in, out).
        biases: each (s, 1, out).
        residual: whether the input is added to the output.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    residual: bool

    @classmethod
    def of(cls, widths: list[int], draws: list[torch.Generator], *, residual: bool, device: str) -> "Mlp":
        """Drawn at Kaiming's scale, one generator a seed; the last layer of a residual one small: near the identity."""
        weights, biases = list[Tensor](), list[Tensor]()
        for wide, narrow in pairwise(widths):
            drawn = torch.stack([torch.randn(wide, narrow, generator=g) for g in draws]) / wide**0.5
            if residual and len(weights) == len(widths) - 2:
                drawn *= _SMALL
            weights.append(drawn.to(device).requires_grad_())
            biases.append(torch.zeros(len(draws), 1, narrow, device=device, requires_grad=True))
        return cls(weights, biases, residual)

    def __call__(self, rows: Tensor) -> Tensor:
        """(s, n, in) → (s, n, out)."""
        x = rows
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i + 1 < len(self.weights):
                x = F.silu(F.layer_norm(x, x.shape[-1:]))
        if self.residual:
            more = x.shape[-1] - rows.shape[-1]
            x = x + (F.pad(rows, (0, more)) if more >= 0 else rows[..., : x.shape[-1]])
        return x

    def parameters(self) -> Iterator[Tensor]:
        """All of them, in a fixed order."""
        yield from self.weights
        yield from self.biases


@dataclass(frozen=True, eq=False)
class Nets:
    """Two adapters in, one backbone, two adapters out; and three critics.

    Attributes:
        into, out: adapters by side.
        middle: the backbone that both sides share.
        critics: by what they look at: "source", "target", "latent".
    """

    into: dict[str, Mlp]
    out: dict[str, Mlp]
    middle: Mlp
    critics: dict[str, Mlp]

    @classmethod
    def of(
        cls, dims: tuple[int, int], hidden: int, depth: int, critic: tuple[int, int], seeds: list[int], device: str
    ) -> "Nets":
        """Drawn afresh for each seed.

        Args:
            dims: widths of source and target.
            hidden: width of latents and hidden layers.
            depth: linear layers of each adapter and of the backbone.
            critic: hidden width and linear layers of each critic.
            seeds: one for each model.
            device: where to.
        """
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        wide = dict(zip(SIDES, dims, strict=True))
        inner = [hidden] * (depth - 1)

        def mlp(a: int, b: int) -> Mlp:
            return Mlp.of([a, *inner, b], draws, residual=True, device=device)

        def judge(width: int) -> Mlp:
            widths = [width, *[critic[0]] * (critic[1] - 1), 1]
            return Mlp.of(widths, draws, residual=False, device=device)

        return cls(
            {side: mlp(wide[side], hidden) for side in SIDES},
            {side: mlp(hidden, wide[side]) for side in SIDES},
            mlp(hidden, hidden),
            {name: judge(width) for name, width in {**wide, "latent": hidden}.items()},
        )

    def latent(self, rows: Tensor, side: str) -> Tensor:
        """(s, n, d) of a side → (s, n, h)."""
        return self.middle(self.into[side](rows))

    def leave(self, latent: Tensor, side: str) -> Tensor:
        """(s, n, h) → (s, n, d) of a side, unit length."""
        return unit(self.out[side](latent))

    def generators(self) -> list[Tensor]:
        """Parameters of all but the critics."""
        return [p for m in (*self.into.values(), *self.out.values(), self.middle) for p in m.parameters()]

    def judges(self) -> list[Tensor]:
        """Parameters of the critics."""
        return [p for m in self.critics.values() for p in m.parameters()]


def unit(rows: Tensor) -> Tensor:
    """Rows at length 1."""
    return F.normalize(rows, dim=-1)
