"""Reachability: where a chain must guess a branch and a latent step need not.

Two binary trees of depth 3, 28 edges as one continuous token each. The question is a root and two leaves, one of each
tree: which can be reached? A chain that is written names one node a step, and at each branch but the last it can
only guess: it finds the leaf by following in one case of four, and guesses else, which makes 62 %. A latent step can
hold the whole frontier: it is told, as the probabilities of its step, every node that is so many edges away, each
alike. (Reasoning by superposition, arXiv:2505.12514; there nothing but one path is told.)

Every mode starts from one model that was taught to follow chains in writing (the pointer chase), so that what differs
is the branches alone. The answer is the document of the leaf: among the two (chance 1/2), and among all 32 names
(chance 1/32, or 1/2 by the question alone).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.figure import Figure, check
from benchmarks.reason_chase import SHORT, Chaser
from benchmarks.reason_kept import kept
from benchmarks.reason_small import Small, descend, modes, scores
from samespace.reason.thought import Thought
from samespace.train.reason_losses import step_ce, text_ce

__all__ = ["figures"]

_BATCH, _TEST, _NAMES, _DEPTH = 128, 4000, SHORT.names, 3
_NODES = 2 ** (_DEPTH + 1) - 1


@dataclass(frozen=True)
class Trees:
    """A batch of questions.

    Attributes:
        edges: (b, 28, 2) names from and to, shuffled.
        root: (b).
        leaves: (b, 2), one of the root's tree, one of the other's, in random order.
        path: (b, 3), from the root to its leaf.
        frontier: (b, 3, 32 + 1 + 2), each node so many edges away alike; over all words of the model.
    """

    edges: Tensor
    root: Tensor
    leaves: Tensor
    path: Tensor
    frontier: Tensor


def ask(b: int, words: int, generator: torch.Generator) -> Trees:
    """Draw b questions. Nodes of a tree are numbered as in a heap: those below node i are 2i + 1 and 2i + 2."""
    names = torch.rand(b, _NAMES, generator=generator).argsort(1)[:, : 2 * _NODES].view(b, 2, _NODES)
    below = torch.arange(1, _NODES)
    edges = torch.stack([names[:, :, (below - 1) // 2], names[:, :, below]], -1).flatten(1, 2)
    order = torch.rand(b, edges.shape[1], generator=generator).argsort(1)
    edges = edges.gather(1, order[..., None].expand(-1, -1, 2))
    leaf = torch.randint(2**_DEPTH - 1, _NODES, (b, 2), generator=generator)
    up = [leaf[:, :1]]
    for _ in range(_DEPTH - 1):
        up.append((up[-1] - 1) // 2)
    path = names[:, 0].gather(1, torch.cat(up[::-1], 1))
    both = torch.stack([path[:, -1], names[:, 1].gather(1, leaf[:, 1:])[:, 0]], 1)
    turned = torch.rand(b, 1, generator=generator) < 0.5
    frontier = torch.zeros(b, _DEPTH, words)
    for k in range(1, _DEPTH + 1):
        level = names[:, 0, 2**k - 1 : 2 ** (k + 1) - 1]
        frontier[:, k - 1].scatter_(1, level, 1 / 2**k)
    return Trees(edges, names[:, 0, 0], torch.where(turned, both.flip(1), both), path, frontier)


class Seeker(Small):
    """The small model, and the two tables that make an edge one token."""

    def __init__(self, seed: int, taught: Chaser) -> None:
        super().__init__(_NAMES + 1, _DEPTH, seed)
        self.words = _NAMES + 3
        self.sides = nn.Parameter(taught.sides.detach().clone())
        self.model.load_state_dict(taught.model.state_dict())

    def ask(self, b: int, generator: torch.Generator) -> Trees:
        """Draw b questions."""
        return ask(b, self.words, generator)

    def reads(self, asked: Trees) -> Tensor:
        """Questions as the model reads them (b, t, w)."""
        edges = self.sides[0][asked.edges[..., 0]] + self.sides[1][asked.edges[..., 1]]
        query = torch.full_like(asked.root, _NAMES)[:, None]
        return torch.cat([edges, self.embed(torch.cat([asked.leaves, query, asked.root[:, None]], 1))], 1)

    def against(self, thought: Thought) -> Tensor:
        """Cosines over temperature (b, n) with the documents of all names."""
        return scores(thought.embedding, self.documents(self.embed(torch.arange(_NAMES)[:, None])))


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Three seeds; in the short form one, with less training, which separates the modes but little."""
    torch.set_num_threads(1)
    runs = [
        kept("reach", seed, lambda seed=seed: reach(seed, quick=quick), quick=quick)  # type: ignore[misc]
        for seed in range(1 if quick else 3)
    ]
    spent = [run.pop("CPU s") for run in runs]
    written = max(run["written"][0] for run in runs)
    bars = {"none": "<= 0.55", "pause": "<= 0.55", "zeroed": "<= 0.55", "other query's": "<= 0.55"}
    bars["latent"] = f">= {written + 0.1:.3f}"
    for mode in runs[0]:
        two, pool = [run[mode][0] for run in runs], [run[mode][1] for run in runs]
        bar = None if quick else bars.get(mode)
        worst = max(two) if (bar or "<=").startswith("<=") else min(two)
        yield Figure(
            f"which leaf can be reached, of two: {mode}", worst, "", written, bar, check(worst, bar) if bar else None,
            _TEST * len(runs), f"worst of {len(runs)} seeds: {_listed(two)}; among all 32 names: {_listed(pool)}; "
            "peer = written out, best seed; chance .5",
        )  # fmt: skip
    yield Figure(
        "reachability, all modes trained and tested", max(spent), "CPU s a seed", n=len(runs),
        notes="the slowest seed; one thread",
    )  # fmt: skip


