"""What finetune and distill share: how a language model begins to learn, and how a run of steps ends as a folder.

Imports torch; the teacher's framework where one is named. Letters: n items, w model width, d head width.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from samespace.encode import language, lora, tuned
from samespace.encode.language import Language
from samespace.encode.load import load as load_encoder
from samespace.encode.protocol import Encoder, Role
from samespace.errors import RecipeError
from samespace.items import Item
from samespace.space import Vectors
from samespace.train import check as check_rows
from samespace.train import limits, page, together
from samespace.train.example import Example
from samespace.train.heads import ridge
from samespace.train.identity import identity
from samespace.train.learner import Learner, embedded
from samespace.train.state import States
from samespace.train.steps import Loss, Schedule
from samespace.train.steps import run as run_steps
from samespace.train.vectors import encoded

__all__ = ["answers", "begun", "check", "closed", "finished", "opened", "taught"]

_BEST = "best.safetensors"


def check(config: Any) -> None:
    """Raise ValueError for settings of finetune or distill that make no sense."""
    limits.check(config)
    if config.weights == "full" and config.precision != "float32":
        raise ValueError("all weights are learned in float32 only\nUse --precision float32, or --weights lora")


def opened(config: Any, device: str | None) -> tuple[Language, nn.Linear | None]:
    """The base of a plan with what is to be learned in it, and the head it comes with.

    A base "tuned:FOLDER" goes on from there: how it is read and how many layers it has stay as they were. Raises
    RecipeError: it was trained by adapters and all weights are to be learned, or the other way round.
    """
    scheme, _, place = str(config.base).partition(":")
    if scheme == "tuned":
        used, head = tuned.opened(Path(place), device), tuned.head_of(Path(place))
        if (config.weights == "full") == bool(lora.adapters(used.model)):
            have, other = ("adapters", "lora") if config.weights == "full" else ("all weights", "full")
            fact = f"{place} was trained by {have}, and what is learned on top must be of the same kind"
            raise RecipeError(str(config.base), fact, f"Use --weights {other}")
    else:
        prompts: dict[Role, str] = {"query": config.query_prompt, "document": config.document_prompt}
        used = language.opened(
            str(config.base), layers=config.layers, precision=config.precision, pooling=config.pooling,
            template=config.template, prompts=prompts, instruction=config.instruction, max_tokens=config.max_tokens,
            max_pixels=config.max_pixels, device=device,
        )  # fmt: skip
        head = None
    if config.weights == "full":
        used.model.requires_grad_(True)
    elif not (held := lora.adapters(used.model)):
        lora.adapt(used.model, rank=config.rank, scale=config.scale, seed=config.seed)
    else:
        for part in held.values():
            part.requires_grad_(True)
    return used, head


def begun(config: Any, examples: Sequence[Example], kept: np.ndarray, device: str | None = None) -> Learner:
    """The learner at its start: where a teacher is named, with the head that comes nearest to its vectors.

    Args:
        config: of finetune or distill.
        examples: all rows.
        kept: positions of those to train on; `config.fitted` of their anchors and positives are looked at.
        device: None = as the model chooses.

    Raises DataError: a row holds what the base does not take.
    """
    used, head = opened(config, device)
    check_rows.taken(examples, str(config.base), used.body.takes)
    if config.teacher and head is None:
        teacher = load_encoder(config.teacher)
        some = [examples[row] for row in kept]
        sides: list[tuple[Role, Sequence[Item]]] = [
            ("query", [e.anchor for e in some]), ("document", [e.positive for e in some]),
        ]  # fmt: skip
        items = [(role, item) for role, side in sides for item in side if item.modality in teacher.modalities]
        chosen = np.random.default_rng(config.seed).permutation(len(items))[: config.fitted]
        drawn = [items[i] for i in sorted(chosen)]
        vectors = together.in_turn(lambda: taught(teacher, drawn, config.out / "vectors"))
        head, _ = closed(used, drawn, vectors, config.ridge)
    return Learner(used, head).to(used.body.device)


def taught(teacher: Encoder, items: Sequence[tuple[Role, Item]], folder: Path) -> Vectors:
    """A teacher's vectors (n, d) of items, each by its role; they are kept in the folder."""
    rows = np.zeros((len(items), teacher.space.dim), np.float32)
    roles: tuple[Role, ...] = ("query", "document")
    for role in roles:
        at = [i for i, (own, _) in enumerate(items) if own == role]
        rows[at] = encoded(teacher, [items[i][1] for i in at], role, folder).data
    return teacher.space.vectors(rows)


