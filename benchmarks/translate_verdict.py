"""Does the verdict without pairs know? Many pairs of spaces, near, far and nonsense; runs of three seeds, two by two.

What is judged is a pair of runs; it is good if both have found the map, and failed if one of them has not. Thresholds
are chosen on every other pair of spaces and held to the rest, both ways round. All runs are those of translate_runs,
real pairs' the same that the figures of translation without pairs are made of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.translate_runs import Case, agreed, done
from samespace.translate.verdict import Verdict, of_agreement

__all__ = ["SPACES", "area", "between", "figures"]

SPACES = (
    Case("A-B", 8000), Case("A-C", 8000), Case("A-D", 8000), Case("B-C", 8000), Case("B-D", 8000), Case("C-D", 12_000),
    Case("P-C", 8000), Case("P-A", 8000), Case("A-F", 5000), Case("C-F", 5000), Case("A-A~turn", 8000),
    Case("A-A~warp", 8000), Case("A-A~cut", 5000), Case("A-A~bits", 5000), Case("C-C~blur", 5000),
    Case("D-A~blur", 5000), Case("A-C~blur", 5000), Case("A-C~shuffle", 5000), Case("B-A~noise", 5000),
    Case("P-B", 8000), Case("P-D", 8000),
    Case("A-B", 4000), Case("A-C", 4000), Case("A-D", 4000), Case("B-C", 4000), Case("C-D", 8000), Case("P-C", 5000),
    Case("A-B", 5000, 0, "apart"), Case("A-C", 5000, 0, "apart"),
)  # fmt: skip
"""Settings: near, far and nonsense, and what is known to fail or nearly to: few rows, sides of other sources."""
_PAIRS = tuple(dict.fromkeys(case.pair for case in SPACES))
"""Every other pair of spaces is of the first half, in all its settings: no half knows a pair of the other."""
_TWO = tuple(combinations(range(3), 2))  # seeds
GOOD, BAD = 0.3, 0.1  # top-1 of 4,000 from which on a run has found the map; below which it has failed
KEYS = ("cosine", "same_neighbour")
_HALVES = ("first half", "second half")


@dataclass(frozen=True)
class Judged:
    """Two runs of one pair of spaces.

    Attributes:
        name: of the case and the seeds.
        half: of the pairs of spaces, 0 or 1.
        worst, best: top-1 of the two.
        evidence: agreement by name.
    """

    name: str
    half: int
    worst: float
    best: float
    evidence: dict[str, Any]

    @property
    def verdict(self) -> Verdict:
        """As the library judges."""
        return of_agreement(**self.evidence)


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """Measure the verdict. Quick: on the runs that are there already, or on a near and a nonsense pair of spaces.

    No bar counts as held before all runs are made.
    """
    couples = [(replace(case, seed=i), replace(case, seed=j)) for case in SPACES for i, j in _TWO]
    if quick:
        couples = [pair for pair in couples if all(done("align", case) for case in pair)] or [
            (case, replace(case, seed=1)) for case in (Case("A-A~turn", 3000), Case("B-A~noise", 3000))
        ]
    runs = [_judged(one, other, place) for one, other in couples]
    every = len(SPACES) * len(_TWO)
    for figure in (*_areas(runs), *_thresholds(runs), *_levels(runs)):
        whole = len(runs) >= every or figure.holds is False
        spaces = len({one.pair for one, _ in couples})
        part = f"{len(runs)} of {every} pairs of runs were made, on {spaces} pairs of spaces"
        yield figure if whole else replace(figure, holds=None, notes=f"{part}; {figure.notes}".rstrip("; "))


def area(scores: Sequence[float], good: Sequence[bool]) -> float:
    """AUROC: how often a good one scores higher than a bad one, ties a half; chance .5; nan if all are alike."""
    a = np.array([s for s, g in zip(scores, good, strict=True) if g])
    b = np.array([s for s, g in zip(scores, good, strict=True) if not g])
    if not len(a) or not len(b):
        return float("nan")
    return float(((a[:, None] > b).mean() + (a[:, None] >= b).mean()) / 2)


def between(scores: Sequence[float], good: Sequence[bool]) -> float:
    """Halfway between the most that is not good and the least good above it."""
    most = max((s for s, g in zip(scores, good, strict=True) if not g), default=0.0)
    least = min((s for s, g in zip(scores, good, strict=True) if g and s > most), default=most)
    return (most + least) / 2


def _judged(one: Case, other: Case, place: Path) -> Judged:
    found = agreed(one, other, place)
    half = _PAIRS.index(one.pair) % 2 if one.pair in _PAIRS else 1
    return Judged(f"{one.name} {other.seed}", half, min(found["top1"]), max(found["top1"]), found["evidence"])


def _areas(runs: Sequence[Judged]) -> Iterator[Figure]:
    """How well agreement tells failed runs from the rest, and good ones from the rest."""
    for key in KEYS:
        for half, name in enumerate((*_HALVES, "all")):
            part = [run for run in runs if half in (run.half, 2)]
            for least, what in ((BAD, "failed runs"), (GOOD, "good runs")):
                scores, above = [run.evidence[key] for run in part], [run.worst >= least for run in part]
                found = area(scores, above)
                if not np.isfinite(found):
                    continue  # all are above, or none
                bar = ">= 0.97" if what == "failed runs" else None
                low = min(s for s, g in zip(scores, above, strict=True) if g)
                high = max(s for s, g in zip(scores, above, strict=True) if not g)
                yield Figure(
                    f"verdict without pairs: {what} told from the rest by agreement in {key.replace('_', ' ')}, {name}",
                    found, "AUROC", 0.5, bar, check(found, bar) if bar else None, len(part),
                    f"{sum(above)} pairs of runs with top-1 of both >= {least}, least {low:.3f}; "
                    f"{len(part) - sum(above)} others, most {high:.3f}; peer = chance",
                )  # fmt: skip


def _thresholds(runs: Sequence[Judged]) -> Iterator[Figure]:
    """What one half alone would choose, and what it says of the other."""
    for half, name in enumerate(_HALVES):
        known, rest = [run for run in runs if run.half == half], [run for run in runs if run.half != half]
        good = [run.worst >= GOOD for run in known]
        chosen = {key: between([run.evidence[key] for run in known], good) for key in KEYS}
        trusted = [run for run in rest if all(run.evidence[key] >= chosen[key] for key in KEYS)]
        wrong = [run for run in trusted if run.worst < BAD]
        missed = [run for run in rest if run.worst >= GOOD and run not in trusted]
        yield Figure(
            f"verdict without pairs: failed runs trusted by thresholds of the {name}, on the other", len(wrong), "",
            None, "= 0", not wrong, sum(run.worst < BAD for run in rest),
            f"cosine >= {chosen['cosine']:.3f}, neighbours >= {chosen['same_neighbour']:.3f}; {len(trusted)} trusted, "
            f"least top-1 {min((run.worst for run in trusted), default=float('nan')):.2f}; {len(missed)} good ones not",
        )  # fmt: skip


def _levels(runs: Sequence[Judged]) -> Iterator[Figure]:
    """As the library judges, with the thresholds that it has."""
    failed = [run for run in runs if run.worst < BAD]
    called = [run for run in failed if run.verdict.level == "trusted"]
    told = [run for run in failed if run.verdict.level == "failed"]
    yield Figure(
        f"verdict without pairs: failed runs (top-1 < {BAD}) called trusted", len(called), "", None, "= 0",
        not called, len(failed), f"{len(told)} called failed; {', '.join(run.name for run in called)}".rstrip("; "),
    )  # fmt: skip
    good = [run for run in runs if run.worst >= GOOD]
    refused = [run for run in good if run.verdict.level != "trusted"]
    yield Figure(
        f"verdict without pairs: good runs (top-1 >= {GOOD}) not called trusted", len(refused), "", None, None,
        None, len(good), ", ".join(f"{run.name} {run.verdict.level}" for run in refused),
    )  # fmt: skip
