"""Does the verdict without pairs know? Many pairs of spaces, near, far and nonsense, three seeds each.

Thresholds are chosen on every other pair of spaces (the calibration half) and held to the rest. Each run is kept by
translate_runs; those that are missing are run.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.translate_runs import Case, done, kept

__all__ = ["PAIRS", "area", "figures"]

PAIRS = (
    "A-B", "A-C", "A-A~turn", "A-L", "A-C~shuffle", "B-C", "A-D", "A-A~warp", "C-L", "B-A~noise", "C-D", "A-A~cut",
    "B-D", "A-A~bits", "D-L", "D-C~shuffle", "C-C~blur", "A-C~blur", "B-B~warp", "D-A~blur", "B-L", "A-A~blur",
)  # fmt: skip
ROWS, SEEDS = 4000, 3
GOOD, BAD = 0.3, 0.1  # top-1 of 4,000 from which on a run has found the map; below which it has failed


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """Measure the verdict. Quick: on the runs that are there already, and on two that are not."""
    cases = [Case(pair, ROWS, seed) for seed in range(SEEDS) for pair in PAIRS]
    if quick:
        cases = [case for case in cases if done("judged-small", case)] or [
            Case("A-A~turn", ROWS),
            Case("B-A~noise", ROWS),
        ]
    runs = {case: kept("judged-small", case, place) for case in cases}
    for half, chosen in (("calibration half", PAIRS[::2]), ("other half", PAIRS[1::2])):
        yield from _half(half, [run for case, run in runs.items() if case.pair in chosen])
    wrong = [run for run in runs.values() if run["measured"]["top1"] < BAD]
    called = [run for run in wrong if run["facts"]["verdict"]["level"] == "trusted"]
    names = ", ".join(f"{run['pair']} {run['seed']}" for run in called)
    yield Figure(
        "verdict without pairs: failed runs (top-1 < .1) called trusted", len(called), "runs", None, "= 0",
        not called, len(wrong), names or f"of {len(runs)} runs on {len({c.pair for c in runs})} pairs of spaces",
    )  # fmt: skip
    right = [run for run in runs.values() if run["measured"]["top1"] >= 0.5]
    refused = [run for run in right if run["facts"]["verdict"]["level"] == "failed"]
    yield Figure(
        "verdict without pairs: good runs (top-1 >= .5) called failed", len(refused), "runs", None, None, None,
        len(right), ", ".join(f"{run['pair']} {run['seed']}" for run in refused),
    )  # fmt: skip


def area(scores: Sequence[float], good: Sequence[bool]) -> float:
    """AUROC: how often a good one scores higher than a bad one, ties a half; chance .5; else nan."""
    a = np.array([s for s, g in zip(scores, good, strict=True) if g])
    b = np.array([s for s, g in zip(scores, good, strict=True) if not g])
    if not len(a) or not len(b):
        return float("nan")
    return float(((a[:, None] > b).mean() + (a[:, None] >= b).mean()) / 2)


def _half(name: str, runs: list[dict[str, Any]]) -> Iterator[Figure]:
    good = [run["measured"]["top1"] >= GOOD for run in runs]
    for key in ("cosine", "same_neighbour"):
        scores = [run["facts"]["verdict"]["evidence"][key] for run in runs]
        found = area(scores, good)
        if not np.isfinite(found):
            continue  # all are good, or none
        low = min((s for s, g in zip(scores, good, strict=True) if g), default=float("nan"))
        high = max((s for s, g in zip(scores, good, strict=True) if not g), default=float("nan"))
        yield Figure(
            f"verdict without pairs: agreement in {key}, {name}", found, "AUROC", None, ">= 0.97",
            check(found, ">= 0.97"), len(runs),
            f"{sum(good)} good (top-1 >= .3), least {low:.2f}; {len(runs) - sum(good)} others, most {high:.2f}",
        )  # fmt: skip
