"""Runs of translation without pairs: each is run once, and its result and its map are kept.

A case names two spaces (translate_spaces), the rows of a side, a seed and where the texts of the two sides come from.
All figures of translation without pairs are made of these runs, so that none is run twice.

Results: benchmarks/out/translate/runs, a JSON file and a folder with the Translator for each.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.mini_vec2vec import mini_vec2vec
from benchmarks.translate_data import OUT, origins, sentences
from benchmarks.translate_kept import stored
from benchmarks.translate_spaces import TEXTS, space
from samespace.space import Vectors
from samespace.translate.align import align, judged
from samespace.translate.files import load, save
from samespace.translate.measure import measure
from samespace.translate.procrustes import Procrustes
from samespace.translate.verdict import of_runs

__all__ = ["POOL", "Case", "Sides", "agreed", "done", "draws", "kept", "result"]

RUNS = OUT / "runs"
POOL = 4000
_QUERIES = 2000
_MORE = (28_000, 36_000)  # texts, where the first 24,000 do not do
_TAUGHT = (("figures", "wiki"), ("gsm8k", "stories", "sts", "strategyqa", "folio"))
_APART = (("figures",), ("gsm8k", "stories"))

Sides = Literal["mixed", "same", "taught", "apart"]
"""Of what texts: other ones of one mixture of sources; the same in unknown order; encyclopedia and textbooks against
everyday questions and stories; textbook captions alone against sums and stories alone."""

WAYS: Mapping[str, Callable[..., Procrustes]] = {"align": align, "judged": judged, "mini-vec2vec": mini_vec2vec}


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        pair: SOURCE-TARGET.
        rows: of each side.
        seed: of texts and method.
        sides: of what texts.
    """

    pair: str
    rows: int
    seed: int = 0
    sides: Sides = "mixed"

    @property
    def name(self) -> str:
        """As a file name."""
        return f"{self.pair}-{self.rows}-{self.seed}{'' if self.sides == 'mixed' else '-' + self.sides}"


def kept(kind: str, case: Case, data: Path) -> dict[str, Any]:
    """The result of a run by one of WAYS: made now, or as it was kept."""
    return stored(_place(kind, case), lambda: _run(kind, case, data))


def _run(kind: str, case: Case, data: Path) -> dict[str, Any]:
    here, there, left, right = draws(case, data)
    start = time.process_time()
    made = WAYS[kind](here, there, seed=case.seed)
    cpu = time.process_time() - start
    RUNS.mkdir(parents=True, exist_ok=True)
    if kind == "align":
        save(made, _place(kind, case).with_suffix(""))
    return {"kind": kind, "case": case.name, "cpu": cpu, **result(made, left, right)}


def agreed(one: Case, other: Case, data: Path) -> dict[str, Any]:
    """How much two runs of `align` agree, and what they are worth: evidence of the verdict, top-1 of both."""
    return stored(RUNS / f"agreed-{one.name}-and-{other.seed}.json", lambda: _agreed(one, other, data))


def _agreed(one: Case, other: Case, data: Path) -> dict[str, Any]:
    runs = [kept("align", case, data) for case in (one, other)]
    maps = [load(_place("align", case).with_suffix("")) for case in (one, other)]
    here, there, *_ = draws(one, data)
    evidence = of_runs(maps[0], maps[1], here, there).evidence
    both = {"top1": [run["centred"] for run in runs], "value": [run["facts"]["value"] for run in runs]}
    return {"case": one.name, "other": other.name, "evidence": dict(evidence), **both}


def done(kind: str, case: Case) -> bool:
    """Whether its result is there."""
    return _place(kind, case).is_file()


def result(made: Procrustes, source: Vectors, target: Vectors) -> dict[str, Any]:
    """What a translation is worth on pairs that it has not seen, as plain data.

    `measured` is as a plain search finds, the common part of the target's vectors left in; `centred` is top-1 with both
    sides centred.
    """
    found = made.carried(source.data[:_QUERIES]) @ made.after.enter(target.data).T
    centred = float((found.argmax(axis=1) == np.arange(len(found))).mean())
    return {"measured": measure(made, source, target).to_dict(), "centred": centred, "facts": dict(made.facts)}


def draws(case: Case, data: Path) -> tuple[Vectors, Vectors, Vectors, Vectors]:
    """Rows of the two sides, of different texts (or the same in another order), and pairs that neither has seen."""
    texts = next(n for n in (TEXTS, *_MORE) if 2 * case.rows + POOL <= n)
    source, target = (space(data, name, texts) for name in case.pair.split("-"))
    order = np.random.default_rng(1000 + case.seed).permutation(texts)
    n = case.rows
    if case.sides in ("mixed", "same"):
        here, there, rest = order[:n], order[n : 2 * n], order[2 * n :]
    else:
        wanted = [np.isin(_origins(data)[order], side) for side in (_TAUGHT if case.sides == "taught" else _APART)]
        here, there = (order[side][:n] for side in wanted)
        rest = order[~np.isin(order, np.concatenate([here, there]))]
    if case.sides == "same":
        there = np.random.default_rng(case.seed).permutation(here)
    if min(len(here), len(there)) < n or len(rest) < POOL:
        raise ValueError(f"{texts} texts do not do for {n} a side and a pool\nTake fewer rows")
    rest = rest[:POOL]
    return source[here], target[there], source[rest], target[rest]


@cache
def _origins(data: Path) -> np.ndarray:
    known = origins(data)
    return np.array([known[text] for text in sentences(data, TEXTS)])


def _place(kind: str, case: Case) -> Path:
    return RUNS / f"{kind}-{case.name}.json"
