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
from benchmarks.translate_runs import Case, Sides, kept

__all__ = ["figures"]

# source-target, rows a side, seeds, how many of them must hold, least top-1
REAL = (
    ("A-B", 8000, 5, 5, 0.72), ("A-C", 8000, 5, 5, 0.75), ("B-C", 8000, 5, 5, 0.85),
    ("A-D", 8000, 5, 4, 0.45), ("C-D", 12_000, 5, 3, 0.3),
)  # fmt: skip
BESIDE = ("A-B", "A-C", "B-C")  # where mini-vec2vec's recipe is run too
NEAR = ("A-A~turn", "A-A~warp")
CURVE = ((4000, 3), (5000, 3), (16_000, 1))  # rows a side, seeds
OTHER = (("P-A", 8000), ("P-C", 8000), ("L-A", 8000), ("L-C", 8000), ("A-F", 5000))
SOURCES: tuple[tuple[str, int, Sides, str], ...] = (
    ("A-C", 8000, "taught", "encyclopedia and textbooks against questions and stories"),
    ("A-B", 8000, "taught", "encyclopedia and textbooks against questions and stories"),
    ("A-C", 5000, "apart", "textbook captions against sums and stories"),
    ("A-B", 5000, "apart", "textbook captions against sums and stories"),
)
FAST, AT_MOST = 8, 0.01  # how much less CPU than the peer's, at least; top-1 of the peer on real pairs


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """Measure translation without pairs. Quick: one run on a turned and blurred copy, with few rows."""
    if quick:
        yield _top1("unpaired, turned and blurred, 3,000 a side", _runs(Case("A-A~turn", 3000), 1, place), 1, 0.95)
        return
    for pair, rows, seeds, of, least in REAL:
        peer = kept("mini-vec2vec", Case(pair, rows), place) if pair in BESIDE else None
        yield _top1(f"unpaired {pair}, {rows:,} a side", _runs(Case(pair, rows), seeds, place), of, least, peer)
    yield from _copies(place)
    for rows, seeds in CURVE:
        yield _top1(f"unpaired A-C, {rows:,} a side", _runs(Case("A-C", rows), seeds, place))
    for pair, rows in OTHER:
        yield _top1(f"unpaired {pair}, {rows:,} a side", _runs(Case(pair, rows), 3, place))
    for pair, rows, sides, words in SOURCES:
        yield _top1(f"unpaired {pair}, {rows:,} a side, {words}", _runs(Case(pair, rows, 0, sides), 3, place))
    yield from _costs(place)
    yield _same(place)


def _runs(case: Case, seeds: int, place: Path) -> list[dict[str, Any]]:
    return [kept("align", Case(case.pair, case.rows, seed, case.sides), place) for seed in range(seeds)]


def _top1(
    name: str,
    runs: Sequence[dict[str, Any]],
    of: int | None = None,
    least: float | None = None,
    peer: dict[str, Any] | None = None,
) -> Figure:
    """The of-th best top-1 of the runs, their median without a bar."""
    found = sorted((run["centred"] for run in runs), reverse=True)
    value = float(np.median(found)) if of is None else found[of - 1]
    mean = {key: float(np.mean([run["measured"][key] for run in runs])) for key in ("top1", "rank", "kept", "cosine")}
    bar = None if least is None else f">= {least}"
    counted = "" if len(runs) == 1 else f", {of} of {len(runs)} seeds" if of else f", median of {len(runs)} seeds"
    return Figure(
        f"{name}, top-1 of 4,000{counted}", value, "", peer["centred"] if peer else None,
        bar, None if bar is None else check(value, bar), len(runs),
        f"top-1 {' '.join(f'{v:.3f}' for v in found)}; not centred {mean['top1']:.3f}, mean rank {mean['rank']:.1f}, "
        f"neighbours kept@10 {mean['kept']:.3f}, cosine {mean['cosine']:.2f}; chance .00025"
        + (f"; peer = mini-vec2vec's recipe, {peer['cpu']:.0f} CPU s" if peer else ""),
    )  # fmt: skip


def _copies(place: Path) -> Iterator[Figure]:
    """Spaces that are nearly turned copies, where the peer's recipe finds the map too."""
    for pair in NEAR:
        runs = _runs(Case(pair, 8000), 10, place)
        peer = kept("mini-vec2vec", Case(pair, 8000), place)
        yield _top1(f"unpaired {pair}, 8,000 a side", runs, 10, 0.95, peer)
        cpu = float(np.median([run["cpu"] for run in runs]))
        yield Figure(
            f"unpaired {pair}: CPU of mini-vec2vec's recipe over ours", peer["cpu"] / cpu, "times", peer["cpu"],
            f">= {FAST}", check(peer["cpu"] / cpu, f">= {FAST}"), len(runs), f"ours {cpu:.1f} CPU s, the median",
        )  # fmt: skip
    worst = max(kept("mini-vec2vec", Case(pair, 8000), place)["centred"] for pair in BESIDE)
    yield Figure(
        f"mini-vec2vec's recipe on {', '.join(BESIDE)}: best top-1 of 4,000", worst, "", None, f"<= {AT_MOST}",
        worst <= AT_MOST, len(BESIDE), "8,000 a side, one seed each; control of the rows above",
    )  # fmt: skip


def _costs(place: Path) -> Iterator[Figure]:
    costs = [run["cpu"] for pair in BESIDE for run in _runs(Case(pair, 8000), 5, place)]
    note = f"the most; median {np.median(costs):.1f}; as the runs were made, on a machine with other work"
    yield Figure(
        "unpaired, one run at 8,000 a side", max(costs), "CPU s", None, "<= 45", max(costs) <= 45, len(costs), note
    )
    run = kept("judged", Case("A-C", 8000), place)
    verdict = run["facts"]["verdict"]
    yield Figure(
        "unpaired A-C, two runs and the verdict at 8,000 a side", run["cpu"], "CPU s", None, "<= 100",
        run["cpu"] <= 100, 1,
        f"top-1 {run['centred']:.3f}, neighbours kept@10 {run['measured']['kept']:.3f}, {verdict['level']}: agreement "
        f"in cosine {verdict['evidence']['cosine']:.2f}, in neighbours {verdict['evidence']['same_neighbour']:.2f}",
    )  # fmt: skip


def _same(place: Path) -> Figure:
    run = kept("align", Case("A-C", 6000, 0, "same"), place)
    told, top1 = bool(run["facts"]["same_texts"]), run["centred"]
    return Figure(
        "unpaired A-C, the same 6,000 texts in unknown order, top-1 of 4,000 others", top1, "", None, ">= 0.95",
        told and top1 >= 0.95, 1, f"recognised: {told}; {run['facts']['mutual']:.0%} are mutual neighbours",
    )  # fmt: skip
