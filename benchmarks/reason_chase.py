"""Pointer chase: a task that a shallow model cannot do in one pass, and can in steps.

Edges a → b make chains of nodes out of a set of names; the last node of each points at itself. An edge comes as one
continuous token (as a picture's patch would), a query is a start node, the answer is the document of the node at the
end of its chain, some edges away, among the documents of all names, which the same model encodes.

Letters: b queries, t tokens, w model width, s steps, n names, c chains.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.reason_small import WIDTH, Small, scores
from samespace.reason.thought import Thought
from samespace.train.reason_losses import text_ce

__all__ = ["DEEP", "SHORT", "Chaser", "Questions", "World"]


@dataclass(frozen=True)
class Questions:
    """A batch of questions.

    Attributes:
        edges: (b, edges, 2) names from and to, shuffled.
        start: (b).
        path: (b, length - 1), the names met after 1, 2, ... edges; the end again and again once it is reached.
        depth: (b), edges to the end.
    """

    edges: Tensor
    start: Tensor
    path: Tensor
    depth: Tensor

    @property
    def end(self) -> Tensor:
        """The answers (b)."""
        return self.path[:, -1]


@dataclass(frozen=True)
class World:
    """How large the questions are.

    Attributes:
        names: n.
        chains: c of them.
        length: nodes of a chain.
        depths: least and most edges from a start to its end.
    """

    names: int
    chains: int
    length: int
    depths: tuple[int, int]

    @property
    def depth(self) -> int:
        """The most edges there can be."""
        return self.length - 1

    def ask(self, b: int, generator: torch.Generator) -> Questions:
        """Draw b questions, depths even."""
        used = torch.rand(b, self.names, generator=generator).argsort(1)[:, : self.chains * self.length]
        names = used.view(b, self.chains, self.length)
        to = torch.cat([names[:, :, 1:], names[:, :, -1:]], 2)
        edges = torch.stack([names, to], -1).flatten(1, 2)
        order = torch.rand(b, edges.shape[1], generator=generator).argsort(1)
        edges = edges.gather(1, order[..., None].expand(-1, -1, 2))
        least, most = self.depths
        depth = torch.arange(b) % (most - least + 1) + least
        chain = names[torch.arange(b), torch.randint(self.chains, (b,), generator=generator)]
        at = self.depth - depth
        steps = (at[:, None] + torch.arange(1, self.length)).clamp(max=self.depth)
        return Questions(edges, chain.gather(1, at[:, None])[:, 0], chain.gather(1, steps), depth)


SHORT = World(names=32, chains=4, length=6, depths=(1, 5))
"""Chance is 1/32; knowing the four ends without following, 1/4."""

DEEP = World(names=40, chains=3, length=11, depths=(6, 10))
"""Chance is 1/40; knowing the three ends without following, 1/3."""


class Chaser(Small):
    """The small model, and the two tables that make an edge one token: 90 thousand parameters."""

    def __init__(self, seed: int, world: World = SHORT) -> None:
        super().__init__(world.names + 1, world.depth, seed)
        self.sides = nn.Parameter(0.1 * torch.randn(2, world.names, WIDTH))
        self.names, self._query = world.names, world.names

    def reads(self, asked: Questions) -> Tensor:
        """Questions as the model reads them (b, t, w)."""
        edges = self.sides[0][asked.edges[..., 0]] + self.sides[1][asked.edges[..., 1]]
        query = torch.stack([torch.full_like(asked.start, self._query), asked.start], 1)
        return torch.cat([edges, self.embed(query)], 1)

    def ask(self, asked: Questions, steps: int, *how: Any, **more: Any) -> Thought:
        """Read questions and think, see Small.think."""
        return self.think(self.reads(asked), steps, *how, **more)

    def scores(self, embedding: Tensor) -> Tensor:
        """Cosines over temperature (b, n) of queries with the documents of all names."""
        return scores(embedding, self.documents(self.embed(torch.arange(self.names)[:, None])))

    def written(self, asked: Questions, steps: int) -> Tensor:
        """The loss where the first steps of the path are written out: retrieval behind them, and these."""
        path = asked.path[:, :steps]
        thought = self.ask(asked, 0, written=path)
        told = text_ce(thought, torch.cat([path, torch.full_like(path[:, :1], -100)], 1))
        return functional.cross_entropy(self.scores(thought.embedding), asked.end) + told

    def hit(self, embedding: Tensor, asked: Questions) -> float:
        """Share of queries whose answer's document is nearest."""
        return float((self.scores(embedding).argmax(-1) == asked.end).float().mean())
