"""Translation without pairs: real encoders, nearly turned copies, how many rows it takes, what it costs.

Each run is kept by translate_runs; what is not there is run. Both sides embed different texts; top-1 is of 4,000 rows
that neither side has seen, both sides centred; what a plain search finds, with a common part left in, is in the notes.
Figures name the worst of the seeds that the bar counts.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figure import Figure, check
from benchmarks.translate_runs import Case, kept

__all__ = ["figures"]

# source-target, rows a side, seeds, how many of them must hold, least top-1
REAL = (
    ("A-B", 8000, 5, 5, 0.72), ("A-C", 8000, 5, 5, 0.75), ("B-C", 8000, 5, 5, 0.85),
    ("A-D", 8000, 5, 4, 0.45), ("C-D", 12_000, 5, 3, 0.3),
)  # fmt: skip
NEAR = ("A-A~turn", "A-A~warp")
CURVE = (4000, 10_000)
FAST = 8  # how much less CPU than the peer's, at least


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """Measure translation without pairs. Quick: one run on a turned and blurred copy, with few rows."""
    if quick:
        run = kept("align", Case("A-A~turn", 3000), place)
        yield _top1("unpaired, turned and blurred, 3,000 a side", [run], 1, 0.95)
        return
    for pair, rows, seeds, of, least in REAL:
        runs = [kept("align", Case(pair, rows, seed), place) for seed in range(seeds)]
        peer = kept("mini-vec2vec", Case(pair, rows), place) if pair in ("A-B", "A-C", "B-C") else None
        yield _top1(f"unpaired {pair}, {rows:,} a side", runs, of, least, peer)
    for pair in NEAR:
        runs = [kept("align", Case(pair, 8000, seed), place) for seed in range(10)]
        peer = kept("mini-vec2vec", Case(pair, 8000), place)
        yield _top1(f"unpaired {pair}, 8,000 a side", runs, 10, 0.95, peer)
        cpu = float(np.median([run["cpu"] for run in runs]))
        yield Figure(
            f"unpaired {pair}: CPU beside mini-vec2vec's recipe", peer["cpu"] / cpu, "times", peer["cpu"],
            f">= {FAST}", check(peer["cpu"] / cpu, f">= {FAST}"), len(runs), f"ours {cpu:.1f} CPU s, the median",
        )  # fmt: skip
    for rows in CURVE:
        yield _top1(f"unpaired A-C, {rows:,} a side", [kept("align", Case("A-C", rows), place)])
    yield from _costs(place)
    yield _same(place)


def _top1(
    name: str,
    runs: Sequence[dict[str, Any]],
    of: int = 1,
    least: float | None = None,
    peer: dict[str, Any] | None = None,
) -> Figure:
    """The of-th best top-1 of the runs."""
    found = sorted((run["centred"] for run in runs), reverse=True)
    mean = {key: float(np.mean([run["measured"][key] for run in runs])) for key in ("top1", "rank", "kept", "cosine")}
    bar = None if least is None else f">= {least}"
    holds = None if bar is None else check(found[of - 1], bar)
    beside = peer["centred"] if peer else None
    whose = "peer: mini-vec2vec's recipe" if peer else "no peer"
    return Figure(
        f"{name}, top-1 of 4,000" + (f", {of} of {len(runs)} seeds" if len(runs) > 1 else ""),
        found[of - 1], "top-1", beside, bar, holds, len(runs),
        f"top-1 {'/'.join(f'{v:.2f}' for v in found)}; not centred {mean['top1']:.2f}, mean rank {mean['rank']:.1f}, "
        f"neighbours kept@10 {mean['kept']:.2f}, cosine {mean['cosine']:.2f}; {whose}",
    )  # fmt: skip


def _costs(place: Path) -> Iterator[Figure]:
    runs = [kept("align", Case(pair, 8000, seed), place) for pair in ("A-B", "A-C", "B-C") for seed in range(5)]
    costs = [run["cpu"] for run in runs]
    note = f"median {np.median(costs):.1f} s; taken as the runs were made, on a machine with other work"
    yield Figure("unpaired, one run at 8,000", max(costs), "CPU s", None, "<= 45", max(costs) <= 45, len(costs), note)
    twice = kept("judged", Case("A-C", 8000), place)["cpu"]
    yield Figure("unpaired, two runs and the verdict at 8,000", twice, "CPU s", None, "<= 100", twice <= 100, 1)


def _same(place: Path) -> Figure:
    run = kept("align", Case("A-C", 6000, 0, True), place)
    told, top1 = run["facts"]["same_texts"], run["centred"]
    return Figure(
        "unpaired A-C, the same 6,000 texts in unknown order, top-1 of 4,000 others", top1, "top-1", None, ">= 0.95",
        told and top1 >= 0.95, 1, f"recognised: {told}; {run['facts']['mutual']:.0%} are mutual neighbours",
    )  # fmt: skip