def reach(seed: int, *, quick: bool) -> dict[str, tuple[float, float]]:
    """Train and test every mode: hits of two, and of all names."""
    steps = 400 if quick else 900
    chaser = Chaser(seed)
    descend(chaser, lambda drawn: chaser.written(SHORT.ask(_BATCH, drawn), SHORT.depth), 250, seed)
    none, pause, written, latent = (Seeker(seed, chaser) for _ in range(4))
    _train(none, "none", 80 if quick else steps, seed)
    _train(pause, "pause", 80 if quick else steps, seed)
    _train(written, "written", 150 if quick else steps, seed)
    _train(latent, "latent", steps, seed)
    with torch.inference_mode():
        asked = latent.ask(_TEST, torch.Generator().manual_seed(9999))
        models = {"none": none, "pause": pause, "written": written, "latent": latent}
        made = modes(models, lambda model: model.reads(asked), _DEPTH)
        return {mode: _hits(model, one, asked) for mode, (model, one) in made.items()}


def _train(model: Seeker, mode: str, steps: int, seed: int) -> None:
    descend(model, lambda drawn: _loss(model, mode, model.ask(_BATCH, drawn)), steps, seed)


def _loss(model: Seeker, mode: str, asked: Trees) -> Tensor:
    read = model.reads(asked)
    if mode == "none":
        thought, told = model.think(read, 0), read.new_zeros(())
    elif mode == "written":
        thought = model.think(read, 0, written=asked.path)
        told = text_ce(thought, torch.cat([asked.path, torch.full_like(asked.path[:, :1], -100)], 1))
    else:
        thought = model.think(read, _DEPTH, "parallel" if mode == "pause" else "scale")
        told = step_ce(thought, asked.frontier)
    return functional.cross_entropy(model.against(thought), asked.path[:, -1]) + told


def _hits(model: Seeker, thought: Thought, asked: Trees) -> tuple[float, float]:
    """Share of questions whose nearest document is the right leaf's: of the two leaves, and of all names."""
    scored, right = model.against(thought), asked.path[:, -1]
    two = asked.leaves.gather(1, scored.gather(1, asked.leaves).argmax(1, keepdim=True))[:, 0]
    return float((two == right).float().mean()), float((scored.argmax(1) == right).float().mean())


def _listed(values: list[float]) -> str:
    return " ".join(f"{v:.3f}" for v in values)
