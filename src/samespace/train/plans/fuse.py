"""Fuse pictures and words by a learned sum: a picture and what is to be changed in it lie where the changed one lies.

Two frozen encoders, two layers on each, unit vectors added; contrastive over the batch and the rows' near misses. The
best state on rows kept apart is what is written.

Reference: Vo et al., Composing Text and Image for Image Retrieval, arXiv:1812.07119 (the task, and sums as a baseline).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from samespace.encode import fused
from samespace.encode.load import lasting
from samespace.encode.load import load as load_encoder
from samespace.train import batches, data, limits, page
from samespace.train.asked import Asked, asked
from samespace.train.best import Best
from samespace.train.identity import identity
from samespace.train.losses.masked import masked_info_nce
from samespace.train.perceptron import Perceptron
from samespace.train.retrieval import among
from samespace.train.split import held_out
from samespace.train.state import States
from samespace.train.steps import Schedule
from samespace.train.steps import run as run_steps
from samespace.train.vectors import encoded

__all__ = ["Config", "run"]


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # parquet: anchor (picture and words, or one of them), positive (a picture), negatives (pictures)
    out: Path  # folder for what comes of it
    tower: str = "lite0-grid:3-160"  # encoder of the pictures, as scheme:name; stays as it is
    text: str = "multilingual-e5-small"  # encoder of the words; stays as it is
    dim: int = 256  # width of the Space that is made
    hidden: int = 512  # width between the two layers
    epochs: int = 5  # passes over the rows
    batch: int = 64  # rows
    learning_rate: float = 1e-3  # at its peak
    weight_decay: float = 0.05  # of AdamW
    temperature: float = 0.05  # of the loss, where it starts
    dropout: float = 0.1  # share of the inner layers left out, in [0, 1)
    held_out: float = 0.05  # share of the anchors kept apart for choosing the best state, in (0, 1)
    every: int = 40  # steps between two states and two measurements
    shuffle: bool = False  # train on words dealt out anew: the control
    seed: int = 0  # of the split, the start, the order and the dropout

    def __post_init__(self) -> None:
        limits.check(self)


class _Heads(nn.Module):
    """Of pictures and of words."""

    def __init__(self, looks: Perceptron, says: Perceptron) -> None:
        super().__init__()
        self.looks, self.says = looks, says


class _Model(nn.Module):
    """The heads, the loss's scale, and the best heads so far: all that a state must hold."""

    def __init__(self, heads: _Heads, temperature: float) -> None:
        super().__init__()
        self.heads, self.best = heads, Best(heads)
        self.log_scale = nn.Parameter(torch.tensor(1 / temperature).log())


@dataclass(frozen=True, eq=False)
class _Task:
    """The rows, and what the frozen encoders say of their parts."""

    rows: Asked
    said: np.ndarray
    pictures: Tensor
    texts: Tensor

    def anchors(self, heads: _Heads, at: np.ndarray) -> Tensor:
        """Queries (n, d) of rows, at unit length."""
        made = torch.zeros(len(at), heads.looks.outer.out_features)
        seen, said = self.rows.shown[at], self.said[at]
        for head, vectors, numbers in ((heads.looks, self.pictures, seen), (heads.says, self.texts, said)):
            if len(has := np.flatnonzero(numbers >= 0)):
                made = made.index_add(0, torch.from_numpy(has), head(vectors[numbers[has]]))
        return functional.normalize(made, dim=1)

    def loss(self, model: _Model, at: np.ndarray) -> Tensor:
        """Of a batch: each anchor's picture among all of the batch's and their near misses."""
        shown = self.rows.candidates(at)
        temperature = 1 / model.log_scale.clamp(max=math.log(100)).exp()
        made = self.anchors(model.heads, at), model.heads.looks(self.pictures[shown])
        return masked_info_nce(*made, temperature=temperature, groups=torch.from_numpy(shown))

    @torch.no_grad()
    def measure(self, model: _Model, at: np.ndarray) -> dict[str, float]:
        """Anchor → picture among all of the rows kept apart and their near misses; the best heads are remembered."""
        model.eval()
        shown, place = np.unique(self.rows.candidates(at), return_inverse=True)
        scores = self.anchors(model.heads, at) @ model.heads.looks(self.pictures[shown]).T
        point = among(scores.numpy(), place[: len(at)])
        model.best.seen(model.heads, point["recall@1"])
        return point


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`, with fused.safetensors, fused.json, page.html and the last state.

    Raises:
        DataError: the rows cannot be used. DivergedError, CheckpointError: see steps.run.
    """
    examples, found = data.load(config.data, skip=True)
    rows = asked(examples)
    tower, text = load_encoder(config.tower), load_encoder(config.text)
    pictures = encoded(tower, rows.pictures, "document", config.out / "vectors")
    texts = encoded(text, rows.texts, "query", config.out / "vectors")
    kept, apart = held_out(rows.groups, config.held_out, config.seed)
    said = rows.dealt(kept, config.seed + 1) if config.shuffle else rows.said
    torch.manual_seed(config.seed)
    sizes = (config.hidden, config.dim, config.dropout)
    heads = _Heads(Perceptron(pictures.data[rows.candidates(kept)], *sizes), Perceptron(texts.data, *sizes))
    task = _Task(rows, said, torch.from_numpy(pictures.data.copy()), torch.from_numpy(texts.data.copy()))
    model = _Model(heads, config.temperature)
    curve = run_steps(
        model,
        lambda batch, piece: task.loss(model.train(), kept[batch]),
        batches.group_by([0] * len(kept))(kept, batch_size=config.batch, seed=config.seed),
        Schedule(config.epochs, config.learning_rate, config.weight_decay, keep_every=config.every, seed=config.seed),
        States(config.out, identity(config, pictures, texts, rows.numbers())),
        lambda: task.measure(model, apart),
        tell,
    )
    model.best.put_back(heads)
    settings = {key: str(value) for key, value in asdict(config).items()}
    facts = {"config": settings, "rows": len(kept), "left_out": data.left_out(found), "curve": curve}
    spaces, names = (pictures.space, texts.space), (lasting(config.tower), lasting(config.text))
    fused.save(heads.looks.frozen(), heads.says.frozen(), names, spaces, config.out, facts)
    page.write(config.out / "page.html", "fuse", settings, curve)
    return config.out
