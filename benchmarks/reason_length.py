"""Length: a model that was taught to think five steps thinks ten, with and without what should make it able to.

The pointer chase with three chains of eleven nodes. In training the start is 1 to 5 edges from the end and five steps
are thought; the test asks for 6 to 10 edges and thinks ten. Edges are the same in both; only starts and steps are not.
Every latent variant goes on from the same model, which was taught to write its steps.
"""

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from benchmarks.figure import Figure
from benchmarks.reason_chase import DEEP, Chaser, Questions
from benchmarks.reason_kept import kept
from benchmarks.reason_small import descend
from samespace.reason.thought import Thought
from samespace.train.reason_switches import Switches

__all__ = ["figures"]

_BATCH, _TEST, _TAUGHT = 128, 2000, 5
_NEAR = replace(DEEP, depths=(1, _TAUGHT))
_VARIANTS = {
    "steps not told": Switches(told=False),
    "told": Switches(),
    "told, corrupted": Switches(corrupted=0.5, noise=0.5),
    "told, snapped": Switches(snapped=True),
    "told, snapped, corrupted": Switches(snapped=True, corrupted=0.5, noise=0.5),
}


@dataclass(frozen=True)
class Lengths:
    """Hits of one variant, shares in [0, 1].

    Attributes:
        near: at depths 1 to 5, with five steps.
        far: at depths 6 to 10, with ten.
        each: of `far`, by depth.
        zero, shuffle: as `far`, with the latents zeroed or another query's.
    """

    near: float
    far: float
    each: tuple[float, ...]
    zero: float
    shuffle: float


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Three seeds; in the short form one, with less training."""
    torch.set_num_threads(1)
    runs = [
        kept("length", seed, lambda seed=seed: lengths(seed, quick=quick), quick=quick)  # type: ignore[misc]
        for seed in range(1 if quick else 3)
    ]
    spent = [run.pop("CPU s") for run in runs]
    for name in runs[0]:
        made = [Lengths(**run[name]) for run in runs]
        worst = min(m.far for m in made)
        yield Figure(
            f"trained at depths 1-5, hit@1 at 6-10: {name}", worst, "", max(m.zero for m in made), n=_TEST * len(runs),
            notes=f"worst of {len(runs)} seeds: {_listed([m.far for m in made])}; by depth, seed 0: "
            f"{_listed(made[0].each)}; at 1-5: {_listed([m.near for m in made])}; peer = zeroed; with another's: "
            f"{_listed([m.shuffle for m in made])}; chance 1/40, .33 by knowing the ends",
        )  # fmt: skip
    yield Figure(
        "length, all variants trained and tested", max(spent), "CPU s a seed", n=len(runs),
        notes="the slowest seed; one thread",
    )  # fmt: skip


def lengths(seed: int, *, quick: bool) -> dict[str, dict[str, Any]]:
    """Train and test every variant: Lengths, as plain data."""
    warm, further = (150, 100) if quick else (300, 200)
    explicit = Chaser(seed, DEEP)
    descend(explicit, lambda drawn: explicit.written(_NEAR.ask(_BATCH, drawn), _TAUGHT), warm, seed)
    found = {"explicit, written out": asdict(_tested(explicit, Switches(snapped=True)))}
    chosen = list(_VARIANTS)[1:5:3] if quick else list(_VARIANTS)
    for name in chosen:
        switches, model = _VARIANTS[name], copy.deepcopy(explicit)
        torch.manual_seed(seed)

        def loss(drawn: torch.Generator, model: Chaser = model, switches: Switches = switches) -> torch.Tensor:
            return _thought(model, switches, _NEAR.ask(_BATCH, drawn))

        descend(model, loss, further, seed + 100)
        found[f"latent: {name}"] = asdict(_tested(model, switches))
    return found


def _thought(model: Chaser, switches: Switches, asked: Questions) -> torch.Tensor:
    made = model.ask(asked, _TAUGHT, switches.feedback, adapter=switches.adapter())
    return functional.cross_entropy(model.scores(made.embedding), asked.end) + switches.loss(
        made, asked.path[:, :_TAUGHT]
    )


@torch.inference_mode()
def _tested(model: Chaser, switches: Switches) -> Lengths:
    near = _NEAR.ask(_TEST, torch.Generator().manual_seed(9998))
    far = DEEP.ask(_TEST, torch.Generator().manual_seed(9999))
    thought = model.ask(far, DEEP.depth, switches.feedback)
    right = model.scores(thought.embedding).argmax(-1) == far.end
    each = tuple(float(right[far.depth == depth].float().mean()) for depth in range(DEEP.depths[0], DEEP.depth + 1))
    return Lengths(
        model.hit(model.ask(near, _TAUGHT, switches.feedback).embedding, near),
        float(right.float().mean()),
        each,
        _without(model, thought, far, "zero"),
        _without(model, thought, far, "shuffle"),
    )


def _without(model: Chaser, thought: Thought, asked: Questions, how: str) -> float:
    return model.hit(thought.ablate(how).embedding, asked)  # type: ignore[arg-type]  # two of its words


def _listed(values: "tuple[float, ...] | list[float]") -> str:
    return " ".join(f"{v:.3f}" for v in values)
