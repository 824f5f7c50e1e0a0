"""The mappings of isotrieve, by its own API, on the same pairs: neighbours on sentences, nDCG on Cranfield.

A = MiniLM, B = E5, C = USE. Its rotations take Spaces of one width only: C→A leaves ridge and low rank, B→A has all.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import Retrieval, cranfield, ndcg_at_k
from benchmarks.figure import Figure
from benchmarks.translate_data import vectors
from benchmarks.translate_kept import PAIRED, remembered
from samespace.space import Vectors, similarity
from samespace.translate.fit import fit
from samespace.translate.measure import compare, measure

__all__ = ["figures"]

_SIDES = (("C", "A"), ("B", "A"))
_SIZES, _OWN = (100, 300, 1_000, 2_000, 4_000), (100, 300, 600, 1_000)
_POOL, _HELD = 2_000, 5_000
Rows = Callable[[np.ndarray], np.ndarray]


def figures(place: Path, texts: tuple[str, ...], quick: bool) -> Iterator[Figure]:
    """Neighbours kept, then judged quality; three draws of the pairs."""
    draws = range(1 if quick else 3)
    for a, b in _SIDES:
        source, target = vectors(texts, a), vectors(texts, b)
        for n in (100, 1_000) if quick else _SIZES:
            found = [
                remembered(f"peer-{a}{b}-{n}-{seed}", PAIRED, lambda: _neighbours(source, target, n, seed))  # noqa: B023
                for seed in draws
            ]
            yield _figure(f"{n:,} pairs, {a}→{b}: neighbours kept@10", found, f"of {_POOL:,} sentences")
    task = cranfield(place)
    for a, b in _SIDES:
        for n in (300,) if quick else _OWN:
            found = [
                remembered(f"peer-cranfield-{a}{b}-{n}-{seed}", PAIRED, lambda: _ndcg(task, a, b, n, seed))  # noqa: B023
                for seed in draws
            ]
            yield _figure(f"{n:,} of Cranfield's own pairs, {a}→{b}: nDCG@10 kept", found, "document side")


def _neighbours(source: Vectors, target: Vectors, n: int, seed: int) -> dict[str, Any]:
    rows = np.random.default_rng(seed).permutation(len(source) - _HELD)[:n]
    made: Any = fit(source[rows], target[rows], seed=seed)
    queries, pool = source[-_POOL:], target[-_POOL:]
    theirs = {
        name: compare(target.space.vectors(rows_of(queries.data)), pool).kept
        for name, rows_of in _mappings(source[rows].data, target[rows].data).items()
    }
    return {"own": measure(made, queries, pool).kept, "method": made.facts["method"], "theirs": theirs}


def _ndcg(task: Retrieval, a: str, b: str, n: int, seed: int) -> dict[str, Any]:
    old, new = vectors(tuple(task.documents), a), vectors(tuple(task.documents), b)
    queries = vectors(tuple(task.queries), b)

    def score(documents: Vectors) -> float:
        return ndcg_at_k(np.argsort(-similarity(queries, documents), axis=1)[:, :10], task.relevant)

    whole = score(new)
    rows = np.random.default_rng(seed).permutation(len(old))[:n]
    made: Any = fit(old[rows], new[rows], role="document", seed=seed)
    theirs = {
        name: score(new.space.vectors(rows_of(old.data))) / whole
        for name, rows_of in _mappings(old[rows].data, new[rows].data).items()
    }
    return {"own": score(made(old)) / whole, "method": made.facts["method"], "theirs": theirs}


def _mappings(x: np.ndarray, y: np.ndarray) -> dict[str, Rows]:
    from isotrieve.mapping import LowRankAffineMapping, OrthogonalProcrustesMapping, ProcrustesDiagMapping, RidgeMapping

    kinds: dict[str, Any] = {"ridge": RidgeMapping, "low rank": LowRankAffineMapping}
    if x.shape[1] == y.shape[1]:
        kinds |= {"procrustes": OrthogonalProcrustesMapping, "procrustes diagonal": ProcrustesDiagMapping}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: kind().fit(x, y).transform for name, kind in kinds.items()}


def _figure(what: str, found: list[dict[str, Any]], how: str) -> Figure:
    own = float(np.mean([one["own"] for one in found]))
    theirs = {name: float(np.mean([one["theirs"][name] for one in found])) for name in found[0]["theirs"]}
    best = max(theirs, key=lambda name: theirs[name])
    ways = ", ".join(sorted({str(one["method"]) for one in found}))
    notes = f"{how}; {ways}; peer: isotrieve's {best}, the best of {len(theirs)}"
    return Figure(what, own, "", theirs[best], f"> {theirs[best]:.3f}", own > theirs[best], len(found), notes)
