"""Pointer chase: what latent steps are worth where depth is needed, and whether it is their content that is used.

24 edges, 1 to 5 of them to the answer, which is one of 32 documents; a model of two layers can follow two in a pass.
Every mode starts from its own random model. `none` and `pause` get as many steps of training as `latent`, its warm
start included; all see the same questions. `pause` is told at each learned token what it should say, as `latent` is.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.figure import Figure, check
from benchmarks.reason_chase import SHORT, Chaser, Questions
from benchmarks.reason_kept import kept
from benchmarks.reason_small import descend
from samespace.train.reason_losses import step_ce

__all__ = ["figures"]

_BATCH, _TEST, DEPTHS = 128, 2000, SHORT.depth


@dataclass(frozen=True)
class Found:
    """What one seed came to, shares in [0, 1]."""

    seconds: float
    hits: dict[str, float]
    steps: tuple[float, ...]
    halted: float
    named: float


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Three seeds. In the short form one, with less training: of the controls without latents it says little then."""
    torch.set_num_threads(1)
    runs = [
        kept("pointer", seed, lambda seed=seed: asdict(chase(seed, quick=quick)), quick=quick)  # type: ignore[misc]
        for seed in range(1 if quick else 3)
    ]
    found = [Found(**{key: value for key, value in run.items() if key != "CPU s"}) for run in runs]
    bars = {"none": "<= 0.35", "pause": "<= 0.35", "explicit": ">= 0.99", "latent": ">= 0.99", "zero": "<= 0.15"}
    bars |= {"shuffle": "<= 0.15"}
    if quick:
        bars |= {"explicit": ">= 0.9", "latent": ">= 0.9"}
    chance = "peer = chance 1/32; .25 by knowing the four ends"
    for mode in ("none", "pause", "explicit", "latent", "zero", "shuffle", "noise", "paused"):
        values = [f.hits[mode] for f in found]
        worst = max(values) if bars.get(mode, "<=").startswith("<=") else min(values)
        bar = bars.get(mode)
        yield Figure(
            f"pointer chase hit@1, {_SAYS[mode]}", worst, "", 1 / 32, bar, check(worst, bar) if bar else None,
            _TEST * len(found), f"worst of {len(found)} seeds: {_listed(values)}; {chance}",
        )  # fmt: skip
    yield from _halting(found, 1.0 if quick else 0.3)
    seconds = max(f.seconds for f in found)
    yield Figure(
        "pointer chase, all modes trained and tested", seconds, "CPU s a seed", None, "<= 180", seconds <= 180,
        len(found), f"worst of {len(found)} seeds; one thread",
    )  # fmt: skip


_SAYS = {
    "none": "no steps",
    "pause": "five learned tokens",
    "explicit": "five names written out",
    "latent": "five latent steps",
    "zero": "latents zeroed",
    "shuffle": "latents of another query",
    "noise": "latents random",
    "paused": "latents the end token",
}


def _halting(found: list[Found], far: float) -> Iterator[Figure]:
    for depth in range(1, DEPTHS + 1):
        values = [f.steps[depth - 1] for f in found]
        off = max(abs(v - depth) for v in values)
        yield Figure(
            f"pointer chase, steps taken at depth {depth} until the KL exit", values[0], "steps", float(depth),
            f"off <= {far}", off <= far, _TEST // DEPTHS * len(found), f"seeds: {_listed(values)}; peer = the depth",
        )  # fmt: skip
    yield Figure(
        "pointer chase hit@1, latent until the KL exit", min(f.halted for f in found), "",
        min(f.hits["latent"] for f in found), n=_TEST * len(found), notes="worst seed; peer = all five steps",
    )  # fmt: skip
    yield Figure(
        "pointer chase, share of latent steps that say their node", min(f.named for f in found), "", 1 / 32,
        n=_TEST * len(found) * DEPTHS, notes="by the vocabulary lens, before each step; peer = chance",
    )  # fmt: skip


def chase(seed: int, *, quick: bool) -> Found:
    """Train and test every mode."""
    began = time.process_time()
    warm, further = (150, 100) if quick else (250, 150)
    none, pause, explicit = Chaser(seed), Chaser(seed), Chaser(seed)
    _train(none, "none", 80 if quick else warm + further, seed)
    _train(pause, "pause", 80 if quick else warm + further, seed)
    _train(explicit, "explicit", warm, seed)
    latent = Chaser(seed)
    latent.load_state_dict(explicit.state_dict())
    _train(latent, "latent", further, seed + 100)
    asked = SHORT.ask(_TEST, torch.Generator().manual_seed(9999))
    with torch.inference_mode():
        thought = latent.ask(asked, DEPTHS)
        halted = latent.ask(asked, DEPTHS, until="kl")
        hits = {
            "none": none.hit(none.ask(asked, 0).embedding, asked),
            "pause": pause.hit(pause.ask(asked, DEPTHS, "parallel").embedding, asked),
            "explicit": explicit.hit(explicit.ask(asked, DEPTHS, "snap").embedding, asked),
            "latent": latent.hit(thought.embedding, asked),
            "zero": latent.hit(thought.ablate("zero").embedding, asked),
            "shuffle": latent.hit(thought.ablate("shuffle").embedding, asked),
            "noise": latent.hit(thought.ablate("noise").embedding, asked),
            "paused": latent.hit(thought.ablate("pause").embedding, asked),
        }
        named = [(thought.logits(k).argmax(-1) == asked.path[:, k]).float().mean().item() for k in range(DEPTHS)]
        steps = tuple(halted.used[asked.depth == d].float().mean().item() for d in range(1, DEPTHS + 1))
        stopped = latent.hit(halted.embedding, asked)
    return Found(time.process_time() - began, hits, steps, stopped, sum(named) / DEPTHS)


def _train(model: Chaser, mode: str, steps: int, seed: int) -> None:
    descend(model, lambda drawn: _loss(model, mode, SHORT.ask(_BATCH, drawn)), steps, seed)


def _loss(model: Chaser, mode: str, asked: Questions) -> torch.Tensor:
    """Retrieval, and for the modes with steps what each step should say."""
    if mode == "explicit":
        return model.written(asked, DEPTHS)
    if mode == "none":
        thought, told = model.ask(asked, 0), 0.0 * asked.start.sum()
    else:
        thought = model.ask(asked, DEPTHS, "parallel" if mode == "pause" else "scale")
        told = step_ce(thought, asked.path)
    return functional.cross_entropy(model.scores(thought.embedding), asked.end) + told


def _listed(values: list[float]) -> str:
    return ", ".join(f"{v:.3f}" for v in values)
