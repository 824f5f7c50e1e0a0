"""Bind a frozen tower of pictures or sounds to the space of a frozen text model.

Both sides are encoded once; a linear head starts from the closed form (ridge) and goes on with a contrastive loss.
The best state on the rows kept apart is what is written, so training never ends below the closed form.

Reference: Zhai et al., LiT, arXiv:2111.07991; Zhu et al., LanguageBind, arXiv:2310.01852.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from samespace.encode import bound
from samespace.encode.load import lasting
from samespace.encode.load import load as load_encoder
from samespace.train import batches, check, data, limits, page
from samespace.train.heads import Frames, Linear, closed
from samespace.train.identity import identity
from samespace.train.losses.masked import masked_info_nce
from samespace.train.losses.sigmoid import sigmoid_loss
from samespace.train.losses.spread import spread_loss
from samespace.train.retrieval import recall_at_k
from samespace.train.split import codes, held_out
from samespace.train.state import States
from samespace.train.steps import Schedule
from samespace.train.steps import run as run_steps
from samespace.train.vectors import encoded

__all__ = ["Config", "run"]


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # parquet with the columns anchor (text) and positive (a picture or a recording)
    out: Path  # folder for what comes of it
    tower: str = "lite0:"  # encoder of the pictures or sounds, as scheme:name; stays as it is
    target: str = "multilingual-e5-small"  # text encoder whose space they are bound to; stays as it is
    loss: Literal["infonce", "sigmoid", "spread"] = "infonce"  # docs/train.md says when to use which
    epochs: int = 10  # passes over the rows
    batch: int = 512  # rows
    learning_rate: float = 3e-5  # at its peak; the closed form is soon forgotten at 3e-4
    weight_decay: float = 0.05  # of AdamW
    temperature: float = 0.05  # of the loss, where it starts
    dropout: float = 0.2  # share of the features left out, in [0, 1)
    ridge: float = 3.0  # strength of the closed form, in units of a feature's mean variance
    held_out: float = 0.1  # share of the anchors kept apart for measuring, in (0, 1)
    every: int = 50  # steps between two states and two measurements
    shuffle: bool = False  # train on captions dealt out anew: the control, which must stay at chance
    seed: int = 0  # of the split, the order and the dropout

    def __post_init__(self) -> None:
        limits.check(self)


class _Model(nn.Module):
    """The head, what the loss learns beside it, and the best head so far: all that a state must hold."""

    best_weight: Tensor
    best_bias: Tensor
    best_recall: Tensor

    def __init__(self, start: Tensor, config: Config) -> None:
        super().__init__()
        self.head = Linear(start, config.dropout)
        self.log_scale = nn.Parameter(torch.tensor(1 / config.temperature).log())
        self.bias = nn.Parameter(torch.tensor(-10.0))
        self.register_buffer("best_weight", start.clone())
        self.register_buffer("best_bias", torch.zeros(len(start)))
        self.register_buffer("best_recall", torch.tensor(-1.0))

    def loss(self, features: Tensor, answers: Tensor, groups: Tensor, kind: str) -> Tensor:
        """Of one batch; rows of one group have the same text."""
        made, scale = self.head(features), self.log_scale.clamp(max=math.log(100)).exp()
        if kind == "sigmoid":
            return sigmoid_loss(made, answers, scale, self.bias, groups)
        if kind == "spread":
            return spread_loss(made, answers, temperature=1 / float(scale.detach()))
        there = masked_info_nce(made, answers, temperature=1 / scale, groups=groups)
        return (there + masked_info_nce(answers, made, temperature=1 / scale, groups=groups)) / 2

    @torch.no_grad()
    def measure(self, features: Tensor, answers: Tensor, groups: Tensor) -> dict[str, float]:
        """Text → thing on the rows kept apart; the best head is remembered."""
        made = nn.functional.normalize(self.eval().head(features), dim=1)
        point = recall_at_k((answers @ made.T).numpy(), groups.numpy())
        if point["recall@10"] > float(self.best_recall):
            self.best_recall.fill_(point["recall@10"])
            self.best_weight.copy_(self.head.weight)
            self.best_bias.copy_(self.head.bias)
        return point


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`, with bound.safetensors, bound.json, page.html and the last state.

    Raises:
        DataError: the rows cannot be used. DivergedError, CheckpointError: see steps.run.
    """
    examples, found = data.load(config.data, skip=True)
    target, tower = load_encoder(config.target), load_encoder(config.tower)
    check.taken(examples, config.target, target.modalities, ["anchor"])
    check.taken(examples, config.tower, tower.modalities, ["positive"])
    texts = encoded(target, [e.anchor for e in examples], "query", config.out / "vectors")
    things = encoded(tower, [e.positive for e in examples], "document", config.out / "vectors")
    groups = codes([e.anchor.digest() for e in examples])
    kept, apart = held_out(groups, config.held_out, config.seed)
    order = np.arange(len(examples))
    if config.shuffle:
        order[kept] = order[kept][np.random.default_rng(config.seed + 1).permutation(len(kept))]
    texts, says = texts[order], torch.from_numpy(groups[order])
    frames = Frames.fit(things[kept], texts[kept], config.ridge)
    features, answers = frames.features(things), frames.answers(texts)
    model = _Model(closed(features[kept], answers[kept]), config)

    def loss(rows: list[int], piece: int) -> Tensor:
        at = torch.from_numpy(kept[rows])
        return model.train().loss(features[at], answers[at], says[at], config.loss)

    curve = run_steps(
        model,
        loss,
        batches.group_by([0] * len(kept))(kept, batch_size=config.batch, seed=config.seed),
        Schedule(config.epochs, config.learning_rate, config.weight_decay, keep_every=config.every, seed=config.seed),
        States(config.out, identity(config, texts, things)),
        lambda: model.measure(features[apart], answers[apart], says[apart]),
        tell,
    )
    settings = {key: str(value) for key, value in asdict(config).items()}
    facts = {"config": settings, "rows": len(kept), "left_out": data.left_out(found), "curve": curve}
    bound.save(frames.head(model.best_weight, model.best_bias), lasting(config.tower), config.out, facts)
    page.write(config.out / "page.html", "bind", settings, curve)
    return config.out
