"""Latent: K steps in which a model reads its own last state as the next token, on the KV cache of the prompt.

Rows of a batch may stop at different steps. A row that has stopped is masked from then on and its positions stand
still, so its vector is the same as if it had been alone.

Knows nothing of Items or Spaces. Imports torch. Letters: b sequences, s steps, w model width, m experts.
"""

import torch
from torch import Tensor, nn

from samespace.errors import RecipeError
from samespace.reason.adapter import Adapter
from samespace.reason.backbone import Backbone, Walk
from samespace.reason.batch import Batch
from samespace.reason.feedback import FEEDBACK
from samespace.reason.halting import moved
from samespace.reason.protocol import Feedback, Inputs, Until
from samespace.reason.thought import Replay, Thought

__all__ = ["Latent"]


class Latent(nn.Module):
    """A Reasoner in the latent space. Trained parts: the adapter, and the tokens of "parallel".

    Args:
        width: w of the model.
        steps: how many, if a call does not say.
        feedback: see protocol.Feedback.
        adapter: between state and feedback; None = none.
        tail: tokens read after the steps; the vector is read at the last of them.
        terminal: id that every row must end with; None = any.
        anchor: id of the prompt's token whose state the adapter is told; None = none.
        tolerance: of until="kl", in nats.
        flat: count a picture's tokens one position each after the prompt, as some training code does.
        seed: of the tokens of "parallel".
    """

    def __init__(
        self,
        width: int,
        *,
        steps: int = 8,
        feedback: Feedback = "scale",
        adapter: Adapter | None = None,
        tail: int = 1,
        terminal: int | None = None,
        anchor: int | None = None,
        tolerance: float = 5e-4,
        flat: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if steps < 0 or tail < 1:
            raise ValueError(f"steps {steps}, tail {tail}\nUse steps >= 0 and tail >= 1: the vector is read at a token")
        if feedback not in (*FEEDBACK, "parallel"):
            raise ValueError(f"no feedback {feedback!r}\nUse {', '.join(FEEDBACK)} or parallel")
        self.steps, self.feedback, self.adapter = steps, feedback, adapter
        self.tail, self.terminal, self.anchor = tail, terminal, anchor
        self.tolerance, self.flat = tolerance, flat
        self.tokens: nn.Parameter | None = None
        if feedback == "parallel":
            made = torch.randn(steps, width, generator=torch.Generator().manual_seed(seed))
            self.tokens = nn.Parameter(nn.functional.normalize(made, dim=-1))

    def forward(
        self, backbone: Backbone, inputs: Inputs, *, steps: int | None = None, until: Until | None = None
    ) -> Thought:
        """Think; see protocol.Reasoner."""
        steps = self.steps if steps is None else steps
        if steps < 0:
            raise ValueError(f"{steps} steps\nUse 0 or more")
        batch = Batch.of(inputs)
        self.check(batch)
        if steps == 0:
            return self._plain(backbone, batch)
        thought = self._think(backbone, batch, steps, until)
        if not torch.is_grad_enabled():
            _finite(backbone, thought.embedding, steps)
        return thought

    def check(self, batch: Batch) -> None:
        """See that every row ends with the terminal token. Raises ValueError naming the first that does not."""
        ids = batch.tokens.get("input_ids")
        if self.terminal is None or ids is None:
            return
        wrong = (ids[:, -1] != self.terminal).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"row {row} of the batch ends with token {int(ids[row, -1])}, not with the terminal {self.terminal}\n"
                "Let the template end with the terminal token, and cut the text before it, not the sequence"
            )

    def _plain(self, backbone: Backbone, batch: Batch) -> Thought:
        prompt, _ = batch.split(self.tail)
        hidden = backbone.whole(batch)
        anchor = self.anchored(prompt, hidden, needed=False)
        none = hidden.new_zeros(len(hidden), 0, hidden.shape[-1])
        used = torch.zeros(len(hidden), dtype=torch.long, device=hidden.device)
        replay = Replay(backbone, batch, self.tail, self.flat)
        before = hidden[:, -1 - self.tail, None]
        ending = hidden[:, -self.tail :]
        return Thought(hidden[:, -1], none, before, used, backbone, replay, ending=ending, anchor=anchor)

    def _think(self, backbone: Backbone, batch: Batch, steps: int, until: Until | None) -> Thought:
        replay = Replay(backbone, batch, self.tail, self.flat)
        if self.tokens is not None:
            return self._parallel(replay, self.tokens, steps, until)
        prompt, tail = batch.split(self.tail)
        walk = backbone.read(prompt, flat=self.flat)
        walk.room(steps + self.tail)
        anchor = self.anchored(prompt, walk.hidden)
        latents, states, used, routing = self._roll(walk, anchor, steps, until)
        ending = walk.step(backbone.embed(tail))
        return Thought(ending[:, -1], latents, states, used, backbone, replay, routing, ending, anchor)

    def _parallel(self, replay: Replay, tokens: Tensor, steps: int, until: Until | None) -> Thought:
        """All learned tokens and the tail in one pass."""
        if until is not None or steps > len(tokens):
            raise ValueError(
                f"{steps} parallel steps of {len(tokens)} learned tokens, until {until!r}\n"
                f"Use steps <= {len(tokens)} and no until: they are all read at once"
            )
        table = replay.backbone.table
        fed = (tokens[:steps] * replay.backbone.embedding_norm().to(tokens)).to(table.dtype)
        latents = fed.expand(len(replay.batch.mask), -1, -1)
        used = torch.full((len(latents),), steps, device=table.device)
        states, ending = replay.read(latents, used)
        return Thought(ending[:, -1], latents, states, used, replay.backbone, replay, ending=ending)

    def anchored(self, prompt: Batch, hidden: Tensor, *, needed: bool = True) -> Tensor | None:
        """State (b, w) of the last anchor token of each prompt, None if none is asked for.

        Raises ValueError: a row has none; None is given instead where it is not `needed`.
        """
        ids = prompt.tokens.get("input_ids")
        if self.anchor is None or (ids is None and not needed):
            return None
        if ids is None:
            raise ValueError("anchors are found by their ids\nGive input_ids, or a Latent without an anchor")
        found = (ids == self.anchor) & prompt.mask.bool()
        if not bool(found.any(dim=1).all()):
            if not needed:
                return None
            row = int((~found.any(dim=1)).nonzero()[0])
            raise ValueError(f"row {row} of the batch has no anchor token {self.anchor}\nPut it into the template")
        at = found.shape[1] - 1 - found.int().flip(1).argmax(1)
        return hidden[torch.arange(len(at), device=at.device), at]

    def _roll(
        self, walk: Walk, anchor: Tensor | None, steps: int, until: Until | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Latents (b, s, w), states (b, s+1, w), steps used (b) and routing (b, s, m)."""
        feed, state = FEEDBACK[self.feedback], walk.hidden[:, -1]
        live = torch.ones(len(state), 1, dtype=torch.bool, device=state.device)
        used = torch.zeros(len(state), dtype=torch.long, device=state.device)
        latents, states, routing = [], [state], []
        for k in range(steps):
            toward, chances = (state, None) if self.adapter is None else self.adapter(state, k, anchor)
            latents.append(feed(walk.backbone, toward))
            made = walk.step(latents[-1].unsqueeze(1), live)[:, -1]
            state = torch.where(live, made, state)
            states.append(state)
            used = used + live[:, 0]
            if chances is not None:
                routing.append(chances)
            if until == "kl":
                live = live & (moved(walk.backbone, states[-2], state) >= self.tolerance).unsqueeze(1)
                if not bool(live.any()):
                    break
        return torch.stack(latents, 1), torch.stack(states, 1), used, torch.stack(routing, 1) if routing else None


def _finite(backbone: Backbone, embedding: Tensor, steps: int) -> None:
    good = embedding.isfinite().all(dim=-1)
    if not bool(good.all()):
        kind = str(embedding.dtype).removeprefix("torch.")
        raise RecipeError(
            backbone.name,
            f"{int((~good).sum())} of {len(good)} vectors are not finite after {steps} steps in {kind}",
            'Use precision="bfloat16" or "float32", or feedback="scale", which keeps latents as long as embeddings',
        )
