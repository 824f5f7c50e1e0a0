"""Translating with pairs: how far few go, what many keep, whether "auto" chooses well, and what it costs.

A = MiniLM, B = E5, C = USE, D = WordLlama, L = layer 5 of MiniLM. Pools and queries are sentences that no fit has seen;
scores are those of the target Space itself, not centred ones.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import cranfield, ndcg_at_k
from benchmarks.figure import Figure, check
from benchmarks.translate_data import sentences, vectors
from samespace.encode.load import load
from samespace.items import Text
from samespace.space import Vectors, similarity
from samespace.translate.active import Way, choose
from samespace.translate.few import few
from samespace.translate.fit import METHODS, fit
from samespace.translate.measure import Fidelity, compare, measure
from samespace.translate.procrustes import Procrustes
from samespace.translate.protocol import Translator
from samespace.translate.stretch import stretched

__all__ = ["figures"]

_ALL, _POOL = 24_000, 5_000
_OWN = (("A", "C", 0.75), ("A", "B", 0.80), ("B", "C", 0.85))
_PAIRS = (("A", "C"), ("A", "B"), ("B", "C"), ("D", "A"), ("C", "A"), ("B", "D"))
_FEW = ((10, 0.50), (30, 0.68), (100, 0.80))
_ROWS = 6_000


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """All rows; the quick form takes fewer draws and sizes, and no network."""
    texts = sentences(place, _ALL)
    yield from _own(texts, quick)
    if not quick:
        yield from _many(texts)
    yield from _auto(texts, quick)
    yield from _against(place, texts, quick)
    yield from _some(texts, quick)
    yield from _chosen(texts, quick)
    yield from _speed(texts, quick)


def _sides(texts: tuple[str, ...], a: str, b: str) -> tuple[Vectors, Vectors]:
    return vectors(texts, a), vectors(texts, b)


def _drawn(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(_ALL - _POOL)[:n]


def _judged(made: Translator, source: Vectors, target: Vectors, pool: int = _POOL) -> Fidelity:
    return measure(made, source[-pool:], target[-pool:])


def _own(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    for a, b, bar in _OWN:
        source, target = _sides(texts, a, b)
        found, plain = [], []
        for seed in range(1 if quick else 3):
            rows = _drawn(300, seed)
            found.append(_judged(fit(source[rows], target[rows], seed=seed), source, target))
            plain.append(_judged(Procrustes.fit(source[rows], target[rows]), source, target).top1)
        value = _mean([one.top1 for one in found])
        notes = f"neighbours kept@10 {_mean([one.kept for one in found]):.3f}; nothing but the pairs was used"
        yield _figure(f"300 pairs, {a}→{b}: top-1 of 5,000", value, _mean(plain), f">= {bar}", len(found), notes)


def _many(texts: tuple[str, ...]) -> Iterator[Figure]:
    source, target = _sides(texts, "A", "C")
    rows = _drawn(10_000, 0)
    plain = _judged(Procrustes.fit(source[rows], target[rows]), source, target)
    start = time.process_time()
    made = fit(source[rows], target[rows], method="mlp")
    cpu = time.process_time() - start
    found = _judged(made, source, target)
    notes = "9,000 fitted, 1,000 held out and measured; peer: Procrustes"
    yield _figure("10,000 pairs, A→C, mlp: top-1 of 5,000", found.top1, plain.top1, ">= 0.985", 1, notes)
    yield _figure("10,000 pairs, A→C, mlp: neighbours kept@10", found.kept, plain.kept, ">= 0.48", 1, notes)
    yield _figure("10,000 pairs, A→C, mlp: fit and measure", cpu, None, "<= 15", 1, "threads pinned to one", "CPU s")


def _auto(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    worst: dict[str, tuple[float, str]] = {"best single method": (1.0, ""), "Procrustes": (1.0, "")}
    sizes = (30, 300) if quick else (10, 30, 100, 300, 1_000, 3_000, 10_000)
    pairs = _PAIRS[:2] if quick else _PAIRS
    for a, b in pairs:
        source, target = _sides(texts, a, b)
        for n in sizes:
            rows = _drawn(n, 1)
            there = [m for m in METHODS if m != "low-rank" and (m != "mlp" or (n == 10_000 and (a, b) == ("A", "C")))]
            single = {m: _single(m, source[rows], target[rows]) for m in there}
            top = {m: _judged(stretched(one, 2.0), source, target).top1 for m, one in single.items()}
            auto = fit(source[rows], target[rows])
            own = _judged(stretched(auto, 2.0), source, target).top1
            name = f"{a}→{b} n={n}: {auto.facts['method']} {own:.3f}"  # type: ignore[attr-defined]
            best = max(top, key=lambda m: top[m])
            for what, other in (("best single method", best), ("Procrustes", "procrustes")):
                worst[what] = min(worst[what], (own - top[other], f"{name}, {other} {top[other]:.3f}"))
    for what, bar in (("best single method", ">= -0.02"), ("Procrustes", ">= -0.005")):
        value, notes = worst[what]
        cases = len(pairs) * len(sizes)
        yield _figure(f"auto: worst top-1 of 5,000 less that of {what}", value, None, bar, cases, notes)


def _single(method: str, source: Vectors, target: Vectors) -> Translator:
    seeded: dict[str, Any] = {"seed": 0} if method in ("local", "mlp") else {}
    return METHODS[method](source, target, **seeded)


def _against(place: Path, texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """The mappings of isotrieve, by its own API: neighbours on sentences, nDCG on Cranfield's own abstracts."""
    source, target = _sides(texts, "C", "A")
    for n in (100, 1_000) if quick else (100, 300, 1_000, 2_000, 4_000):
        rows = _drawn(n, 2)
        made = fit(source[rows], target[rows])
        theirs = {
            name: compare(target.space.vectors(map_(source[-2_000:].data)), target[-2_000:]).kept
            for name, map_ in _mappings(source[rows].data, target[rows].data).items()
        }
        same = measure(made, source[-2_000:], target[-2_000:]).kept
        best = max(theirs, key=lambda name: theirs[name])
        notes = f"peer: isotrieve {best}, the best of {len(theirs)}; of 2,000 sentences; {made.facts['method']}"  # type: ignore[attr-defined]
        yield _figure(f"{n} pairs, C→A: neighbours kept@10", same, theirs[best], f"> {theirs[best]:.3f}", 1, notes)
    yield from _ndcg(place, quick)


