"""A real language model follows a chain in words: SmolLM2-135M with LoRA, thinking by latent steps or in writing.

Stories of people who tell each other (reason_tales), 1 to 5 tellings to follow, the answer retrieved among the
documents of 40 names, which the model encodes as it comes. All modes go on from `explicit`, each with its own LoRA, so
that all can look a name up and read one out. `latent` feeds back embeddings weighted by the model's chances (`soft`):
it then names its steps from the outset, where states as they are (`scale`) would have to be learned anew. All but
`latent` are taught on all of a story's questions at once, each of which sees the story and itself alone. All thirty
layers run: what looks a name up in a text sits in the upper ones (a ridge probe for the next name finds 5 % up to layer
14, 39 % at layer 22, 50 % at the end), so LoRA is on these. Whatever is done is kept under benchmarks/out/reason: a run
can be stopped and gone on with.

Short form: a round of six, one seed, little training. Full form: a round of twelve, three seeds.
Letters: b questions, h tellings, m questions to a story, n names or tokens, s steps, t tokens, w width.
"""

import copy
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.figure import Figure, check
from benchmarks.reason_kept import OUT
from benchmarks.reason_smol import adapted, lacking, model, tokenizer
from benchmarks.reason_tales import DEPTHS, Asked, Tales
from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.protocol import Feedback
from samespace.reason.thought import Ablation, Thought
from samespace.train.reason_losses import step_ce

__all__ = ["figures"]

_TEMPERATURE, _RATE, _FIRST = 0.1, 1e-3, 12
_LOST: dict[str, Ablation] = {"zeroed": "zero", "other query's": "shuffle"}
_LATENT = ("latent", *_LOST)
_FEEDBACK: dict[str, Feedback] = {"pause": "parallel", "explicit": "snap", "latent": "soft"}


@dataclass(frozen=True)
class Form:
    """How large a run is.

    Attributes:
        people: in a round.
        batch: stories a step; twice as many for `latent`, of whose questions there is one to a story.
        warm: steps of training of `explicit`, in rounds: in the first it learns to write names, which then are right,
            in the second to read them out; the rate rises anew.
        further: of `latent`, behind these.
        plain: of `none` and `pause`, behind these.
        test: questions a depth.
        seeds: how many runs.
    """

    name: str
    people: int
    batch: int
    warm: tuple[int, ...]
    further: int
    plain: int
    test: int
    seeds: int


SHORT = Form("short", 6, 4, (90, 60), 20, 20, 40, 1)
FULL = Form("full", 12, 8, (400, 200), 100, 300, 200, 3)


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """All modes and their controls."""
    if lacking("worded", "peft"):
        return
    torch.set_num_threads(1)
    form = SHORT if quick else FULL
    runs = [seeded(form, seed) for seed in range(form.seeds)]
    said = "SmolLM2-135M with LoRA"
    means = {mode: [sum(run[mode]["hits"]) / DEPTHS for run in runs] for mode in runs[0]}
    guessed = max(*means["none"], 1 / form.people)
    bars = {"latent": f">= {guessed + 0.2:.3f}", "zeroed": f"<= {min(means['latent']) - 0.2:.3f}"}
    bars["other query's"] = bars["zeroed"]
    for mode, values in means.items():
        bar = bars.get(mode)
        worst = min(values) if (bar or ">=").startswith(">=") else max(values)
        yield Figure(
            f"who was told, hit@1, {said}, {mode}", worst, "", max(means["none"]), bar,
            check(worst, bar) if bar else None, form.test * DEPTHS * form.seeds,
            f"worst of {form.seeds} seeds: {_listed(values)}; by tellings 1-5, seed 0: "
            f"{_listed(runs[0][mode]['hits'])}; peer = none; {_taught(form, mode)}, "
            f"{runs[0][mode]['CPU s']:.0f} CPU s; "
            f"chance 1/40, 1/{form.people} by the story's names",
        )  # fmt: skip


