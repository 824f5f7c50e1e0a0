"""Going on from a map found without pairs: by ten pairs, or by a regression on its own confident matches.

Both sides hold 8,000 sentences and half of Cranfield's abstracts each, none on both sides. Each way is measured thrice:
top-1 and neighbours kept@10 among 3,990 other sentences, both sides centred, and nDCG@10 of questions by the source's
model in an index of all abstracts by the target's, over that of the target's own questions.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.data import Retrieval, cranfield, ndcg_at_k
from benchmarks.figure import Figure
from benchmarks.translate_data import vectors
from benchmarks.translate_migrate import _queries
from benchmarks.translate_runs import RUNS, Case, draws
from samespace.space import Vectors
from samespace.translate.affine import Affine
from samespace.translate.align import align
from samespace.translate.few import few
from samespace.translate.linear import Linear
from samespace.translate.near import mutual, unit
from samespace.translate.neural import ResidualMLP
from samespace.translate.procrustes import Procrustes
from samespace.translate.rotations import blend
from samespace.translate.stretch import stretched

__all__ = ["figures", "matches"]

PAIRS, ROWS, KNOWN = ("A-B", "A-C"), 8000, 10
_QUERIES, _K, _FURTHER = 2000, 10, 2.0
_SHARE = 0.5  # of the matches, the more confident

Made = Linear | ResidualMLP


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """Measure every way on every pair of spaces. Quick: those that are kept already."""
    for pair in PAIRS:
        runs = [_run(pair, seed, place) for seed in range(3) if not quick or _place(pair, seed).is_file()]
        for way in runs[0] if runs else ():
            found = {key: [run[way][key] for run in runs] for key in ("top1", "kept", "ndcg")}
            mean = {key: float(np.mean(values)) for key, values in found.items()}
            yield Figure(
                f"unpaired {pair}, {way}: neighbours kept@10 of 3,990", mean["kept"], "",
                float(np.mean([run["unpaired"]["kept"] for run in runs])), None, None, len(runs),
                f"top-1 {mean['top1']:.3f}, nDCG@10 kept on Cranfield {mean['ndcg']:.3f}; least of the seeds "
                f"{min(found['kept']):.3f}, {min(found['top1']):.3f}, {min(found['ndcg']):.3f}; peer = the map without "
                "pairs as it is",
            )  # fmt: skip


def matches(made: Made, source: Vectors, target: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both sides that are each other's nearest under the map (CSLS), the more confident half."""
    x, y = unit(made.carried(source.data)), made.after.enter(target.data)
    i, j, score = mutual(x.astype(np.float32), y.astype(np.float32))
    sure = score >= np.quantile(score, 1 - _SHARE)
    return i[sure], j[sure]


def _run(pair: str, seed: int, place: Path) -> dict[str, dict[str, float]]:
    """What each way is worth, as it was kept or by measuring it."""
    kept = _place(pair, seed)
    if kept.is_file():
        known: dict[str, dict[str, float]] = json.loads(kept.read_text())
        return known
    here, there, left, right = draws(Case(pair, ROWS, seed), place)
    task = cranfield(place)
    documents = [vectors(task.documents, letter) for letter in pair.split("-")]
    asked = [_queries(task.queries, letter) for letter in pair.split("-")]
    order = np.random.default_rng(seed).permutation(len(task.documents))
    half = len(order) // 2
    source, target = here.concat(documents[0][order[:half]]), there.concat(documents[1][order[half:]])
    known_rows = np.arange(len(left) - KNOWN, len(left))
    pool = left[np.arange(len(left) - KNOWN)], right[np.arange(len(left) - KNOWN)]
    full = _ndcg(task, asked[1].data, documents[1])
    found = {}
    for way, made in _ways(source, target, left[known_rows], right[known_rows], seed).items():
        top1, neighbours = _centred(made, *pool)
        ndcg = _ndcg(task, stretched(made, _FURTHER)(asked[0]).data, documents[1]) / full
        found[way] = {"top1": top1, "kept": neighbours, "ndcg": ndcg}
    RUNS.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found))
    return found


def _ways(source: Vectors, target: Vectors, known: Vectors, known_there: Vectors, seed: int) -> Mapping[str, Made]:
    plain = align(source, target, seed=seed)
    i, j = matches(plain, source, target)
    fits: dict[str, Callable[[Vectors, Vectors], Made]] = {
        "ridge on its matches": Affine.fit,
        "blend on its matches": blend,
        "network on its matches": ResidualMLP.fit,
    }
    return {
        "unpaired": plain,
        **{way: fit(source[i], target[j]) for way, fit in fits.items()},
        f"{KNOWN} pairs alone": Procrustes.fit(known, known_there),
        f"{KNOWN} pairs and rows": few(source, target, known, known_there, seed=seed),
        f"and {KNOWN} pairs": few(source, target, known, known_there, start=plain, seed=seed),
    }


def _centred(made: Made, source: Vectors, target: Vectors) -> tuple[float, float]:
    """Top-1 and neighbours kept, both sides centred; chance 1 / m and 10 / m."""
    true = made.after.enter(target.data)
    found, wanted = made.carried(source.data[:_QUERIES]) @ true.T, true[:_QUERIES] @ true.T
    own = np.arange(len(found))
    top1 = float((found.argmax(axis=1) == own).mean())
    found[own, own] = wanted[own, own] = -np.inf
    near = [np.argpartition(-side, _K, axis=1)[:, :_K] for side in (found, wanted)]
    return top1, float(np.mean([len(np.intersect1d(a, b)) / _K for a, b in zip(*near, strict=True)]))


def _ndcg(task: Retrieval, queries: np.ndarray, documents: Vectors) -> float:
    ranked = np.argsort(-(queries @ documents.data.T), axis=1, kind="stable")[:, :_K]
    return ndcg_at_k(ranked, task.relevant)


def _place(pair: str, seed: int) -> Path:
    return RUNS / f"refit-{pair}-{seed}.json"