def closed(
    used: Language, items: Sequence[tuple[Role, Item]], vectors: Vectors, strength: float
) -> tuple[nn.Linear, np.ndarray]:
    """The closed form: a head from the model's states of items to their vectors less the mean of these.

    min_W |X Wᵀ - Y|² + strength n v |W|², X centred, v the mean variance of a state's coordinates. Not whitened: the
    spread of the states says what is worth listening to (docs/log.md).

    Args:
        used: the model, as it is.
        items: (n) with their roles.
        vectors: (n, d) a teacher's.
        strength: of the ridge, in units of v.

    Returns:
        the head, w → d, which stays as it is: its weights are so small that a step at an adapter's rate undoes them
        (docs/log.md); and the mean (d).
    """
    states = embedded(used, [used.prepare(item, role) for role, item in items])
    middle, mean = states.mean(dim=0), vectors.data.astype(np.float32).mean(axis=0)
    spread = float((states - middle).square().mean())
    weight = ridge(states - middle, answers(vectors, mean), strength * spread)
    head = nn.Linear(used.width, vectors.space.dim).requires_grad_(False)
    head.load_state_dict({"weight": weight, "bias": -weight @ middle})
    return head, mean


def finished(
    plan: str,
    config: Any,
    learner: Learner,
    loss: Loss,
    sampler: Any,
    measure: Callable[[], dict[str, float]],
    by: str,
    about: Mapping[str, Any],
    tell: Callable[[Mapping[str, float]], None],
) -> list[dict[str, float]]:
    """Run the steps and write the folder: the best state as a model, train.json, page.html, and the last state.

    Args:
        plan: its name.
        config: its settings.
        learner: at its start.
        loss: of a batch.
        sampler: of batches.
        measure: on the rows kept apart.
        by: the measure by which a state is best, higher is better.
        about: facts for train.json; "data" among them is part of what a state must agree with.
        tell: is told every point of the curve.

    Returns:
        the curve.
    """
    base = lora.frozen_hash(learner.language.model) if config.weights == "lora" else ""
    same = identity(config, plan, learner.language.weights, about["data"])

    def seen() -> dict[str, float]:
        point = measure()
        learner.keep_best(point[by], config.out / _BEST)
        return point

    curve = run_steps(
        learner, loss, sampler,
        Schedule(config.epochs, config.learning_rate, config.weight_decay, keep_every=config.every, seed=config.seed),
        States(config.out, same), seen, tell,
    )  # fmt: skip
    if together.first():
        _write(plan, config, learner, base, {**about, "curve": curve})
    together.wait()
    return curve


def _write(plan: str, config: Any, learner: Learner, base: str, about: Mapping[str, Any]) -> None:
    """The folder of a finished run, from its best state."""
    learner.put_best(config.out / _BEST)
    settings = _settings(config)
    tuned.save(learner.language, learner.head, config.out)
    unchanged = base == lora.frozen_hash(learner.language.model) if base else None
    facts = {"plan": plan, "config": settings, "base_unchanged": unchanged, **about}
    (config.out / "train.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    page.write(config.out / "page.html", plan, settings, about["curve"])


def _settings(config: Any) -> dict[str, str]:
    return {key: str(value) for key, value in asdict(config).items()}


def answers(vectors: Vectors, mean: np.ndarray) -> Tensor:
    """A teacher's vectors less their mean, at unit length (n, d) float32."""
    centred = torch.from_numpy(vectors.data.astype(np.float32) - mean)
    return nn.functional.normalize(centred, dim=1)
