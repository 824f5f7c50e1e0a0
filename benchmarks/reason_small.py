"""A model small enough to be trained from nothing in a minute, which reads, thinks and is read out; and its training.

A Llama of two layers, w 64: in one pass it can follow two links at most. What it reads comes in two parts: continuous
tokens (edges, pictures) that the world at hand makes, and ids. Its words are the names 0 … n-1, then what the world
adds, then the tokens that stand before and behind the steps.

Letters: b queries, t tokens, w model width, s steps, n names.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from samespace.reason.adapter import Adapter
from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.protocol import Feedback, Until
from samespace.reason.thought import Thought

__all__ = ["WIDTH", "Small", "descend", "modes", "scores"]

WIDTH = 64
_TEMPERATURE = 0.05
_RATE = 2e-3


Model = TypeVar("Model", bound="Small")


class Small(nn.Module):
    """The model, and K learned tokens for "parallel".

    Args:
        words: n names and what the world adds to them; two more are added here.
        pauses: K.
        seed: of all weights.
        width: w.
    """

    def __init__(self, words: int, pauses: int, seed: int, *, width: int = WIDTH) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM
        from transformers.utils import logging

        super().__init__()
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=words + 2, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
            num_attention_heads=width // 32, tie_word_embeddings=True, max_position_embeddings=256,
            initializer_range=0.8 * width**-0.5,
        )  # fmt: skip
        self.model: Any = LlamaForCausalLM(config)
        self.pauses = Latent(width, steps=pauses, feedback="parallel", seed=seed)
        self._think, self._end = words, words + 1

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings (…, w) of words."""
        return torch.as_tensor(self.model.get_input_embeddings()(ids))

    def think(
        self, read: Tensor, steps: int, feedback: Feedback = "scale", *, until: Until | None = None,
        written: Tensor | None = None, tolerance: float = 1e-2, adapter: Adapter | None = None,
        mask: Tensor | None = None,
    ) -> Thought:  # fmt: skip
        """Think about what was read.

        Args:
            read: (b, t, w), the question.
            steps: s.
            feedback: what is fed back; "snap" is a chain of written names, one token each.
            until: "kl" = stop by itself.
            written: (b, n) names that are read after the steps, before the end token.
            tolerance: of until.
            adapter: between state and feedback.
            mask: (b, t), 1 where there is something to read; None = everywhere.
        """
        b = len(read)
        begin, end = (torch.full((b, 1), word, device=read.device) for word in (self._think, self._end))
        ids = [begin, end] if written is None else [begin, written, end]
        tokens = torch.cat([read, self.embed(torch.cat(ids, 1))], 1)
        given = {"inputs_embeds": tokens}
        if mask is not None:
            given["attention_mask"] = torch.cat([mask, mask.new_ones(b, tokens.shape[1] - mask.shape[1])], 1)
        backbone = Backbone.of(self.model)
        if feedback == "parallel":
            return self.pauses(backbone, given, steps=steps)  # type: ignore[no-any-return]
        tail = 1 if written is None else 1 + written.shape[1]
        reasoner = Latent(read.shape[-1], feedback=feedback, tail=tail, tolerance=tolerance, adapter=adapter)
        return reasoner(backbone, given, steps=steps, until=until)  # type: ignore[no-any-return]

    def documents(self, read: Tensor) -> Tensor:
        """The vectors (n, w) of documents (n, t, w), read without any steps."""
        ends = self.embed(torch.full((len(read), 1), self._end, device=read.device))
        made = self.model.base_model(inputs_embeds=torch.cat([read, ends], 1), use_cache=False)
        return torch.as_tensor(made.last_hidden_state[:, -1])


def modes(models: Mapping[str, Model], read: Callable[[Model], Tensor], steps: int) -> dict[str, tuple[Model, Thought]]:
    """Each mode's model with its thought of the same questions; the controls are those of "latent".

    Args:
        models: for "none", "pause", "written" and "latent".
        read: what a model reads, (b, t, w).
        steps: of thinking.
    """
    none, pause, written, latent = (models[mode] for mode in ("none", "pause", "written", "latent"))
    thought = latent.think(read(latent), steps)
    return {
        "none": (none, none.think(read(none), 0)),
        "pause": (pause, pause.think(read(pause), steps, "parallel")),
        "written": (written, written.think(read(written), steps, "snap")),
        "latent": (latent, thought),
        "zeroed": (latent, thought.ablate("zero")),
        "other query's": (latent, thought.ablate("shuffle")),
    }


def scores(queries: Tensor, documents: Tensor) -> Tensor:
    """Cosines over temperature (b, n)."""
    return nn.functional.normalize(queries, dim=-1) @ nn.functional.normalize(documents, dim=-1).T / _TEMPERATURE


def descend(model: nn.Module, loss: Callable[[torch.Generator], Tensor], steps: int, seed: int) -> None:
    """AdamW on fresh questions, the rate rising over 20 steps and falling over the last fifth.

    Args:
        model: what is trained.
        loss: of a batch that it draws from the generator.
        steps: of training.
        seed: of the generator.
    """
    questions = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=0.01)
    for number in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min((number + 1) / 20, 1.0, (steps - number) / (steps / 5))
        made = loss(questions)
        optimizer.zero_grad()
        made.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
