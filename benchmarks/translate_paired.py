"""Translating with pairs: how far few go, what many keep, and whether "auto" chooses well.

A = MiniLM, B = E5, C = USE, D = WordLlama, L = layer 5 of MiniLM. Pools and queries are sentences that no fit has seen;
scores are those of the target Space itself, not centred ones. What takes long is kept (translate_kept).
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import translate_peers, translate_speed
from benchmarks.figure import Figure, check
from benchmarks.translate_data import sentences, vectors
from benchmarks.translate_kept import FEW, PAIRED, SINGLE, remembered
from samespace.space import Vectors
from samespace.translate.active import Way, choose
from samespace.translate.few import few
from samespace.translate.fit import METHODS, fit
from samespace.translate.measure import Fidelity, measure
from samespace.translate.procrustes import Procrustes
from samespace.translate.protocol import Translator
from samespace.translate.stretch import stretched

__all__ = ["figures"]

_ALL, _POOL = 24_000, 5_000
_OWN = (("A", "C", 0.75), ("A", "B", 0.80), ("B", "C", 0.85))
_PAIRS = (("A", "C"), ("A", "B"), ("B", "C"), ("D", "A"), ("C", "A"), ("B", "D"))
_SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
_CURVED = 10_000  # pairs at which the network is a single method to compare with, on the first two pairs of spaces
_FEW = ((10, 0.50), (30, 0.68), (100, 0.80))
_ROWS = 6_000
_NEVER_WORSE = 0.02  # of top-1, that few pairs with rows may be below the pairs alone in one draw: its error


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """All rows; the quick form takes fewer draws and sizes, and no network."""
    texts = sentences(place, _ALL)
    yield from _own(texts, quick)
    if not quick:
        yield from _many(texts)
    yield from _auto(texts, quick)
    yield from translate_peers.figures(place, texts, quick)
    yield from _some(texts, quick)
    yield from _chosen(texts, quick)
    yield from translate_speed.figures(texts, quick)


def _sides(texts: tuple[str, ...], a: str, b: str) -> tuple[Vectors, Vectors]:
    return vectors(texts, a), vectors(texts, b)


def _drawn(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(_ALL - _POOL)[:n]


def _judged(made: Translator, source: Vectors, target: Vectors, pool: int = _POOL) -> Fidelity:
    return measure(made, source[-pool:], target[-pool:])


def _own(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    for a, b, bar in _OWN:
        source, target = _sides(texts, a, b)
        found, plain, ways = list[Fidelity](), list[float](), list[str]()
        for seed in range(1 if quick else 3):
            rows = _drawn(300, seed)
            made: Any = fit(source[rows], target[rows], seed=seed)
            ways.append(made.facts["method"])
            found.append(_judged(made, source, target))
            plain.append(_judged(Procrustes.fit(source[rows], target[rows]), source, target).top1)
        value = _mean([one.top1 for one in found])
        notes = f"neighbours kept@10 {_mean([one.kept for one in found]):.3f}; {', '.join(ways)}; peer: Procrustes"
        yield _figure(f"300 pairs, {a}→{b}: top-1 of 5,000", value, _mean(plain), f">= {bar}", len(found), notes)


def _many(texts: tuple[str, ...]) -> Iterator[Figure]:
    source, target = _sides(texts, "A", "C")
    rows = _drawn(10_000, 0)
    plain = _judged(Procrustes.fit(source[rows], target[rows]), source, target)

    def made(method: str) -> dict[str, Any]:
        start = time.process_time()
        fitted: Any = fit(source[rows], target[rows], method=method)
        cpu = time.process_time() - start
        return {**_judged(fitted, source, target).to_dict(), "cpu": cpu, "method": fitted.facts["method"]}

    for method in ("kernel", "auto", "mlp"):
        code = (*PAIRED, "neural", "neural_train") if method == "mlp" else PAIRED
        found = remembered(f"many-{method}", code, lambda: made(method))  # noqa: B023 - called at once
        what, bars = f"10,000 pairs, A→C, {method}", (">= 0.985", ">= 0.48", "<= 15")
        top, kept, cpu = bars if method != "mlp" else (None, None, None)
        notes = f"9,000 fitted, 1,000 held out and measured ({found['method']}); peer: Procrustes"
        yield _figure(f"{what}: top-1 of 5,000", found["top1"], plain.top1, top, 1, notes)
        yield _figure(f"{what}: neighbours kept@10", found["kept"], plain.kept, kept, 1, notes)
        yield _figure(f"{what}: fit and measure", found["cpu"], None, cpu, 1, "one thread", "CPU s")


def _auto(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """For each number of pairs: the choice, and the best and the worst it could have made, in top-1."""
    sizes, pairs = ((30, 300), _PAIRS[:2]) if quick else (_SIZES, _PAIRS)
    cases = []
    for n in sizes:
        here = []
        for a, b in pairs:
            single = {m: _alone(texts, m, a, b, n)["top1"] for m in _singles(a, b, n)}
            plain = _alone(texts, "procrustes", a, b, n)["kept"]
            found = remembered(f"auto-{a}{b}-{n}", PAIRED, lambda: _choice(texts, a, b, n))  # noqa: B023 - at once
            here.append({"case": f"{a}→{b} n={n}", "single": single, "procrustes_kept": plain, **found})
        cases += here
        kept, peer = (_mean([one[key] for one in here]) for key in ("kept", "procrustes_kept"))
        ways = ", ".join(sorted({str(one["method"]) for one in here}))
        top = _mean([one["own"] for one in here])
        notes = f"mean of {len(here)} pairs of spaces; top-1 {top:.3f}; peer: Procrustes; {ways}"
        yield _figure(f"auto, {n:,} pairs: neighbours kept@10 of 5,000", kept, peer, None, len(here), notes)
    for what, bar in (("the best single method", ">= -0.02"), ("Procrustes", ">= -0.005")):
        other = {one["case"]: _rival(one["single"], what) for one in cases}
        worst = min(cases, key=lambda one: one["own"] - one["single"][other[one["case"]]])
        name = other[worst["case"]]
        notes = f"{worst['case']}: {worst['method']} {worst['own']:.3f}, {name} {worst['single'][name]:.3f}"
        value = worst["own"] - worst["single"][name]
        yield _figure(f"auto: worst top-1 of 5,000 less that of {what}", value, None, bar, len(cases), notes)


def _rival(single: dict[str, float], what: str) -> str:
    return "procrustes" if what == "Procrustes" else max(single, key=lambda name: single[name])


def _singles(a: str, b: str, n: int) -> list[str]:
    """Single methods to hold the choice against; the network, at a minute each, in two cases only."""
    curved = n == _CURVED and (a, b) in _PAIRS[:2]
    return [m for m in METHODS if m != "low-rank" and (m != "mlp" or curved)]


def _alone(texts: tuple[str, ...], method: str, a: str, b: str, n: int) -> dict[str, Any]:
    """One method by itself, put as far out as the choice is."""
    code = (*SINGLE, "neural", "neural_train") if method == "mlp" else SINGLE

    def made() -> dict[str, Any]:
        source, target = _sides(texts, a, b)
        rows = _drawn(n, 1)
        return _judged(stretched(_single(method, source[rows], target[rows]), 2.0), source, target).to_dict()

    return remembered(f"single-{method}-{a}{b}-{n}", code, made)


def _choice(texts: tuple[str, ...], a: str, b: str, n: int) -> dict[str, Any]:
    """What "auto" takes, and what that is worth."""
    source, target = _sides(texts, a, b)
    rows = _drawn(n, 1)
    auto: Any = fit(source[rows], target[rows])
    own = _judged(stretched(auto, 2.0), source, target)
    return {"method": auto.facts["method"], "own": own.top1, "kept": own.kept}


def _single(method: str, source: Vectors, target: Vectors) -> Translator:
    seeded: dict[str, Any] = {"seed": 0} if method in ("kernel", "local", "mlp") else {}
    return METHODS[method](source, target, **seeded)


def _some(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """Few pairs and 6,000 rows a side of other texts."""
    source, target = _sides(texts, "A", "C")
    for n, bar in _FEW[1:2] if quick else _FEW:
        yield from _helped(source, target, "A→C", n, bar, range(1 if quick else 3))
    if not quick:
        part = np.r_[0 : 2 * _ROWS, len(texts) - 4_500 : len(texts)]
        near = vectors(tuple(texts[i] for i in part), "L")
        yield from _helped(source[part], near, "A→L", 10, 0.98, range(3))


def _helped(source: Vectors, target: Vectors, name: str, n: int, bar: float, seeds: range) -> Iterator[Figure]:
    draws = [
        remembered(f"few-{name}-{n}-{seed}", (*PAIRED, *FEW), lambda: _with_rows(source, target, n, seed))  # noqa: B023
        for seed in seeds
    ]
    tops, alone = ([draw[key] for draw in draws] for key in ("top1", "alone"))
    notes = f"peer: the pairs alone; way {', '.join(draw['way'] for draw in draws)}; worst {min(tops):.3f}, "
    notes += f"neighbours kept {_mean([d['kept'] for d in draws]):.3f}, {_mean([d['cpu'] for d in draws]):.0f} CPU s"
    what = f"{n} pairs and 6,000 rows a side without, {name}: top-1 of 4,000"
    yield _figure(what, _mean(tops), _mean(alone), f">= {bar}", len(draws), notes)
    worst = min(a - b for a, b in zip(tops, alone, strict=True))
    what = f"{n} pairs and 6,000 rows, {name}: worst draw less the pairs alone"
    yield _figure(what, worst, None, f">= -{_NEVER_WORSE}", len(draws), "top-1")


def _with_rows(source: Vectors, target: Vectors, n: int, seed: int) -> dict[str, Any]:
    """One draw of few pairs, and the pairs alone."""
    left = len(source) - 4_000 - 2 * _ROWS
    rows = 2 * _ROWS + np.random.default_rng(seed).permutation(left)[:n]
    start = time.process_time()
    made = few(source[:_ROWS], target[_ROWS : 2 * _ROWS], source[rows], target[rows], seed=seed)
    cpu = time.process_time() - start
    found = _judged(made, source, target, 4_000)
    alone = _judged(fit(source[rows], target[rows], seed=seed), source, target, 4_000).top1
    return {"top1": found.top1, "kept": found.kept, "alone": alone, "cpu": cpu, "way": made.facts["way"]}


def _chosen(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """Which items to embed next: against a random choice, five draws of 4,000 items."""
    source, target = _sides(texts, "D", "A")
    ways: tuple[Way, ...] = ("random", "spread", "centres")
    for n in (300,) if quick else (30, 100, 300):
        found: dict[str, list[float]] = {way: [] for way in ways}
        for seed in range(2 if quick else 5):
            there = _drawn(4_000, seed)
            for way in ways:
                rows = there[choose(source[there], n, way=way, seed=seed)]
                made = stretched(Procrustes.fit(source[rows], target[rows]), 2.0)
                found[way].append(_judged(made, source, target).top1)
        for way in ways[1:]:
            won = sum(a > b for a, b in zip(found[way], found["random"], strict=True))
            notes = f"peer: a random choice; better in {won} of {len(found[way])} draws"
            bar = f"> {_mean(found['random']):.3f}"
            what = f"choosing {n} items, D→A, {way}: top-1 of 5,000"
            yield _figure(what, _mean(found[way]), _mean(found["random"]), bar, len(found[way]), notes)


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _figure(what: str, value: float, peer: float | None, bar: str | None, n: int, notes: str, unit: str = "") -> Figure:
    holds = None if bar is None else value > peer if bar.startswith("> ") and peer is not None else check(value, bar)
    return Figure(what, value, unit, peer, bar, holds, n, notes)
