"""Three stages, each from the last: texts, then pairs with pictures, then fine-tuning with mined hard negatives.

A thin composition of finetune over three data files. The negatives of the third are mined by the model of the second
stage: what it takes for right though no row says so.

Reference: the stages of Seed1.6-Embedding (text continue-train, multimodal continue-train, fine-tune).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from samespace.durably import drafted
from samespace.encode import tuned
from samespace.encode.weights import sha256
from samespace.errors import DataError
from samespace.items import Item, Text
from samespace.train import check, data, mining, together
from samespace.train.example import Example
from samespace.train.plans import finetune

__all__ = ["Config", "run"]

_MARK = b"samespace_mined_of"


@dataclass(frozen=True)
class Config:
    """Settings of the plan: three data files, and what the three runs of finetune share."""

    base: str  # folder, .gguf file or org/model of a language model
    texts: Path  # parquet of the first stage: anchor and positive, texts
    pairs: Path  # parquet of the second: texts and pictures
    tasks: Path  # parquet of the third, for which negatives are mined: anchor, positive, instruction
    out: Path  # folder; text, pairs and tasks inside it are the stages, tasks the result
    weights: Literal["lora", "full"] = "lora"  # what is learned: adapters, or every weight
    rank: int = 16  # of the adapters
    layers: int | None = None  # keep the model's first so many; none = all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the frozen weights; adapters are float32
    pooling: Literal["last", "mean"] = "last"  # which tokens the vector is read from
    template: str | None = None  # words around {text}, with {prompt} and {image} where they stand; none = prompt, text
    query_prompt: str = ""  # before an anchor; {instruction} is the row's
    document_prompt: str = ""  # before a positive or negative
    max_tokens: int = 128  # of an item with its prompt
    max_pixels: int | None = None  # of a picture; none = as the model's files say
    teacher: str | None = None  # encoder towards whose vectors the head starts, as scheme:name; none = no head
    negatives: int = 4  # mined for a row
    relative: float = 0.05  # a negative scores at most this share less than the row's positive
    epochs: int = 1  # passes over the rows, in each stage
    batch: int = 32  # rows
    learning_rate: float = 3e-4  # at its peak, in the first stage; half of it in the second, a quarter in the third
    held_out: float = 0.1  # share of the anchors kept apart for measuring, in (0, 1)
    every: int = 50  # steps between two states and two measurements
    seed: int = 0  # of the split, the order and the adapters

    def __post_init__(self) -> None:
        self.stage(self.base, self.texts, "text", 1.0)

    def stage(self, base: str, rows: Path, name: str, share: float) -> finetune.Config:
        """One run of finetune, at a share of the learning rate."""
        own = {"texts", "pairs", "tasks", "relative"}
        shared = {key: value for key, value in asdict(self).items() if key not in own}
        changed: dict[str, Any] = {
            "base": base, "data": rows, "out": self.out / name, "learning_rate": share * self.learning_rate,
        }  # fmt: skip
        return finetune.Config(**{**shared, **changed})


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns the folder of the last stage. A run that was stopped goes on in the stage it was in.

    Raises:
        DataError: a data file cannot be used. DivergedError, CheckpointError: see steps.run.
    """
    for rows in (config.texts, config.pairs, config.tasks):
        data.peek(rows)
    first = finetune.run(config.stage(config.base, config.texts, "text", 1.0), tell)
    second = finetune.run(config.stage(f"tuned:{first}", config.pairs, "pairs", 0.5), tell)
    hard, mark = config.out / "mined.parquet", _mark(config, second)
    if together.first() and not _mined(hard, mark):
        _mine(config, second, hard, mark)
    together.wait()
    return finetune.run(config.stage(f"tuned:{second}", hard, "tasks", 0.25), tell)


def _mark(config: Config, model: Path) -> str:
    """What the third stage's rows are mined of: changed rows, another model or other settings change it."""
    made = hashlib.sha256(f"{config.negatives} {config.relative}".encode() + (model / "train.json").read_bytes())
    files = sorted(config.tasks.glob("*.parquet")) if config.tasks.is_dir() else [config.tasks]
    made.update(" ".join(sha256(file) for file in files).encode())
    return made.hexdigest()


def _mined(path: Path, mark: str) -> bool:
    """Whether the rows are there, and mined of that."""
    return path.is_file() and (pq.read_schema(path).metadata or {}).get(_MARK) == mark.encode()


def _mine(config: Config, model: Path, path: Path, mark: str) -> None:
    """Write the rows of the third stage with the negatives that the model finds hard."""
    examples, _ = data.load(config.tasks, skip=True)
    encoder = tuned.load(str(model))
    check.taken(examples, str(config.base), encoder.modalities, ["anchor", "positive"])
    mined = mining.mine(examples, encoder, count=config.negatives, relative=config.relative)
    rows = [_row(example) for example in mined]
    with drafted(path) as draft:
        pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({_MARK: mark}), draft)


def _row(example: Example) -> dict[str, Any]:
    sides = {"anchor": _cell(example.anchor), "positive": _cell(example.positive)}
    return {**sides, "negatives": [_cell(item) for item in example.negatives], "instruction": example.instruction}


def _cell(item: Item) -> dict[str, Any]:
    """An item as a cell of parquet. Raises DataError for one that has no such form."""
    if isinstance(item, Text):
        return {"text": item.text}
    if item.modality in ("image", "audio", "video"):
        return {item.modality: item.blob.read()}  # type: ignore[union-attr]  # these have one
    raise DataError(None, "", f"negatives cannot be mined for items of kind {item.modality}", "Give texts or pictures")
