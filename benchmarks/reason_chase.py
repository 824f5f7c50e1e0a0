"""Pointer-chase retrieval: a task that a shallow model cannot do in one pass, and can in steps.

24 edges a → b make four chains of six nodes out of 32 names; the last node of each points at itself. An edge comes as
one continuous token (as a picture's patch would), a query is a start node, the answer is the document of the node at
the end of its chain, 1 to 5 edges away, among the documents of all 32 names, which the same model encodes. A model of
two layers can follow two edges in a pass at most. Chance is 1/32; knowing the four ends without following, 1/4.

Letters: b queries, t tokens, w model width, s steps, n names.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.protocol import Feedback, Until
from samespace.reason.thought import Thought

__all__ = ["DEPTHS", "NAMES", "Chaser", "Questions", "ask"]

NAMES, CHAINS, LENGTH = 32, 4, 6
DEPTHS = LENGTH - 1
_QUERY, _THINK, _END = NAMES, NAMES + 1, NAMES + 2
_TEMPERATURE = 0.05


@dataclass(frozen=True)
class Questions:
    """A batch of questions.

    Attributes:
        edges: (b, 24, 2) names from and to, shuffled.
        start: (b).
        path: (b, 5), the names met after 1, 2, ... edges; the end again and again once it is reached.
        depth: (b), 1 to 5.
    """

    edges: Tensor
    start: Tensor
    path: Tensor
    depth: Tensor

    @property
    def end(self) -> Tensor:
        """The answers (b)."""
        return self.path[:, -1]


def ask(b: int, generator: torch.Generator) -> Questions:
    """Draw b questions, depths even."""
    names = torch.rand(b, NAMES, generator=generator).argsort(1)[:, : CHAINS * LENGTH].view(b, CHAINS, LENGTH)
    to = torch.cat([names[:, :, 1:], names[:, :, -1:]], 2)
    edges = torch.stack([names, to], -1).flatten(1, 2)
    order = torch.rand(b, edges.shape[1], generator=generator).argsort(1)
    edges = edges.gather(1, order[..., None].expand(-1, -1, 2))
    depth = torch.arange(b) % DEPTHS + 1
    chain = names[torch.arange(b), torch.randint(CHAINS, (b,), generator=generator)]
    at = DEPTHS - depth
    steps = (at[:, None] + torch.arange(1, DEPTHS + 1)).clamp(max=DEPTHS)
    return Questions(edges, chain.gather(1, at[:, None])[:, 0], chain.gather(1, steps), depth)


class Chaser(nn.Module):
    """A Llama of two layers with 90 thousand parameters, and the two tables that make an edge one token."""

    def __init__(self, seed: int) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM
        from transformers.utils import logging

        super().__init__()
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=NAMES + 3, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
            tie_word_embeddings=True, max_position_embeddings=64, initializer_range=0.1,
        )  # fmt: skip
        self.model: Any = LlamaForCausalLM(config)
        self.sides = nn.Parameter(0.1 * torch.randn(2, NAMES, 64))
        self.pauses = Latent(64, steps=DEPTHS, feedback="parallel", seed=seed)

    def think(
        self, asked: Questions, steps: int, feedback: Feedback = "scale", *, until: Until | None = None,
        written: Tensor | None = None, tolerance: float = 1e-2,
    ) -> Thought:  # fmt: skip
        """Read questions and think.

        Args:
            asked: of b questions.
            steps: s.
            feedback: what is fed back; "snap" is a chain of written names, one token each.
            until: "kl" = stop by itself.
            written: (b, n) names that are read after the steps, before the end token.
            tolerance: of until.
        """
        embed = self.model.get_input_embeddings()
        edges = self.sides[0][asked.edges[..., 0]] + self.sides[1][asked.edges[..., 1]]
        rest = [asked.start.new_full((len(asked.start), 1), _QUERY), asked.start[:, None]]
        rest += [asked.start.new_full((len(asked.start), 1), _THINK)] + ([] if written is None else [written])
        rest += [asked.start.new_full((len(asked.start), 1), _END)]
        tokens = torch.cat([edges, embed(torch.cat(rest, 1))], 1)
        tail = 1 if written is None else 1 + written.shape[1]
        if feedback == "parallel":
            return self.pauses(Backbone.of(self.model), {"inputs_embeds": tokens}, steps=steps)  # type: ignore[no-any-return]
        reasoner = Latent(64, feedback=feedback, tail=tail, tolerance=tolerance)
        return reasoner(Backbone.of(self.model), {"inputs_embeds": tokens}, steps=steps, until=until)  # type: ignore[no-any-return]

    def documents(self) -> Tensor:
        """The vector (n, w) of every name's document."""
        names = torch.arange(NAMES)[:, None]
        made = self.model.base_model(input_ids=torch.cat([names, torch.full_like(names, _END)], 1), use_cache=False)
        return torch.as_tensor(made.last_hidden_state[:, -1])

    def scores(self, embedding: Tensor) -> Tensor:
        """Cosines over temperature (b, n) of queries with all documents."""
        documents = nn.functional.normalize(self.documents(), dim=-1)
        return nn.functional.normalize(embedding, dim=-1) @ documents.T / _TEMPERATURE
