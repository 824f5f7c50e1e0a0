"""ProsQA, and a generator of questions like its own: which of two kinds is someone, by a chain of "every X is a Y"?

A question is a graph of about 23 nodes and 36 edges without cycles, a root, and two nodes of which one can be reached.
What is generated is trained on; the official questions (facebookresearch/coconut, their validation split, in the shared
data) are for the figure alone. An edge comes as one continuous token, names are drawn anew for every question, and the
answer is the document of the node. A latent step is told the whole frontier, each node alike, as in reason_reach; a
written one the next node of a shortest path. Meant for a GPU (about ten minutes for three seeds); without one it is not
run, and its parts are held to account in the tests.

Letters: b questions, n nodes, e edges, s steps.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.figure import Figure, check
from benchmarks.reason_small import Small, scores
from samespace.reason.thought import Thought
from samespace.train.reason_losses import step_ce, text_ce

__all__ = ["NAMES", "STEPS", "Graphs", "Reasoner", "draw", "figures", "official", "run"]

NAMES, STEPS = 40, 6
_NODES, _EDGES = (19, 26), 80
_BACK, _SECOND, _DEEP = 3.0, 0.8, 0.5  # how far back a node looks, how often it has two above it, bias to depth
_BARS = {"latent": ">= 0.97", "written": "<= 0.85", "none": "<= 0.8", "zeroed": "<= 0.6"}


@dataclass(frozen=True)
class Graphs:
    """Questions.

    Attributes:
        edges: (b, e, 2), names from and to; both -1 where there is no edge.
        root: (b).
        two: (b, 2), the nodes asked for, in random order.
        answer: (b), the one that can be reached.
        path: (b, 6), a shortest path behind the root; the answer again and again once it is reached.
        frontier: (b, 6, 43), the nodes so many edges away, each alike, over all words of the model; the last ones
            again where there are none further away.
    """

    edges: Tensor
    root: Tensor
    two: Tensor
    answer: Tensor
    path: Tensor
    frontier: Tensor

    def to(self, device: str) -> "Graphs":
        """The same elsewhere."""
        return Graphs(**{name: value.to(device) for name, value in vars(self).items()})


def draw(b: int, generator: torch.Generator) -> Graphs:
    """Draw b questions: two roots with a family each and nodes of both, each below one or two earlier ones."""
    kept: list[Tensor] = []
    ends: list[Tensor] = []
    while sum(len(one) for one in kept) < b:
        adjacent, pair = _grown(2 * b, generator)
        kept.append(adjacent)
        ends.append(pair)
    return _asked(torch.cat(kept)[:b], torch.cat(ends)[:b], generator)


def _grown(b: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Adjacency (m, n, n) of those that ask something, and their target and its rival (m, 2); root 0, other root 1."""
    most = _NODES[1]
    count = torch.randint(_NODES[0], most + 1, (b,), generator=generator)
    family = torch.multinomial(torch.tensor([0.42, 0.42, 0.16]), b * most, True, generator=generator).view(b, most)
    family[:, 0], family[:, 1] = 0, 1
    adjacent = torch.zeros(b, most, most, dtype=torch.bool)
    rows = torch.arange(b)
    for node in range(2, most):
        near = (torch.arange(node) - node) / _BACK - torch.rand(b, node, generator=generator).log().neg().log()
        kin = (family[:, :node] == family[:, node, None]) | (family[:, node, None] == 2)
        early = torch.where(kin, near, -torch.inf).topk(2, dim=1)
        for turn in range(2):
            there = (node < count) & (early.values[:, turn] > -torch.inf)
            there &= (turn == 0) | (torch.rand(b, generator=generator) < _SECOND)
            adjacent[rows, early.indices[:, turn], node] |= there
    near, far = _distance(adjacent, 0), _distance(adjacent, 1)
    mine = (near >= 3) & (near <= STEPS) & (far < 0)
    other = (far >= 3) & (near < 0)
    good = mine.any(1) & other.any(1)
    deep = near.clamp(min=0) * _DEEP
    chosen = [
        torch.where(one, torch.rand(one.shape, generator=generator) + deep, -1.0).argmax(1) for one in (mine, other)
    ]
    return adjacent[good], torch.stack(chosen, 1)[good]