def _ndcg(place: Path, quick: bool) -> Iterator[Figure]:
    task = cranfield(place)
    old, new = vectors(tuple(task.documents), "C"), vectors(tuple(task.documents), "A")
    queries = vectors(tuple(task.queries), "A")

    def score(documents: Vectors) -> float:
        return ndcg_at_k(np.argsort(-similarity(queries, documents), axis=1)[:, :10], task.relevant)

    whole = score(new)
    for n in (300,) if quick else (100, 300, 600, 1_000):
        ours, peer = [], dict[str, list[float]]()
        for seed in range(1 if quick else 3):
            rows = np.random.default_rng(seed).permutation(len(old))[:n]
            ours.append(score(fit(old[rows], new[rows], role="document")(old)) / whole)
            for name, map_ in _mappings(old[rows].data, new[rows].data).items():
                peer.setdefault(name, []).append(score(new.space.vectors(map_(old.data))) / whole)
        best = max(peer, key=lambda name: _mean(peer[name]))
        notes = f"document side, C→A, whole {whole:.3f}; peer: isotrieve {best}"
        bar = f"> {_mean(peer[best]):.3f}"
        yield _figure(
            f"{n} of Cranfield's own pairs: nDCG@10 kept", _mean(ours), _mean(peer[best]), bar, len(ours), notes
        )


def _mappings(x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    from isotrieve.mapping import LowRankAffineMapping, OrthogonalProcrustesMapping, ProcrustesDiagMapping, RidgeMapping

    kinds: dict[str, Any] = {"ridge": RidgeMapping, "low rank": LowRankAffineMapping}
    if x.shape[1] == y.shape[1]:
        kinds |= {"procrustes": OrthogonalProcrustesMapping, "procrustes diagonal": ProcrustesDiagMapping}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: kind().fit(x, y).transform for name, kind in kinds.items()}


