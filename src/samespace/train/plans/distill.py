"""Distil a teacher's space into a language model: its vectors come to lie where the teacher's lie.

A head is fitted in closed form and stays; then adapters learn 10 (1 - cos) + .5 identification: to tell each item's
own teacher vector from the others of its batch. The result's Space is its own; bound:OUT/bound lays its
vectors into the teacher's, where they stand near the teacher's own, not at them: train.json says how near.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from samespace.encode import bound, tuned
from samespace.encode.hf_model import Prepared
from samespace.encode.load import load as load_encoder
from samespace.encode.protocol import Role
from samespace.items import Item
from samespace.space import Vectors
from samespace.train import batches, check, data, together, tuning
from samespace.train.learner import Learner, embedded, whole_loss
from samespace.train.retrieval import recall_at_k
from samespace.train.split import codes, held_out

__all__ = ["Config", "run"]

_NEAR, _TELL, _TEMPERATURE = 10.0, 0.5, 0.05


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    base: str  # folder, .gguf file or org/model of a language model, or tuned:FOLDER to go on from one
    data: Path  # parquet with the columns anchor and positive: all are items to learn on, anchors as queries
    out: Path  # folder for what comes of it
    teacher: str = "multilingual-e5-small"  # encoder, as scheme:name; stays as it is
    weights: Literal["lora", "full"] = "lora"  # what is learned: adapters, or every weight
    rank: int = 16  # of the adapters
    scale: float = 2.0  # of what they add
    layers: int | None = None  # keep the model's first so many; none = all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the frozen weights; adapters are float32
    pooling: Literal["last", "mean"] = "last"  # which tokens the vector is read from
    template: str | None = None  # words around {text}, with {prompt} where it stands; none = prompt, then text
    query_prompt: str = ""  # before an anchor
    document_prompt: str = ""  # before a positive
    instruction: str | None = None  # for {instruction} in a prompt
    max_tokens: int = 128  # of an item with its prompt
    max_pixels: int | None = None  # of a picture; none = as the model's files say
    fitted: int = 1000  # items the closed form is fitted on; the steps leave them out where as many are left
    ridge: float = 0.1  # strength of the closed form, in units of a state's mean variance
    epochs: int = 1  # passes over the items
    batch: int = 16  # items
    piece: int | None = None  # items embedded at a time; none = the batch, and half of it where memory runs out
    learning_rate: float = 3e-4  # at its peak
    weight_decay: float = 0.01  # of AdamW
    held_out: float = 0.05  # share of the items kept apart for measuring, in (0, 1)
    every: int = 50  # steps between two states and two measurements
    seed: int = 0  # of the split, the order and the adapters

    def __post_init__(self) -> None:
        tuning.check(self)


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`: tuned:OUT is the encoder, bound:OUT/bound the same in the teacher's Space, approximately.

    Raises:
        DataError: the rows cannot be used. DivergedError, CheckpointError: see steps.run.
    """
    device = together.join()
    examples, found = data.load(config.data, skip=True)
    sides: list[tuple[Role, Item]] = [
        *(("query", e.anchor) for e in examples), *(("document", e.positive) for e in examples),
    ]  # fmt: skip
    items = list({(role, item.digest()): (role, item) for role, item in sides}.values())
    kept, apart = held_out(codes([item.digest() for _, item in items]), config.held_out, config.seed)
    teacher = load_encoder(config.teacher)
    check.taken(examples, config.teacher, teacher.modalities, ["anchor", "positive"])
    vectors = together.in_turn(lambda: tuning.taught(teacher, items, config.out / "vectors"))
    used, head = tuning.opened(config, device)
    check.taken(examples, str(config.base), used.body.takes, ["anchor", "positive"])
    drawn = kept[np.random.default_rng(config.seed).permutation(len(kept))]
    some, rest = drawn[: config.fitted], drawn[config.fitted :]
    kept = rest if len(rest) >= len(some) else drawn  # what the head was fitted on has little more to teach
    begin, mean = tuning.closed(used, [items[i] for i in some], vectors[some], config.ridge)
    learner = Learner(used, begin if head is None else head).to(used.body.device)
    ready = [used.prepare(item, role) for role, item in items]
    answers = tuning.answers(vectors, mean).to(learner.best.device)

    def loss(which: list[int], piece: int) -> Tensor:
        rows = kept[which]
        return whole_loss(
            lambda column, part: torch.as_tensor(learner([ready[i] for i in kept[part]])), 1, which,
            min(piece, config.piece or piece), lambda held: near(held[0], answers[rows]),
        )  # fmt: skip

    about = {"data": _digest(vectors, items), "rows": len(kept), "left_out": data.left_out(found)}
    sampler = batches.group_by([0] * len(kept))(kept, batch_size=config.batch, seed=config.seed)
    tuning.finished(
        "distill", config, learner, loss, sampler, lambda: _measured(learner, ready, answers, apart), "cosine", about,
        tell,
    )  # fmt: skip
    if together.first():
        _bind(config, vectors, mean)
    return config.out


def near(made: Tensor, answers: Tensor) -> Tensor:
    """10 (1 - mean cos(x_i, y_i)) + .5 InfoNCE(x, y) at temperature .05; rows (n, d) at unit length.

    Returns:
        scalar: 0 when solved; chance about 10 + .5 log n.
    """
    scores = made @ answers.T
    own = torch.arange(len(scores), device=scores.device)
    told = nn.functional.cross_entropy(scores / _TEMPERATURE, own)
    return _NEAR * (1 - scores.diagonal().mean()) + _TELL * told


def _measured(learner: Learner, ready: list[Prepared], answers: Tensor, apart: np.ndarray) -> dict[str, float]:
    """How near the items kept apart come to the teacher's vectors, less their mean."""
    rows = embedded(learner, [ready[i] for i in apart])
    scores = (rows @ answers[apart].cpu().T).numpy()
    return {"cosine": float(scores.diagonal().mean()), **recall_at_k(scores, np.arange(len(apart)))}


def _bind(config: Config, vectors: Vectors, mean: np.ndarray) -> None:
    """Write the head that lays the result into the teacher's Space: the identity, then its cone."""
    place = str(config.out.resolve())
    source, width = tuned.load(place).space, vectors.space.dim
    head = bound.Head(source, vectors.space, np.eye(width, dtype=np.float32), np.zeros(width, np.float32), mean)
    bound.save(head, f"tuned:{place}", config.out / "bound", {"approximate": "see cosine in ../train.json"})


def _digest(vectors: Vectors, items: list[tuple[Role, Item]]) -> str:
    digest = hashlib.sha256(vectors.space.to_json().encode() + vectors.data.tobytes())
    digest.update(" ".join(f"{role} {item.digest()}" for role, item in items).encode())
    return digest.hexdigest()
