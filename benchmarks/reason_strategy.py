"""Real questions that hide their steps: StrategyQA, question → its facts, by what SmolLM2-135M makes of the question.

2,061 questions, 5,515 facts, 2.7 of them belonging to a question. The documents are MiniLM's vectors of the facts and
stay as they are; a query is MiniLM's vector of the question plus what a reasoner adds. The reasoner is two layers, w
256, over SmolLM2's own states of the question's tokens (14 of its layers, frozen and computed once), so that all modes
and seeds fit a processor. It is told, at each step, MiniLM's vector of that step of the question's decomposition.

`explicit` reads the decomposition that people wrote: no model at hand could write it, so it is what could be had at
most. In `explicit` MiniLM reads it as well; in `explicit, reasoner alone` the reasoner does.

all@10 = every fact of a question is among the first ten. hard@10 = of the facts that MiniLM's question misses in its
first ten, how many are there. Split by question, anew for each seed: 230 for the test, the others to train.

Letters: b questions, n facts, t tokens, w width, d width of MiniLM, s steps.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.figure import Figure, check
from benchmarks.reason_kept import OUT
from benchmarks.reason_small import Small
from benchmarks.reason_smol import lacking
from benchmarks.reason_strategy_data import MOST, STEPS, TEST, Data, gathered, measured, split
from samespace.errors import WeightsNotFoundError
from samespace.reason.thought import Ablation, Thought
from samespace.train.reason_losses import trajectory

__all__ = ["figures"]

_BATCH, _WIDTH = 64, 256
_TEMPERATURE, _RATE = 0.05, 1e-3


@dataclass(frozen=True)
class Mode:
    """One way to make the query.

    Attributes:
        steps: latent or paused ones.
        paused: they are learned tokens.
        reads: the reasoner reads the decomposition.
        minilm: MiniLM reads it.
        told: weight of the steps' loss.
        first: how many of the decomposition's steps are told.
        summed: what the steps say is added to the query.
        aligned: weight of keeping the states at those of `explicit` after each step.
        warm: goes on from `explicit, reasoner alone`.
    """

    steps: int = 0
    paused: bool = False
    reads: bool = False
    minilm: bool = False
    told: float = 0.5
    first: int = STEPS
    summed: bool = False
    aligned: float = 0.0
    warm: bool = False


MODES = {
    "none": Mode(),
    "latent": Mode(STEPS),
    "explicit": Mode(reads=True, minilm=True),
    "explicit, reasoner alone": Mode(reads=True),
    "latent, steps added to the query": Mode(STEPS, summed=True, told=2.0),
    "latent, along explicit's states": Mode(STEPS, warm=True, aligned=0.5),
    "pause": Mode(STEPS, paused=True),
    "latent, from explicit": Mode(STEPS, warm=True),
    "latent, not told": Mode(STEPS, told=0.0),
    "latent, eight steps": Mode(8),
    "latent, five steps, all told": Mode(MOST, first=MOST),
}
_TEACHER = "explicit, reasoner alone"
_QUICK = 5  # modes of the short form
_CHECKED = tuple(name for name, mode in MODES.items() if mode.steps and not mode.paused)


class Query(Small):
    """MiniLM's vector and what the reasoner adds to it."""

    def __init__(self, seed: int) -> None:
        super().__init__(1, 8, seed, width=_WIDTH)
        self.enter = nn.Linear(576, _WIDTH)
        self.out, self.say = nn.Linear(_WIDTH, 384), nn.Linear(_WIDTH, 384)
        self.share = nn.Parameter(torch.full((8,), 0.1))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def entered(self, data: Data, mode: Mode, at: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What the reasoner reads (b, t, w), padded on the left, and its mask (b, t)."""
        from torch.nn.utils.rnn import pad_sequence

        states = [data.states[i] if mode.reads else data.states[i][: data.words[i]] for i in at]
        there = [torch.ones(len(one), dtype=torch.long) for one in states]
        padded = pad_sequence([one.float() for one in states], batch_first=True, padding_side="left")
        return self.enter(padded), pad_sequence(there, batch_first=True, padding_side="left")

    def read(self, data: Data, mode: Mode, at: Sequence[int]) -> Thought:
        """Think about some questions."""
        read, mask = self.entered(data, mode, at)
        return self.think(read, mode.steps, "parallel" if mode.paused else "scale", mask=mask)

    def vector(self, data: Data, mode: Mode, at: Sequence[int], thought: Thought) -> Tensor:
        """The query (b, d)."""
        made = (data.decomposed if mode.minilm else data.question)[at] + self.out(thought.embedding)
        if mode.summed:
            made = made + (self.share[: mode.first, None] * self.said(thought, mode.first)).sum(1)
        return functional.normalize(made, dim=-1)

    def said(self, thought: Thought, n: int) -> Tensor:
        """What the states before the first n steps say (b, n, d), of unit length."""
        return functional.normalize(self.say(thought.states[:, :n]), dim=-1)


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Three seeds; in the short form one. What is done is kept under benchmarks/out/reason, so a run can be stopped."""
    if not (data / "strategyqa").is_dir():
        print("strategy: not run, for want of the shared data", file=sys.stderr)
        return
    if lacking("strategy", "pyarrow"):
        return
    try:
        gathered(data)
    except WeightsNotFoundError as absent:
        print(f"strategy: not run: {str(absent).splitlines()[0]}", file=sys.stderr)
        return
    torch.set_num_threads(1)
    names = list(MODES)[:_QUICK] if quick else list(MODES)
    runs = [_of(seeded(data, seed, names), names) for seed in range(1 if quick else 3)]
    n = TEST * len(runs)
    for name in runs[0]:
        made = [run[name] for run in runs]
        for figure in ("all@10", "hard@10"):
            values = [one[figure] for one in made]
            peer = np.mean([run["none"][figure] for run in runs])
            yield Figure(
                f"StrategyQA {figure}, {name}", float(np.mean(values)), "", float(peer),
                n=n if figure == "all@10" else sum(int(one["hard"]) for one in made),
                notes=f"mean of {len(runs)} seeds: {' '.join(f'{v:.3f}' for v in values)}; peer = none; R@10 "
                f"{np.mean([one['R@10'] for one in made]):.3f}, hit@1 {np.mean([one['hit@1'] for one in made]):.3f}",
            )  # fmt: skip
    for name in (one for one in names if one in _CHECKED):
        lost = [
            run[name]["all@10"] - max(run[f"{name}: zeroed"]["all@10"], run[f"{name}: other query's"]["all@10"])
            for run in runs
        ]
        used = float(np.mean(lost))
        verdict = "the latents are used" if used > 0.02 else "latents not used: taking them away costs nothing"
        yield Figure(f"StrategyQA all@10 lost without the latents, {name}", used, "", n=n, notes=verdict)
    gain = float(np.mean([run["explicit"]["all@10"] - run["none"]["all@10"] for run in runs]))
    yield Figure(
        "StrategyQA all@10, written decomposition over none", gain, "", None, ">= 0.03", check(gain, ">= 0.03"), n
    )


def _of(run: dict[str, dict[str, float]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """What these modes came to, and what needs no training."""
    return {key: made for key, made in run.items() if key.partition(":")[0] in names or key.startswith("MiniLM")}


def seeded(data: Path, seed: int, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Some modes of one seed; those that were done before are not done again."""
    kept = OUT / f"strategyqa-seed-{seed}.json"
    found: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.exists() else {}
    given, (train, test) = gathered(data), split(seed)
    if "MiniLM's question" not in found:
        found["MiniLM's question"] = measured(given, test, given.question[test])
        found["MiniLM's question and decomposition"] = measured(given, test, given.decomposed[test])
    models: dict[str, Query] = {}
    for name in names:
        mode, teaches = MODES[name], any(MODES[other].warm and other not in found for other in names)
        if name in found and not (name == _TEACHER and teaches):
            continue
        began = time.process_time()
        models[name] = trained(given, train, mode, seed, models.get(_TEACHER))
        found |= tested(name, models[name], given, test, mode)
        found[name]["CPU s"] = time.process_time() - began
        kept.write_text(json.dumps(found, indent=1))
    return found


def trained(data: Data, train: Sequence[int], mode: Mode, seed: int, teacher: Query | None, passes: int = 3) -> Query:
    """AdamW, the rate rising over 10 steps and falling over the last third."""
    model = Query(seed)
    if mode.warm and teacher is not None:
        model.load_state_dict(teacher.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=0.1)
    drawn, total, number = np.random.default_rng(seed + 1), passes * (len(train) // _BATCH), 0
    for _ in range(passes):
        order = drawn.permutation(train)
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            for group in optimizer.param_groups:
                group["lr"] = _RATE * min((number + 1) / 10, 1.0, (total - number) / (total / 3))
            loss = _loss(data, model, mode, order[start : start + _BATCH].tolist(), teacher)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            number += 1
    return model


def _loss(data: Data, model: Query, mode: Mode, at: list[int], teacher: Query | None) -> Tensor:
    thought = model.read(data, mode, at)
    chances = (model.vector(data, mode, at, thought) @ data.facts.T / _TEMPERATURE).log_softmax(-1)
    loss = -torch.stack([chances[row, data.gold[i]].mean() for row, i in enumerate(at)]).mean()
    if mode.steps and mode.told:
        wanted = data.steps[at][:, : mode.first]
        there = wanted.norm(dim=-1) > 0
        loss = loss + mode.told * (1 - (model.said(thought, mode.first) * wanted).sum(-1))[there].mean()
    if mode.aligned and teacher is not None:
        loss = loss + mode.aligned * trajectory(thought, _ends(teacher, data, at))
    return loss


@torch.no_grad()
def _ends(teacher: Query, data: Data, at: list[int]) -> Tensor:
    """States (b, 4, w) of the reasoner that reads the decomposition: after the question, then thrice further on."""
    read, mask = teacher.entered(data, Mode(reads=True), at)
    place = (mask.cumsum(1) - 1).clamp(min=0)
    hidden = teacher.model.base_model(inputs_embeds=read, attention_mask=mask, position_ids=place).last_hidden_state
    width = hidden.shape[1]
    rows = []
    for row, i in enumerate(at):
        first, last = data.words[i], len(data.states[i])
        ends = [width - last + first - 1 + round(k * (last - first) / STEPS) for k in range(STEPS + 1)]
        rows.append(hidden[row, ends])
    return torch.stack(rows)


@torch.inference_mode()
def tested(name: str, model: Query, data: Data, test: list[int], mode: Mode) -> dict[str, dict[str, float]]:
    """A mode, and for latents what is left without them."""
    thought = model.read(data, mode, test)
    found = {name: measured(data, test, model.vector(data, mode, test, thought))}
    ways: dict[str, Ablation] = {"zeroed": "zero", "other query's": "shuffle"}
    for said, how in ways.items() if name in _CHECKED else ():
        found[f"{name}: {said}"] = measured(data, test, model.vector(data, mode, test, thought.ablate(how)))
    return found
