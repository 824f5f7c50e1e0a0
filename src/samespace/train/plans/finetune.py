"""Fine-tune a language model, or one that sees pictures too, into an embedder.

Pairs of anchor and positive, with hard negatives where there are any, are embedded by one model: a prompt, the last
token (or the mean), a linear head. The head starts from the closed form where a teacher is named. Adapters (LoRA) or
all weights are learned with a contrastive loss. What is written is the best state on the rows kept apart, the start
included, so training never ends below its start.

Reference: Wang et al., Improving Text Embeddings with Large Language Models, arXiv:2401.00368; Hu et al., LoRA,
arXiv:2106.09685.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from samespace.train import data, together, tuning
from samespace.train.criteria import Criterion
from samespace.train.identity import identity
from samespace.train.learner import Learner, whole_loss
from samespace.train.pairs import Pairs
from samespace.train.vectors import kept

__all__ = ["Config", "run"]


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    base: str  # folder, .gguf file or org/model of a language model, or tuned:FOLDER to go on from one
    data: Path  # parquet with the columns anchor, positive, and if there are any negatives and instruction
    out: Path  # folder for what comes of it
    weights: Literal["lora", "full"] = "lora"  # what is learned: adapters, or every weight
    rank: int = 16  # of the adapters
    scale: float = 2.0  # of what they add
    layers: int | None = None  # keep the model's first so many; none = all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the frozen weights; adapters are float32
    pooling: Literal["last", "mean"] = "last"  # which tokens the vector is read from
    template: str | None = None  # words around {text}, with {prompt} and {image} where they stand; none = prompt, text
    query_prompt: str = ""  # before an anchor; {instruction} is the row's
    document_prompt: str = ""  # before a positive or negative
    instruction: str | None = None  # where a row has none
    max_tokens: int = 128  # of an item with its prompt
    max_pixels: int | None = None  # of a picture; none = as the model's files say
    teacher: str | None = None  # encoder towards whose vectors the head starts, as scheme:name; none = no head
    fitted: int = 1000  # items the closed form is fitted on
    ridge: float = 0.1  # strength of the closed form, in units of a state's mean variance
    loss: Literal["infonce", "symmetric", "margin", "sigmoid", "spread"] = "infonce"  # docs/train.md says when
    temperature: float = 0.05  # of the loss
    negatives: int = 4  # of a row that are used, at most
    batches: Literal["random", "instruction", "mined"] = "random"  # of any rows, of one instruction, of hard clusters
    epochs: int = 1  # passes over the rows
    batch: int = 32  # rows
    piece: int | None = None  # rows embedded at a time; none = the batch, and half of it where memory runs out
    learning_rate: float = 3e-4  # at its peak
    weight_decay: float = 0.01  # of AdamW
    held_out: float = 0.1  # share of the anchors kept apart for measuring, in (0, 1)
    every: int = 50  # steps between two states and two measurements
    seed: int = 0  # of the split, the order and the adapters

    def __post_init__(self) -> None:
        tuning.check(self)


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`: tuned:OUT is the encoder, SentenceTransformer(OUT, trust_remote_code=True) the same.

    Raises:
        DataError: the rows cannot be used. DivergedError, CheckpointError: see steps.run.
        RecipeError, WeightsError: the base cannot be used.
    """
    device = together.join()
    examples, found = data.load(config.data, skip=True)
    rows = Pairs.split(examples, config.held_out, config.seed)
    learner = tuning.begun(config, examples, rows.kept, device)
    rows.read_by(learner.language, config.negatives, config.seed)
    criterion = learner.criterion = Criterion(config.loss, config.temperature).to(learner.best.device)

    def loss(which: list[int], piece: int) -> Tensor:
        groups = rows.of(which).to(learner.best.device)
        return whole_loss(
            lambda column, part: torch.as_tensor(learner(rows.at(column, part))), len(rows.columns), which,
            min(piece, config.piece or piece), lambda held: torch.as_tensor(criterion(held, groups)),
        )  # fmt: skip

    about = {"data": rows.digest(), "rows": len(rows.kept), "left_out": data.left_out(found)}
    sampler = rows.sampler(config.batch, config.seed, config.batches, lambda: _sides(config, rows, learner))
    tuning.finished("finetune", config, learner, loss, sampler, lambda: rows.measured(learner), "mrr", about, tell)
    return config.out


def _sides(config: Config, rows: Pairs, learner: Learner) -> np.ndarray:
    """Vectors (2, n, d) of the rows by the model at its start, made once and kept: what batches are mined by."""
    folder, known = config.out / "vectors", identity(config, learner.language.weights, rows.digest())
    folder.mkdir(parents=True, exist_ok=True)
    return together.in_turn(lambda: kept(folder / f"{known[:24]}.npy", lambda: rows.sides(learner)))
