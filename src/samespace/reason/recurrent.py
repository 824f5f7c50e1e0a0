"""Recurrent: depth instead of length. A block of the model's layers is run over and over before the rest is.

The block stays the model's own: for the time of one call, its first layer is replaced by a loop over the block and the
others by nothing, so that masks, positions and everything else come from the model as usual. One round is the unchanged
model.

Knows nothing of Items or Spaces. Imports torch. Letters: b sequences, t tokens, s rounds, w model width.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samespace.reason.backbone import Backbone
from samespace.reason.batch import Batch
from samespace.reason.loop import Plan, looped
from samespace.reason.protocol import Inputs, Until
from samespace.reason.thought import Ablation, Thought

__all__ = ["Recurrent", "Rounds"]


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
        plan = self.plan(max(self.steps if steps is None else steps, 1), until=until)
        return Rounds(self, backbone, Batch.of(inputs)).think(plan)

    def plan(self, rounds: int, **how: Any) -> Plan:
        """How this reasoner loops."""
        kept = self.kept if self.training else None
        return Plan(self.block, rounds, self.adapter, self.tolerance, kept, **how)


@dataclass(frozen=True, eq=False)
class Rounds:
    """A batch that can be read again, with something else carried from round to round."""

    owner: Recurrent
    backbone: Backbone
    batch: Batch

    def think(self, plan: Plan) -> Thought:
        """Read by a Plan."""
        with looped(self.backbone, plan) as loop:
            embedding = self.backbone.whole(self.batch)[:, -1]
        none = embedding.new_zeros(len(embedding), 0, embedding.shape[-1])
        return Thought(embedding, none, torch.stack(loop.seen, 1), loop.used, self.backbone, self)

    def ablated(self, thought: Thought, how: Ablation, seed: int) -> Thought:
        """See thought.Replay: here of what is carried between rounds. Raises ValueError where that is nothing."""
        rounds = int(thought.used.max())
        if rounds < 2:
            raise ValueError("one round carries nothing that could be replaced\nThink with steps >= 2")
        if how == "shuffle" and len(thought.used) < 2:
            raise ValueError("one row alone cannot be shuffled\nGive at least two")
        drawn = torch.Generator().manual_seed(seed)
        plan = self.owner.plan(rounds, used=thought.used, carried=lambda state, given: _else(how, state, given, drawn))
        return self.think(plan)

    def layers(self, thought: Thought) -> Tensor:
        """See thought.Replay: the layers of each round one after the other, a row that stopped standing still."""
        trace: list[Tensor] = []
        plan = self.owner.plan(int(thought.used.max()), used=thought.used, trace=trace)
        with looped(self.backbone, plan):
            self.backbone.whole(self.batch)
        return torch.stack(trace, 1)


def _else(how: Ablation, state: Tensor, given: Tensor, drawn: torch.Generator) -> Tensor:
    """What is carried in the place of a state (b, t, w)."""
    if how == "zero":
        return torch.zeros_like(state)
    if how == "shuffle":
        return state.roll(1, 0)
    if how == "pause":
        return given
    made = nn.functional.normalize(torch.randn(state.shape, generator=drawn).to(state.device), dim=-1)
    return torch.as_tensor((made * state.float().norm(dim=-1, keepdim=True)).to(state.dtype))
