"""Three switches for thinking longer than was trained: tell each step, snap it to a token, corrupt it on the way.

    switches = Switches(told=True, snapped=True, corrupted=0.3)
    reasoner = Latent(width, feedback=switches.feedback, adapter=switches.adapter())
    loss = retrieval + switches.loss(thought, targets)

A chain of steps drifts: each starts from what the one before left, a little beside where it should be, and behind the
trained length nothing has learned to bring that back. A step that is snapped starts from a token's own embedding; one
that was corrupted in training has learned to start from beside it; both only hold a state that means one thing, which
is what telling each step brings about.

Knows nothing of tasks. Imports torch. Letters: b rows, n targets, w model width, v vocabulary, m experts.
Reference: the three of four mechanisms of arXiv:2510.14095 that do not change the architecture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from samespace.reason.adapter import Adapter
from samespace.reason.protocol import Feedback
from samespace.reason.thought import Thought
from samespace.train.reason_losses import step_ce

__all__ = ["Corrupted", "Switches"]


@dataclass(frozen=True)
class Switches:
    """Which of the three are on.

    Attributes:
        told: each step is told what it should say (`reason_losses.step_ce`).
        snapped: a step reads the embedding of the likeliest token, in training and after it.
        corrupted: share of the steps of a batch that noise is put into, in training alone; 0 = none.
        noise: its length, in lengths of the state it is put into.
    """

    told: bool = True
    snapped: bool = False
    corrupted: float = 0.0
    noise: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.corrupted <= 1 or self.noise < 0:
            raise ValueError(
                f"corrupted {self.corrupted}, noise {self.noise}\nUse a share from 0 to 1, and a length >= 0"
            )

    @property
    def feedback(self) -> Feedback:
        """What a step feeds back."""
        return "snap" if self.snapped else "scale"

    def adapter(self, inner: Adapter | None = None) -> Adapter | None:
        """What stands between state and feedback: `inner`, and behind it the noise if there is to be any."""
        return Corrupted(self.corrupted, self.noise, inner) if self.corrupted else inner

    def loss(self, thought: Thought, targets: Tensor) -> Tensor:
        """What the steps are told, a scalar in nats; 0 where they are told nothing.

        Args:
            thought: of b rows.
            targets: (b, n) token ids or (b, n, v) probabilities, as `step_ce` takes them.
        """
        return step_ce(thought, targets) if self.told else thought.embedding.new_zeros(())


class Corrupted(nn.Module):
    """An Adapter that puts noise into some states, while it is trained; afterwards it is its inner one.

    out = inner(state) + [drawn < share] * noise * ||inner(state)|| * u, with u a random direction, drawn for each row
    and step anew from torch's own generator, as dropout does.

    Args:
        share: of rows and steps.
        noise: length, in lengths of the state.
        inner: another Adapter; None = the identity.
    """

    def __init__(self, share: float, noise: float = 0.5, inner: Adapter | None = None) -> None:
        super().__init__()
        self.share, self.noise, self.inner = share, noise, inner

    def forward(self, state: Tensor, step: int, anchor: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Move (b, w); the routing (b, m) is the inner one's."""
        moved, chances = (state, None) if self.inner is None else self.inner(state, step, anchor)
        if not self.training:
            return moved, chances
        drawn = torch.rand(len(moved), 1, device=moved.device) < self.share
        away = nn.functional.normalize(torch.randn_like(moved), dim=-1) * moved.norm(dim=-1, keepdim=True)
        return moved + drawn * self.noise * away.detach(), chances
