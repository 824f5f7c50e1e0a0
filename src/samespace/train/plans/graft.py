"""Graft pictures into a language model: a frozen tower's cells become tokens, read out at their mean (LLaVA's way).

Rows of words → picture give a model whose pictures lie in a text model's Space; rows of picture + words → picture one
that reads queries. The rival is `fuse`, which docs/train.md holds it against. The best state on rows kept apart is what
is written.

Reference: Liu et al., LLaVA, arXiv:2304.08485; Jiang et al., E5-V, arXiv:2407.12580 (read out as an embedding).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from samespace.encode import grafted, language, lora, tuned
from samespace.encode.graft import Graft
from samespace.encode.load import lasting
from samespace.encode.load import load as load_encoder
from samespace.errors import RecipeError
from samespace.train import batches, data, limits, page, tuning
from samespace.train.asked import asked
from samespace.train.grafting import Growing, Grown, Task, closed, composed
from samespace.train.identity import identity
from samespace.train.perceptron import Perceptron
from samespace.train.split import held_out
from samespace.train.state import States
from samespace.train.steps import Schedule
from samespace.train.steps import run as run_steps
from samespace.train.vectors import encoded

__all__ = ["Config", "run"]


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    data: Path  # parquet: anchor (words, or picture and words), positive (a picture), negatives (pictures)
    base: str  # causal language model: a folder, a .gguf file, org/model[@revision], or tuned:FOLDER to go on from one
    out: Path  # folder for what comes of it
    tower: str = "lite0-grid:2-160"  # encoder of the pictures, as scheme:name; stays as it is
    text: str = "multilingual-e5-small"  # of captions: encoder whose space they are grafted to; stays as it is
    tokens: int = 4  # into how many a picture's vector is cut: the tower's cells
    layers: int | None = 8  # of the language model, the first so many; none = all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the language model; bfloat16 where the processor has it
    pooling: Literal["last", "mean"] = "mean"  # which of its tokens are read out
    template: str = "Picture {text} shows:"  # what is read; the picture stands behind its first token
    max_tokens: int = 64  # of words with the template
    rank: int = 16  # of the adapters
    start: int = 0  # captions on which the head is fitted in closed form before anything is learned; it then stays
    hidden: int = 512  # inner width of the projector, and of the layers for pictures
    dim: int = 256  # width of the Space of composed queries
    epochs: int = 4  # passes over the rows
    batch: int = 64  # rows
    learning_rate: float = 1e-3  # at its peak
    weight_decay: float = 0.01  # of AdamW
    temperature: float = 0.05  # of the loss, where it starts
    dropout: float = 0.1  # share left out of the layers for pictures, in [0, 1)
    held_out: float = 0.05  # share of the anchors kept apart for choosing the best state, in (0, 1)
    every: int = 20  # steps between two states and two measurements
    shuffle: bool = False  # train on words dealt out anew: the control
    seed: int = 0  # of the split, the start and the order

    def __post_init__(self) -> None:
        limits.check(self)


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Train; returns `out`, with grafted.safetensors, grafted.json, the adapters, page.html and the last state.

    Raises:
        DataError: the rows cannot be used. RecipeError: the base is no causal language model.
        DivergedError, CheckpointError: see steps.run.
    """
    examples, found = data.load(config.data, skip=True)
    rows = asked(examples)
    both = composed(rows)
    used, known = _opened(config)
    tower, text = load_encoder(config.tower), None if both else load_encoder(config.text)
    pictures = encoded(tower, rows.pictures, "document", config.out / "vectors")
    kept, apart = held_out(rows.groups, config.held_out, config.seed)
    said = rows.dealt(kept, config.seed + 1) if config.shuffle else rows.said
    answers, beside = None, dict[str, Any]()
    if text is not None:
        texts = encoded(text, rows.texts, "query", config.out / "vectors")
        beside["mean"] = texts.data[rows.said[kept]].mean(axis=0, dtype=np.float64).astype(np.float32)
        answers = tuning.answers(texts, beside["mean"])
    torch.manual_seed(config.seed)
    graft = Graft(used, tower.space.dim, config.tokens, config.hidden, text.space.dim if text else config.dim)
    some = pictures.data[rows.candidates(kept)]
    looks = Perceptron(some, config.hidden, config.dim, config.dropout) if both else None
    ready = [graft.ready(words) for words in [*(t.text if both else "" for t in rows.texts), ""]]
    task = Task(rows, said, torch.from_numpy(pictures.data.copy()), ready, answers)
    if text is not None and config.start:
        closed(task, graft, kept[: config.start], texts)
    model = Grown(Growing(graft, looks), config.temperature)
    never_twice = batches.group_by([0] * len(kept), apart=rows.groups[kept].tolist())
    curve = run_steps(
        model,
        lambda batch, piece: task.loss(model.train(), kept[batch], piece),
        never_twice(kept, batch_size=config.batch, seed=config.seed),
        Schedule(config.epochs, config.learning_rate, config.weight_decay, keep_every=config.every, seed=config.seed),
        States(config.out, identity(config, pictures, rows.numbers(), known)),
        lambda: task.measure(model, apart),
        tell,
    )
    model.best.put_back(model.parts)
    settings = {key: str(value) for key, value in asdict(config).items()}
    facts = {"config": settings, "rows": len(kept), "left_out": data.left_out(found), "curve": curve}
    spaces = [encoder.space.to_dict() if encoder else None for encoder in (tower, text)]
    names = {"tower": lasting(config.tower), "tower_space": spaces[0], "text": lasting(config.text) if text else None}
    beside |= looks.frozen().tensors("looks") if looks else {}
    grafted.save(graft, beside, {**names, "text_space": spaces[1], "facts": facts}, config.out)
    page.write(config.out / "page.html", "graft", settings, curve)
    return config.out


def _opened(config: Config) -> tuple[language.Language, str]:
    """The base with adapters in it that learn, and a hash of what it is.

    A base "tuned:FOLDER" goes on from there: how it is read and how many layers it has stay as they were. Raises
    RecipeError: it is no causal language model, or all its weights were trained.
    """
    scheme, _, place = config.base.partition(":")
    if scheme == "tuned":
        used, known = tuned.opened(Path(place), "cpu"), tuned.digest(Path(place))
        if not (held := lora.adapters(used.model)):
            raise RecipeError(
                config.base,
                "all its weights were trained, and a graft learns by adapters",
                "Train it anew with --weights lora",
            )
        for part in held.values():
            part.requires_grad_(True)
    else:
        used = language.opened(
            config.base, layers=config.layers, precision=config.precision, pooling=config.pooling,
            template=config.template, max_tokens=config.max_tokens, device="cpu",
        )  # fmt: skip
        known = used.weights
        lora.adapt(used.model, rank=config.rank, seed=config.seed)
    if used.recipe.family != "causal":
        mend = "Train it as it is: samespace train finetune --base …"
        raise RecipeError(config.base, f"it is of family {used.recipe.family!r} and has eyes of its own", mend)
    return used, known