def _distance(adjacent: Tensor, root: int) -> Tensor:
    """Edges from a root (b, n); -1 where there is no way."""
    found = torch.full(adjacent.shape[:2], -1)
    found[:, root] = 0
    front = torch.zeros(adjacent.shape[:2], dtype=torch.bool)
    front[:, root] = True
    for step in range(1, adjacent.shape[1]):
        front = (front[:, :, None] & adjacent).any(1) & (found < 0)
        found[front] = step
    return found


def _asked(adjacent: Tensor, ends: Tensor, generator: torch.Generator) -> Graphs:
    """Give names, shuffle, and find what each step should say."""
    b, n = adjacent.shape[:2]
    names = torch.rand(b, NAMES, generator=generator).argsort(1)[:, :n]
    chance = torch.where(adjacent, torch.rand(b, n, n, generator=generator), -1.0).flatten(1)
    top = chance.topk(min(_EDGES, n * n), dim=1)
    pair = torch.stack([top.indices // n, top.indices % n], -1)
    edges = torch.where((top.values >= 0)[..., None], names.gather(1, pair.flatten(1)).view_as(pair), -1)
    edges = edges[:, : int((top.values >= 0).sum(1).max())]
    distance = _distance(adjacent, 0)
    frontier = torch.zeros(b, STEPS, NAMES + 3)
    for k in range(1, STEPS + 1):
        level = (distance == k).float()
        level = level / level.sum(1, keepdim=True).clamp(min=1)
        made = torch.zeros(b, NAMES + 3).scatter_(1, names, level)
        none = made.sum(1) == 0
        frontier[:, k - 1] = torch.where(none[:, None], frontier[:, k - 2] if k > 1 else made, made)
    two = names.gather(1, ends)
    turned = torch.rand(b, 1, generator=generator) < 0.5
    path = names.gather(1, _path(adjacent, distance, ends[:, 0], generator))
    return Graphs(edges, names[:, 0], torch.where(turned, two.flip(1), two), two[:, 0], path, frontier)


def _path(adjacent: Tensor, distance: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
    """Nodes (b, 6) of a shortest way to the target, drawn among these, the target repeated behind it."""
    b, n = adjacent.shape[:2]
    rows, path = torch.arange(b), target[:, None].repeat(1, STEPS)
    at, far = target, distance[torch.arange(b), target]
    for k in range(STEPS - 1, 0, -1):
        before = adjacent[rows, :, at] & (distance == (distance[rows, at] - 1)[:, None])
        up = torch.where(before, torch.rand(b, n, generator=generator), -1.0).argmax(1)
        at = torch.where(far > k, up, at)
        path[:, k - 1] = torch.where(far > k, at, path[:, k - 1])
    return path


def official(data: Path, generator: torch.Generator) -> Graphs:
    """The official questions, their names drawn anew."""
    import pyarrow.parquet as pq

    rows = pq.read_table(data / "prosqa/questions.parquet").to_pylist()
    adjacent = torch.zeros(len(rows), NAMES, NAMES, dtype=torch.bool)
    for i, row in enumerate(rows):
        swap = {row["root"]: 0, 0: row["root"]}  # the root is node 0 here
        for a, b in json.loads(row["edges"]):
            adjacent[i, swap.get(a, a), swap.get(b, b)] = True
    ends = [
        [{row["root"]: 0, 0: row["root"]}.get(row[key], row[key]) for key in ("target", "neg_target")] for row in rows
    ]
    return _asked(adjacent, torch.tensor(ends), generator)


class Reasoner(Small):
    """The small model, of any width, and the two tables that make an edge one token."""

    def __init__(self, seed: int, width: int) -> None:
        super().__init__(NAMES + 1, STEPS, seed, width=width)
        self.sides = nn.Parameter(0.1 * torch.randn(2, NAMES, width))

    def reads(self, asked: Graphs) -> tuple[Tensor, Tensor]:
        """Questions as the model reads them (b, t, w), and their mask (b, t)."""
        there = asked.edges[..., 0] >= 0
        edges = self.sides[0][asked.edges[..., 0].clamp(min=0)] + self.sides[1][asked.edges[..., 1].clamp(min=0)]
        query = torch.full_like(asked.root, NAMES)[:, None]
        words = self.embed(torch.cat([asked.two, query, asked.root[:, None]], 1))
        mask = torch.cat([there.long(), torch.ones_like(words[..., 0], dtype=torch.long)], 1)
        return torch.cat([edges, words], 1), mask

    def reason(self, asked: Graphs, mode: str) -> Thought:
        """Think by a mode: "none", "pause", "written" (greedily) or "latent"."""
        read, mask = self.reads(asked)
        feedback = {"pause": "parallel", "written": "snap"}.get(mode, "scale")
        return self.think(read, 0 if mode == "none" else STEPS, feedback, mask=mask)  # type: ignore[arg-type]

    def loss(self, asked: Graphs, mode: str) -> Tensor:
        """Retrieval, and what each step should say."""
        if mode == "written":
            read, mask = self.reads(asked)
            thought = self.think(read, 0, written=asked.path, mask=mask)
            told = text_ce(thought, torch.cat([asked.path, torch.full_like(asked.path[:, :1], -100)], 1))
        else:
            thought = self.reason(asked, mode)
            told = step_ce(thought, asked.frontier) if mode != "none" else thought.embedding.new_zeros(())
        return functional.cross_entropy(self.against(thought), asked.answer) + told

    def against(self, thought: Thought) -> Tensor:
        """Cosines over temperature (b, n) with the documents of all names."""
        names = torch.arange(NAMES, device=thought.embedding.device)[:, None]
        return scores(thought.embedding, self.documents(self.embed(names)))

    def right(self, thought: Thought, asked: Graphs) -> float:
        """Share of questions whose answer is the nearer of the two."""
        both = self.against(thought).gather(1, asked.two)
        return float((asked.two.gather(1, both.argmax(1, keepdim=True))[:, 0] == asked.answer).float().mean())


@dataclass(frozen=True)
class Size:
    """How large a run is: model width, batch, steps of training before and behind the warm start, where."""

    width: int = 768
    batch: int = 512
    warm: int = 1500
    further: int = 3000
    rate: float = 3e-4
    device: str = "cuda"


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Three seeds on a GPU, in the short form one; nothing without."""
    if not torch.cuda.is_available() or not (data / "prosqa").is_dir():
        print("prosqa: not run, for want of a GPU or of the official questions", file=sys.stderr)
        return
    runs = [run(seed, data, Size()) for seed in range(1 if quick else 3)]
    for mode in runs[0]:
        values, bar = [one[mode] for one in runs], _BARS.get(mode)
        worst = min(values) if (bar or ">=").startswith(">=") else max(values)
        listed = " ".join(f"{v:.3f}" for v in values)
        yield Figure(
            f"ProsQA, official validation questions, {mode}", worst, "", 0.5, bar, check(worst, bar) if bar else None,
            300 * len(runs), f"worst of {len(runs)} seeds: {listed}; trained on generated ones; peer = chance",
        )  # fmt: skip


def run(seed: int, data: Path, size: Size) -> dict[str, float]:
    """Train and test every mode of one seed."""
    test = official(data, torch.Generator().manual_seed(0)).to(size.device)
    found: dict[str, float] = {}
    warm: dict[str, Tensor] = {}
    for mode in ("none", "pause", "written", "latent"):
        model = Reasoner(seed, size.width).to(size.device)
        if mode == "latent":
            model.load_state_dict(warm)
        _train(model, mode, size.further if mode == "latent" else size.warm, size, seed)
        if mode == "written":
            warm = model.state_dict()
        with torch.inference_mode():
            thought = model.reason(test, mode)
            found[mode] = model.right(thought, test)
            if mode == "latent":
                found["zeroed"] = model.right(thought.ablate("zero"), test)
                found["other query's"] = model.right(thought.ablate("shuffle"), test)
    return found


def _train(model: Reasoner, mode: str, steps: int, size: Size, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed + (100 if mode == "latent" else 0))
    optimizer = torch.optim.AdamW(model.parameters(), size.rate, weight_decay=0.01)
    for number in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = size.rate * min((number + 1) / 50, 1.0, (steps - number) / (steps / 5))
        loss = model.loss(draw(size.batch, drawn).to(size.device), mode)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
