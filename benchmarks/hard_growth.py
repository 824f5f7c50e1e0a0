"""Growth: what a file more costs when there are many already, in CPU time and in memory, with an encoder that costs
next to nothing, so that the pipeline itself is measured.

Each size is a process of its own (`python -m benchmarks.hard_growth INDEX FOLDER…`) that says what it took.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import memory
from benchmarks.clock import cpu
from benchmarks.figure import Figure, check
from benchmarks.hard_ingest import passages
from samespace.encode.load import load
from samespace.index.heap import few_heaps
from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
from samespace.index.progress import Progress

__all__ = ["growth_figures"]

MODEL = "hashing:256"
_PART = 1000  # files a folder
_MARK = 0.1  # share of the files after which memory is first looked at
_SIZES = ((1000, 5), (5000, 3), (20_000, 1), (50_000, 1))  # files, rounds
_QUICK = ((1000, 1), (3000, 1), (5000, 1))


def growth_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """CPU seconds per 1,000 files in the first and the last stretch, memory then and now, and a run for nothing."""
    sizes = _QUICK if quick else _SIZES
    with tempfile.TemporaryDirectory(prefix="samespace-bench-") as temporary:
        place = Path(temporary)
        parts = _written(data, sizes[-1][0], place / "files")
        took: dict[int, dict[str, Any]] = {}
        for files, rounds in sizes:
            runs = [_run(place / f"{files}-{i}", parts[: files // _PART]) for i in range(rounds)]
            took[files] = runs[-1] | {"cpu": median(run["cpu"] for run in runs)}
        again = _run(place / f"{sizes[-1][0]}-0", parts)
    yield _slope(took)
    yield from _memory(took[sizes[-1][0]], sizes[-1][0])
    name = f"ingest again of {sizes[-1][0]:,} unchanged files, CPU s per 1,000 files"
    notes = f"start included; {again['wall']:.1f} s by the clock"
    yield Figure(name, again["cpu"] / sizes[-1][0] * 1000, "s", n=sizes[-1][0], notes=notes)


def _slope(took: dict[int, dict[str, Any]]) -> Figure:
    """The last stretch against the first: 1 is linear."""
    sizes = sorted(took)
    stretches = {
        f"{low:,} to {high:,}": (took[high]["cpu"] - took[low]["cpu"]) / (high - low) * 1000
        for low, high in pairwise(sizes)
    }
    costs = list(stretches.values())
    value, bar = costs[-1] / costs[0], "<= 1.15"
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stretches.items())
    figure = f"ingest from {sizes[0]:,} to {sizes[-1]:,} files, CPU per file: last stretch / first"
    notes = f"per 1,000 files: {told}; upkeep at the end included; {MODEL}"
    return Figure(figure, value, "x", 1.0, bar, check(value, bar), len(sizes), notes)


def _memory(run: dict[str, Any], files: int) -> Iterator[Figure]:
    """Memory of the process that indexes: its workers are others, and bounded by their limits."""
    first, last = run["marks"][0], run["marks"][-1]
    value, bar = last[1] / first[1], "<= 1.15"
    figure = f"ingest of {files:,} files, memory of the parent at the last file / after {first[0]:,}"
    each = (last[1] - first[1]) * 1024 / max(1, last[0] - first[0])
    notes = (
        f"{first[1]:.0f} MiB then, {last[1]:.0f} MiB at the end: {each:.1f} KiB a file; {run['peak']:.0f} MiB at most"
    )
    yield Figure(figure, value, "x", 1.0, bar, check(value, bar), files, f"{notes}, with upkeep")


def _written(data: Path, count: int, place: Path) -> list[Path]:
    """Folders of 1,000 short texts, no two alike: sentences of Wikipedia in an order of their own (seed 0)."""
    sentences = [part for _, text in passages(data) for part in text.split(". ") if 40 < len(part) < 200]
    draw = random.Random(0)
    folders = []
    for first in range(0, count, _PART):
        folders.append(place / f"part {first // _PART:03}")
        for number in range(first, first + _PART):
            path = folders[-1] / f"{number % 20:02}" / f"note {number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"Note {number}. " + ". ".join(draw.sample(sentences, 3)) + ".\n")
    return folders


def _run(index: Path, folders: list[Path]) -> dict[str, Any]:
    """Index some folders in a process of its own: CPU seconds, wall seconds, memory by files, its peak."""
    command = [sys.executable, "-m", "benchmarks.hard_growth", str(index), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ended with {done.returncode}\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main(index: Path, folders: list[Path]) -> None:
    """Index the folders and print what it took."""
    few_heaps()  # as the command does
    encoder = load(MODEL)
    opened = LanceIndex.open(str(index)) if index.exists() else LanceIndex.create(str(index), encoder.space, MODEL)
    marks: list[tuple[int, float]] = []

    def look(now: Progress) -> None:
        if now.stage == "read" and now.files >= now.total * _MARK:
            marks.append((now.files, memory.now()))

    before, began = cpu(), time.perf_counter()
    ingest(opened, encoder, folders, progress=look)
    wall, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu() - before, "wall": wall, "marks": marks or [(1, 1.0)], "peak": peak}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