def seeded(form: Form, seed: int) -> dict[str, dict[str, Any]]:
    """All modes of one seed."""
    OUT.mkdir(parents=True, exist_ok=True)
    kept = OUT / f"worded-{form.name}-{seed}.json"
    found: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    for mode in ("explicit", "latent", "none", "pause"):
        if mode in found:
            continue
        began = time.process_time()
        teller = Teller(form, mode, seed)
        _warmed(teller, form, seed)
        if mode != "explicit":
            trained(teller, form.further if mode == "latent" else form.plain, seed)
        spent = time.process_time() - began
        for name in _LATENT if mode == "latent" else (mode,):
            found[name] = {"hits": teller.tested(form.test, name), "CPU s": spent}
        kept.write_text(json.dumps(found, indent=1))
    return found


def _taught(form: Form, mode: str) -> str:
    if mode == "explicit":
        return f"{sum(form.warm)} steps of training"
    return f"{form.further if mode in _LATENT else form.plain} steps of training behind explicit's"


def _warmed(teller: "Teller", form: Form, seed: int) -> None:
    """Teach to write, and keep each round's weights; what is kept is not taught again."""
    mode, teller.mode = teller.mode, "explicit"
    for number, steps in enumerate(form.warm):
        weights = OUT / f"worded-{form.name}-{seed}-explicit-{number}.pt"
        if weights.exists():
            teller.load_state_dict(torch.load(weights, weights_only=True), strict=False)
            continue
        trained(teller, steps, seed + 100 * number)
        torch.save({k: v for k, v in teller.state_dict().items() if "lora" in k}, weights)
    teller.mode = mode


@cache
def _loaded() -> tuple[Any, Any]:
    """The tokenizer and the model as it comes."""
    return tokenizer(), model(dtype=torch.bfloat16)


class Teller(nn.Module):
    """The model with its LoRA, and learned tokens for "pause"."""

    def __init__(self, form: Form, mode: str, seed: int) -> None:
        super().__init__()
        words, plain = _loaded()
        self.mode, self.batch, self.people, self.tales = mode, form.batch, form.people, Tales(words, form.people)
        self.model = adapted(copy.deepcopy(plain), _FIRST, 16, seed)
        table = self.model.get_input_embeddings().weight.detach().float()
        head = nn.Linear(table.shape[1], table.shape[0], bias=False)
        head.weight = nn.Parameter(table, requires_grad=False)
        self.backbone = Backbone.of(self.model, head=head)  # in float32 it is five times as fast here
        self.pauses = Latent(table.shape[1], steps=DEPTHS, feedback="parallel", seed=seed)
        with torch.no_grad():
            alone, asked = self.documents(), self.tales.ask(24, 3, torch.Generator().manual_seed(0))
            first = self.think(asked, "snap").embedding.float()
        self.mean, self.spread = first.mean(0), first.std(0) + 1e-3
        self.known = functional.normalize((alone - alone.mean(0)) / (alone.std(0) + 1e-3), dim=-1)

    def think(self, asked: Asked, feedback: Feedback | None = None) -> Thought:
        """Read b stories with one question each, and think as the mode says, or so; as many steps as tellings."""
        ids = torch.cat([asked.story, asked.question[:, 0]], 1)
        ids = torch.cat([ids, torch.full_like(ids[:, :1], self.tales.end)], 1)
        how = feedback or _FEEDBACK.get(self.mode, "soft")
        reasoner = self.pauses if how == "parallel" else Latent(self.backbone.width, feedback=how)
        steps = 0 if self.mode == "none" and not feedback else asked.path.shape[-1]
        return reasoner(self.backbone, {"input_ids": ids}, steps=steps)  # type: ignore[no-any-return]

    def documents(self) -> Tensor:
        """States (n, w) at the end of every name, written alone: those of the untrained model are the documents."""
        names = self.tales.names[:, None]
        return self._states(self._embedded(torch.cat([names, torch.full_like(names, self.tales.end)], 1)))[
            :, -1
        ].float()

    def scores(self, embedding: Tensor) -> Tensor:
        """Cosines over temperature (b, n) with all documents, both sides less what the untrained have in common."""
        queries = functional.normalize((embedding.float() - self.mean) / self.spread, dim=-1)
        return queries @ self.known.T / _TEMPERATURE

    def loss(self, depth: int, drawn: torch.Generator) -> Tensor:
        """Retrieval, and what each step should say."""
        if self.mode != "latent":
            return self._at_once(self.tales.ask(self.batch, depth, drawn, self.people))
        asked = self.tales.ask(2 * self.batch, depth, drawn)
        thought = self.think(asked)
        loss = functional.cross_entropy(self.scores(thought.embedding), asked.answer[:, 0])
        return loss + step_ce(thought, self.tales.names[asked.path[:, 0]])

    def _at_once(self, asked: Asked) -> Tensor:
        """All questions of a story in one pass, each with its names or pauses; none of them sees another."""
        b, m, h = asked.path.shape
        path, story = self.tales.names[asked.path], self._embedded(asked.story)
        between = {"explicit": self._embedded(path), "none": story.new_zeros(b, m, 0, story.shape[-1])}
        if self.mode == "pause":
            assert self.pauses.tokens is not None
            between["pause"] = (self.pauses.tokens[:h] * self.backbone.embedding_norm()).expand(b, m, -1, -1)
        end = self._embedded(torch.full_like(path[..., :1], self.tales.end))
        parts = torch.cat([self._embedded(asked.question), between[self.mode].to(story.dtype), end], 2)
        t, n = story.shape[1], parts.shape[2]
        hidden = self._states(torch.cat([story, parts.flatten(1, 2)], 1), *_apart(t, m, n, b))[:, t:].view(b, m, n, -1)
        loss = functional.cross_entropy(self.scores(hidden[:, :, -1].flatten(0, 1)), asked.answer.flatten())
        if self.mode == "none":
            return loss
        said = self.backbone.logits(hidden[:, :, -h - 2 : -2])
        return loss + functional.cross_entropy(said.flatten(0, 2), path.flatten())

    def _embedded(self, ids: Tensor) -> Tensor:
        return self.backbone.embed({"input_ids": ids})

    def _states(self, embeds: Tensor, seen: Tensor | None = None, place: Tensor | None = None) -> Tensor:
        read = self.model.get_base_model().base_model
        mask = None if seen is None else seen.to(embeds.dtype)
        made = read(inputs_embeds=embeds, attention_mask=mask, position_ids=place, use_cache=False)
        return torch.as_tensor(made.last_hidden_state)

    @torch.no_grad()
    def tested(self, each: int, name: str) -> list[float]:
        """Hits by depth; `name` may say what is done to the latents."""
        self.eval()
        made = []
        for depth in range(1, DEPTHS + 1):
            drawn, right = torch.Generator().manual_seed(9990 + depth), 0.0
            for start in range(0, each, 20):
                asked = self.tales.ask(min(20, each - start), depth, drawn)
                thought = self.think(asked)
                thought = thought.ablate(_LOST[name]) if name in _LOST else thought
                right += float((self.scores(thought.embedding).argmax(-1) == asked.answer[:, 0]).sum())
            made.append(right / each)
        return made


