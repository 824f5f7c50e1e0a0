"""Fast: the vectors of a Latent from static shapes, so that on a GPU a step is one captured graph.

    fast = Fast(Latent(width, steps=8), Backbone.of(model))
    fast(inputs)                            # (b, w), what Latent would give; fast from the second batch of a shape on

Eager steps cost what launching their kernels costs, some twenty times what a GPU needs for them. Here the prompt is
padded on the left to a whole number of blocks, the KV cache is one that does not grow, and a step reads and writes the
same places every time: captured once, replayed K times. The tail is one pass, the head is never computed unless the
feedback needs it. Without a GPU the same code runs step by step, and its numbers can be held to Latent's.

Knows nothing of Items or Spaces. Imports torch; transformers inside a function.
Letters: b sequences, t tokens, n tokens of the tail, w model width, s steps.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from samespace.reason.backbone import Backbone
from samespace.reason.batch import Batch
from samespace.reason.feedback import FEEDBACK
from samespace.reason.latent import Latent
from samespace.reason.protocol import Inputs

__all__ = ["Fast"]

_BLOCK = 16  # tokens; prompts are padded to a multiple


class Fast:
    """A Latent's vectors, for inference.

    Args:
        reasoner: with its feedback, adapter and tail; "parallel" is one pass already and is not taken.
        backbone: the model, on the device where it runs.
        steps: s; None = the reasoner's.
        feed: in the place of the reasoner's feedback, (backbone, state (b, w)) → what is fed back (b, w).

    Raises:
        ValueError: parallel feedback, or fewer than 1 step.
    """

    def __init__(
        self,
        reasoner: Latent,
        backbone: Backbone,
        *,
        steps: int | None = None,
        feed: Callable[[Backbone, Tensor], Tensor] | None = None,
    ) -> None:
        self.steps = reasoner.steps if steps is None else steps
        if reasoner.feedback == "parallel" or self.steps < 1:
            raise ValueError(f"{self.steps} steps of {reasoner.feedback!r}\nUse Latent: that is one pass already")
        self.reasoner, self.backbone = reasoner.eval(), backbone
        self.feed = feed or FEEDBACK[reasoner.feedback]
        self._lanes: dict[tuple[int, int], _Lane] = {}

    @torch.inference_mode()
    def __call__(self, inputs: Inputs) -> Tensor:
        """Vectors (b, w). Shapes that were seen before take no new memory. Raises as Latent does."""
        batch = Batch.of(inputs)
        self.reasoner.check(batch)
        prompt, tail = batch.split(self.reasoner.tail)
        prompt = _padded(prompt)
        shape = (len(prompt.mask), prompt.mask.shape[1])
        if shape not in self._lanes:
            self._lanes[shape] = _Lane(self, *shape)
        return self._lanes[shape].run(prompt, self.backbone.embed(tail))


class _Lane:
    """Everything of one shape: the cache, the places that a step reads and writes, and its graphs."""

    def __init__(self, fast: Fast, b: int, t: int) -> None:
        from transformers import StaticCache

        self._fast, self._start = fast, t
        table = fast.backbone.table
        self._longest = t + fast.steps + fast.reasoner.tail
        self._cache: Any = StaticCache(fast.backbone.model.config.get_text_config(), max_cache_len=self._longest)
        device = table.device
        self._grid = torch.arange(self._longest, device=device)
        self._seen = torch.ones(b, self._longest, dtype=torch.bool, device=device)
        self._at = torch.zeros((), dtype=torch.long, device=device)
        self._place = torch.zeros(b, 1, dtype=torch.long, device=device)
        self._state = torch.zeros(b, table.shape[1], dtype=table.dtype, device=device)
        self._anchor: Tensor | None = None
        self._tail = torch.zeros(b, fast.reasoner.tail, table.shape[1], dtype=table.dtype, device=device)
        self._out = torch.zeros_like(self._state)
        self._graphs: dict[object, Any] = {}

    def run(self, prompt: Batch, tail: Tensor) -> Tensor:
        """Vectors (b, w) of prompts (b, t) and the embeddings (b, n, w) of their tails."""
        fast = self._fast
        fast.backbone.embedding_norm()  # computed here, not within a graph
        self._read(prompt)
        self._tail.copy_(tail)
        if self._state.is_cuda and not self._graphs:
            self._capture(prompt)
        for k in range(fast.steps):
            self._go(self._key(k), partial(self._step, k))
        self._go("tail", self._end)
        return self._out.clone()

    def _key(self, k: int) -> int:
        """An adapter may tell steps apart; without one a single graph serves all."""
        return 0 if self._fast.reasoner.adapter is None else k

    def _read(self, prompt: Batch) -> None:
        """The prompt's pass, into the cache."""
        fast = self._fast
        self._cache.reset()
        walk = fast.backbone.read(prompt, flat=fast.reasoner.flat, cache=self._cache)
        walk.room(fast.steps + fast.reasoner.tail)
        self._seen[:, : self._start] = prompt.mask.bool()
        self._at.fill_(self._start)
        self._place.copy_(walk.position)
        self._state.copy_(walk.hidden[:, -1])
        found = fast.reasoner.anchored(prompt, walk.hidden)
        if found is not None:
            self._anchor = found if self._anchor is None else self._anchor.copy_(found)

    def _step(self, k: int) -> None:
        fast, adapter = self._fast, self._fast.reasoner.adapter
        toward = self._state if adapter is None else adapter(self._state, k, self._anchor)[0]
        made = self._decode(fast.feed(fast.backbone, toward).unsqueeze(1), self._place)
        self._state.copy_(made[:, -1])
        self._place.add_(1)

    def _end(self) -> None:
        n = self._tail.shape[1]
        self._out.copy_(self._decode(self._tail, self._place + torch.arange(n, device=self._place.device))[:, -1])

    def _decode(self, embeds: Tensor, place: Tensor) -> Tensor:
        """The decoder over n embeddings (b, n, w) that stand at `place` (b, n)."""
        n = embeds.shape[1]
        until = self._at + torch.arange(n, device=self._at.device)
        open_ = self._seen[:, None, None] & (self._grid <= until[:, None])
        mask = torch.zeros(open_.shape, dtype=embeds.dtype, device=embeds.device)
        given: dict[str, Any] = {"attention_mask": mask.masked_fill_(~open_, torch.finfo(embeds.dtype).min)}
        if self._fast.backbone.takes_positions:
            given["position_ids"] = place
        made = self._fast.backbone.decoder(
            inputs_embeds=embeds, past_key_values=self._cache, use_cache=True, **given
        ).last_hidden_state
        self._at.add_(n)
        return torch.as_tensor(made)

    def _go(self, key: object, act: Callable[[], None]) -> None:
        graph = self._graphs.get(key)
        if graph is None:
            act()
        else:
            graph.replay()

    def _capture(self, prompt: Batch) -> None:
        """Run once to warm up, then capture each kind of step, and stand where the prompt was read again."""
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for k in range(self._fast.steps):
                self._step(k)
            self._end()
        torch.cuda.current_stream().wait_stream(stream)
        self._read(prompt)
        for k in range(self._fast.steps):
            if self._key(k) not in self._graphs:
                self._graphs[self._key(k)] = _captured(partial(self._step, k))
        self._graphs["tail"] = _captured(self._end)
        self._read(prompt)


def _captured(act: Callable[[], None]) -> Any:
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        act()
    return graph


def _padded(prompt: Batch) -> Batch:
    """Padded further on the left, to whole blocks."""
    more = -prompt.mask.shape[1] % _BLOCK
    if not more:
        return prompt
    tokens = {
        name: torch.cat([rows.new_zeros(len(rows), more, *rows.shape[2:]), rows], 1)
        for name, rows in prompt.tokens.items()
    }
    return Batch(tokens, torch.cat([prompt.mask.new_zeros(len(prompt.mask), more), prompt.mask], 1), prompt.rest)
