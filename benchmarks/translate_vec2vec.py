"""vec2vec: how many seeds find the map, what choosing without pairs makes of it, and align beside it on the same rows.

The CPU form: made Spaces of 32 numbers, the second a rotation of the first with noise, no row on both sides. The form
for an accelerator (real encoders, the published sizes) is here and runs where there is one.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.translate_data import OUT, sentences, vectors
from samespace.space import Space, Vectors
from samespace.translate.adversarial import runs_of
from samespace.translate.align import align
from samespace.translate.measure import measure
from samespace.translate.procrustes import polar
from samespace.translate.protocol import Translator

if TYPE_CHECKING:
    from samespace.translate.adversarial_train import Plan

__all__ = ["figures", "made_spaces"]

_DIM, _SIDE, _HELD = 32, 4_000, 1_000
_FOUND = 0.5  # top-1 from which a run counts as having found the map
_REAL = 10_000


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """The small form; then real encoders where there is an accelerator."""
    yield from _small(1 if quick else 3)
    yield from _real(place)


def small_plan() -> "Plan":
    """What finds the map between made Spaces in half a minute of CPU."""
    from samespace.translate.adversarial_train import Plan

    return Plan(seeds=4, steps=1200, batch=64, hidden=32, depth=1, critic=(64, 3))


def _small(draws: int) -> Iterator[Figure]:
    import torch

    torch.set_num_threads(1)
    single, kept, ranks, beside, seconds = list[float](), list[float](), list[float](), list[float](), 0.0
    for draw in range(draws):
        source, target = made_spaces(draw)
        cut = np.arange(_SIDE), np.arange(_SIDE, 2 * _SIDE)
        sides, rest = (source[cut[0]], target[cut[1]]), np.arange(2 * _SIDE, len(source))

        def top1(made: Translator, held: tuple[Vectors, Vectors] = (source[rest], target[rest])) -> float:
            return measure(made, *held).top1

        begun = time.process_time()
        every, best = runs_of(*sides, seed=draw, plan=small_plan())
        seconds += time.process_time() - begun
        found = [top1(one) for one in every]
        single, kept = single + found, [*kept, found[best]]
        ranks.append(_spearman([-one.facts["seen"]["energy"] for one in every], found))
        beside.append(top1(align(*sides, seed=draw, widths=(_DIM - 4,), runs=(3,))))
    lucky, chosen = (float(np.mean([one >= _FOUND for one in each])) for each in (single, kept))
    told = f"top-1 of {_HELD:,} by seed {', '.join(f'{one:.2f}' for one in single)}; chosen {_list(kept)}"
    yield Figure(
        "vec2vec, made spaces: chosen runs that find the map", chosen, "share of runs", lucky,
        ">= 0.9", check(chosen, ">= 0.9"), draws, f"peer: single seeds. {told}; {seconds / draws:.0f} CPU s each",
    )  # fmt: skip
    yield Figure(
        "vec2vec, made spaces: rank correlation of -energy with top-1 among seeds", float(np.mean(ranks)), "Spearman",
        n=len(single), notes="the choice looks at no pair; top-1 does, and is only for judging the choice",
    )  # fmt: skip
    yield Figure(
        "vec2vec, made spaces: top-1 of the chosen run", float(np.mean(kept)), f"top-1 of {_HELD:,}",
        float(np.mean(beside)), n=draws, notes=f"peer: align on the same rows, {_list(beside)}",
    )  # fmt: skip


def _real(place: Path) -> Iterator[Figure]:
    """MiniLM to USE by the published sizes, ten seeds side by side."""
    import torch

    name = "vec2vec, MiniLM to USE, ten seeds of the published size"
    if not torch.cuda.is_available():
        yield Figure(name, 0.0, "not run", notes="not run: no accelerator on this machine")
        return
    from samespace.translate.adversarial_train import Plan

    texts = sentences(place, 24_000)
    source, target = vectors(texts, "A"), vectors(texts, "C")
    plan = Plan(seeds=10, steps=60_000, batch=256, hidden=1024, depth=3, critic=(1024, 5), rate=2e-5, critic_rate=1e-5)
    cut, rest = (np.arange(_REAL), np.arange(_REAL, 2 * _REAL)), np.arange(2 * _REAL, len(texts))
    state = OUT / "vec2vec-state.safetensors"
    every, best = runs_of(source[cut[0]], target[cut[1]], plan=plan, device="cuda", keep=state, tell=print)
    found = [measure(one, source[rest], target[rest]).top1 for one in every]
    share = float(np.mean([one >= _FOUND for one in found]))
    yield Figure(name, found[best], f"top-1 of {len(rest):,}", share, n=len(found), notes=f"peer: share of seeds that "
                 f"find it; by seed {_list(found)}")  # fmt: skip


def made_spaces(seed: int, noise: float = 0.1) -> tuple[Vectors, Vectors]:
    """Rows of skewed sources, some strong where others are; in the second Space turned and blurred."""
    fixed, rng = np.random.default_rng(99), np.random.default_rng(seed)
    sources, n = 40, 2 * _SIDE + _HELD
    shape = np.linspace(0.15, 1.5, sources)
    links = np.triu(fixed.random((sources, sources)) < 5 / sources, 1) * fixed.uniform(0.3, 1.5, (sources, sources))
    mix = fixed.standard_normal((sources, _DIM)) * np.linspace(1.5, 0.5, sources)[:, None]
    plain = (rng.gamma(shape, 1.0, (n, sources)) - shape) / np.sqrt(shape)
    plain = plain * np.sqrt(1 + 3 * np.abs(plain).clip(0, 4) @ links)
    rows = (plain / plain.std(0)) @ mix
    turned = rows @ polar(rng.standard_normal((_DIM, _DIM)))
    turned += noise * turned.std() * rng.standard_normal(turned.shape)
    return Space("made/here@1", _DIM).vectors(rows), Space("made/there@1", _DIM).vectors(turned)


def _spearman(a: list[float], b: list[float]) -> float:
    ranks = [np.argsort(np.argsort(each)) for each in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if len(a) > 1 else 0.0


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
