"""A Thought: the vectors that came out, and everything needed to look into how they came about.

Knows nothing of how the steps were chosen. Imports torch.
Letters: b sequences, s steps, w model width, v vocabulary, l layers, m experts.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from samespace.reason.backbone import Backbone
from samespace.reason.batch import Batch

__all__ = ["Ablation", "Coe", "Replay", "Rereading", "Thought"]

Ablation = Literal["zero", "shuffle", "noise", "pause"]
"""What stands where the latents stood: zeros · those of the row before · random ones of equal lengths · the first token
of the tail, over and over. All keep the positions, so only the content is taken away. Where a Reasoner thinks in depth
it is what is carried from round to round that is replaced, by "pause" with the block's own input."""


@dataclass(frozen=True, eq=False)
class Coe:
    """Chain-of-Embedding: how far and how straight a state moved, each (b).

    Over layers at the token that is read, and over steps. With M_i = ||h_{i+1} - h_i|| / ||h_n - h_0|| and A_i the
    angle between h_{i+1} and h_i over that between h_n and h_0:  R = mean M - mean A,  C = |mean of M e^{iA}|.
    Rows without movement, and batches without steps, have nan.

    Reference: Wang et al., arXiv:2410.13640, eq. 4-8. There the states are means over the output's tokens.
    """

    layers_r: Tensor
    layers_c: Tensor
    steps_r: Tensor
    steps_c: Tensor


class Rereading(Protocol):
    """A batch that can be read again."""

    def ablated(self, thought: "Thought", how: Ablation, seed: int) -> "Thought":
        """With something else where the thinking stood. Raises ValueError where nothing stood."""

    def layers(self, thought: "Thought") -> Tensor:
        """States of all layers (b, l+1, w) at the token that is read, embeddings first."""


@dataclass(frozen=True, eq=False)
class Replay:
    """A Rereading in tokens: with other latents.

    Attributes:
        flat: as in `Backbone.read`.
    """

    backbone: Backbone
    batch: Batch
    tail: int
    flat: bool

    def read(self, latents: Tensor, used: Tensor, *, layers: bool = False) -> tuple[Tensor, Tensor]:
        """Read the prompt, given latents (b, s, w) in one pass, then the tail.

        Args:
            latents: as embeddings.
            used: (b), how many of them each row has.
            layers: give every layer.

        Returns:
            States after the prompt and after each latent (b, s+1, w); states at the tail (b, n, w), or of all layers
            at its last token (b, l+1, w).
        """
        prompt, tail = self.batch.split(self.tail)
        walk = self.backbone.read(prompt, flat=self.flat)
        walk.room(latents.shape[1] + self.tail)
        s = latents.shape[1]
        alive = torch.arange(s, device=used.device) < used.unsqueeze(1)
        live = torch.cat([alive, alive.new_ones(len(used), self.tail)], 1)
        embeds = torch.cat([latents, self.backbone.embed(tail).to(latents.dtype)], 1)
        made = walk.step(embeds, live, layers=layers)
        last = made[:, -1] if layers else made
        states = torch.cat([walk.hidden[:, -1:], last[:, :s]], 1)
        return states, made[:, :, -1] if layers else made[:, s:]

    def ablated(self, thought: "Thought", how: Ablation, seed: int) -> "Thought":
        """With other latents. Raises ValueError: there are none, or "shuffle" has no other row."""
        if not thought.latents.shape[1]:
            raise ValueError("there are no latents to replace\nThink with steps >= 1")
        latents = self._instead(thought.latents.detach(), how, seed)
        states, ending = self.read(latents, thought.used)
        return replace(thought, embedding=ending[:, -1], latents=latents, states=states, routing=None, ending=ending)

    def layers(self, thought: "Thought") -> Tensor:
        """Read once more, all layers (b, l+1, w)."""
        return self.read(thought.latents, thought.used, layers=True)[1]

    def _instead(self, latents: Tensor, how: Ablation, seed: int) -> Tensor:
        if how == "zero":
            return torch.zeros_like(latents)
        if how == "shuffle":
            if len(latents) < 2:
                raise ValueError("one row alone cannot be shuffled\nGive at least two")
            return latents.roll(1, 0)
        if how == "noise":
            made = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
            made = torch.nn.functional.normalize(made.to(latents.device), dim=-1)
            return torch.as_tensor((made * latents.float().norm(dim=-1, keepdim=True)).to(latents.dtype))
        tail = self.backbone.embed(self.batch.split(self.tail)[1])
        return tail[:, :1].expand_as(latents).to(latents.dtype)


@dataclass(frozen=True, eq=False)
class Thought:
    """What a Reasoner gives for b rows.

    Attributes:
        embedding: (b, w), the state of the last token; its length means nothing.
        latents: (b, s, w), what was fed back; () steps where there were none.
        states: (b, s+1, w), the state before the first step and after each. A row that stopped keeps its last one.
        used: (b), steps that each row took.
        replay: how to read it again.
        routing: (b, s, m), the router's chances; None without a router.
        ending: (b, n, w), states at the tokens of the tail, the last of them the embedding; None where a Reasoner does
            not think in tokens.
        anchor: (b, w), the state at the prompt's anchor token, before any step; None where none was asked for.
    """

    embedding: Tensor
    latents: Tensor
    states: Tensor
    used: Tensor
    backbone: Backbone
    replay: Rereading
    routing: Tensor | None = None
    ending: Tensor | None = None
    anchor: Tensor | None = None

    def logits(self, k: int) -> Tensor:
        """What the model would say after k steps: float32 logits (b, v). Raises IndexError beyond the steps taken."""
        if not 0 <= k < self.states.shape[1]:
            raise IndexError(f"step {k} of {self.states.shape[1] - 1}\nCount from 0, the state before the first step")
        return self.backbone.logits(self.states[:, k])

    @torch.no_grad()
    def ablate(self, how: Ablation, *, seed: int = 0) -> "Thought":
        """The same with its latents replaced: what the vectors would be if the content of the steps did not matter.

        Args:
            how: see Ablation.
            seed: of "noise".

        Raises:
            ValueError: there are no latents, or "shuffle" has no other row.
        """
        if how not in get_args(Ablation):
            raise ValueError(f"no ablation {how!r}\nUse 'zero', 'shuffle', 'noise' or 'pause'")
        return self.replay.ablated(self, how, seed)

    @torch.no_grad()
    def coe(self) -> Coe:
        """Chain-of-Embedding scores. Reads the batch once more, for the states of all layers."""
        layers = self.replay.layers(self)
        return Coe(*_coe(layers.float()), *_coe(self.states.float()))


def _coe(chain: Tensor) -> tuple[Tensor, Tensor]:
    """R and C (b) of a chain (b, n, w) of states."""
    if chain.shape[1] < 2:
        none = torch.full((len(chain),), torch.nan, device=chain.device)
        return none, none
    moves = (chain[:, 1:] - chain[:, :-1]).norm(dim=-1) / (chain[:, -1:] - chain[:, :1]).norm(dim=-1)
    turns = _angle(chain[:, 1:], chain[:, :-1]) / _angle(chain[:, -1:], chain[:, :1])
    c = torch.sqrt((moves * turns.cos()).mean(1) ** 2 + (moves * turns.sin()).mean(1) ** 2)
    return moves.mean(1) - turns.mean(1), c


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """In radians, 0 to pi."""
    return torch.as_tensor(torch.nn.functional.cosine_similarity(a, b, dim=-1)).clamp(-1.0, 1.0).arccos()