def trained(teller: Teller, steps: int, seed: int) -> None:
    """AdamW on LoRA and learned tokens, the rate rising over 10 steps and falling over the last third."""
    drawn = torch.Generator().manual_seed(seed + 1)
    optimizer = torch.optim.AdamW([p for p in teller.parameters() if p.requires_grad], _RATE, weight_decay=0.0)
    for number in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min((number + 1) / 10, 1.0, (steps - number) / (steps / 3))
        loss = teller.loss(number % DEPTHS + 1, drawn)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(teller.parameters(), 1.0)
        optimizer.step()
        if number % 10 < DEPTHS:
            print(f"# {teller.mode} step {number + 1}: loss {loss.item():.3f}", file=sys.stderr, flush=True)


def _apart(t: int, m: int, n: int, b: int) -> tuple[Tensor, Tensor]:
    """What is seen (b, 1, t + mn, t + mn), added to attention, and positions (b, t + mn), where m parts of n tokens
    follow t tokens as if each were alone behind them.
    """
    part = torch.cat([torch.zeros(t, dtype=torch.long), torch.arange(1, m + 1).repeat_interleave(n)])
    seen = ((part == part[:, None]) | (part == 0)).tril()
    place = torch.cat([torch.arange(t), torch.arange(t, t + n).repeat(m)])
    closed = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.bfloat16).min)
    return closed.expand(b, 1, -1, -1), place.expand(b, -1)


def _listed(values: list[float]) -> str:
    return " ".join(f"{v:.3f}" for v in values)