def _some(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """Few pairs and 6,000 rows a side of other texts."""
    source, target = _sides(texts, "A", "C")
    for n, bar in _FEW[1:2] if quick else _FEW:
        yield from _helped(source, target, "A→C", n, bar, range(1 if quick else 3))
    if not quick:
        part = np.r_[0 : 2 * _ROWS, len(texts) - 4_500 : len(texts)]
        near = vectors(tuple(texts[i] for i in part), "L")
        yield from _helped(source[part], near, "A→L", 10, 0.98, range(1))


def _helped(source: Vectors, target: Vectors, name: str, n: int, bar: float, seeds: range) -> Iterator[Figure]:
    found, alone, cpu, ways = [], [], [], []
    for seed in seeds:
        left = len(source) - 4_000 - 2 * _ROWS
        rows = 2 * _ROWS + np.random.default_rng(seed).permutation(left)[:n]
        start = time.process_time()
        made = few(source[:_ROWS], target[_ROWS : 2 * _ROWS], source[rows], target[rows], seed=seed)
        cpu.append(time.process_time() - start)
        ways.append(made.facts["way"])
        found.append(_judged(made, source, target, 4_000))
        alone.append(_judged(fit(source[rows], target[rows], seed=seed), source, target, 4_000).top1)
    value = _mean([one.top1 for one in found])
    notes = f"peer: the pairs alone; way {', '.join(ways)}; worst {min(one.top1 for one in found):.3f}, "
    notes += f"neighbours kept {_mean([one.kept for one in found]):.3f}, {_mean(cpu):.0f} CPU s"
    what = f"{n} pairs and 6,000 rows a side without, {name}: top-1 of 4,000"
    yield _figure(what, value, _mean(alone), f">= {bar}", len(found), notes)


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


def _speed(texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    source, target = _sides(texts, "A", "B")
    seventeen = [Text(t) for t in texts if len(t.split()) == 17][: 64 if quick else 256]
    encoder = load("all-MiniLM-L6-v2", accelerate=False)
    encoder.encode(seventeen[:8])
    apiece = _least(lambda: encoder.encode(seventeen), 1 if quick else 3) / len(seventeen)
    big = source.space.vectors(np.concatenate([source.data] * 5)[:100_000], normalize=False)
    made = Procrustes.fit(source[:3_000], target[:3_000])
    straight = _least(lambda: made(big), 4)
    matrix = made.matrix.astype(np.float32)
    product = _least(lambda: big.data @ matrix, 4)
    pinned = f"CPU seconds, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}"
    notes = f"100,000 × 384 in {straight:.2f} s, embedding in {apiece * 1e5:.0f} s (torch, 17 words); {pinned}"
    what = "embedding again by MiniLM, over translating, 384→384"
    yield _figure(f"{what}, straight", apiece * 1e5 / straight, None, ">= 1000", 100_000, notes, "×")
    notes = f"the product alone takes {product:.2f} of {straight:.2f} s; {pinned}"
    yield _figure("translating 384→384: share of the sgemm rate", product / straight, None, ">= 0.6", 100_000, notes)
    if not quick:
        rows = _drawn(3_000, 0)
        net = METHODS["mlp"](source[rows], target[rows], epochs=1)
        curved = _least(lambda: net(big), 3)
        notes = f"100,000 × 384 in {curved:.2f} s; {pinned}"
        yield _figure(f"{what}, mlp", apiece * 1e5 / curved, None, ">= 250", 100_000, notes, "×")


def _least(what: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        start = time.process_time()
        what()
        took.append(time.process_time() - start)
    return min(took)


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _figure(what: str, value: float, peer: float | None, bar: str, n: int, notes: str, unit: str = "") -> Figure:
    holds = value > peer if bar.startswith("> ") and peer is not None else check(value, bar)
    return Figure(what, value, unit, peer, bar, holds, n, notes)
