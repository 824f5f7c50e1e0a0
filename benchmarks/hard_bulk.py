"""Bulk runs beside an ordinary ingest of the same files: what ranges of files, a journal and other processes cost.

Each contestant is a Python process of its own, started anew, that ends with the same rows. CPU is that of its whole
process tree, sampled, as Ray's servers and workers are nobody's waited-for children: short-lived processes lose up to
a twentieth of a second each, for all contestants alike. Two cores; every contestant may use both.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.clock import Took, ratio
from benchmarks.figure import Figure
from benchmarks.hard_ingest import passages

__all__ = ["bulk_figures", "run"]

MODELS = {"no model (hashing)": "hashing:384", "all-MiniLM-L6-v2": "all-MiniLM-L6-v2"}
_TICK = os.sysconf("SC_CLK_TCK")
_PAUSE = 0.05
_CODE = "import sys; from benchmarks.hard_bulk import run; run(*sys.argv[1:])"


def bulk_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """CPU and wall of a bulk run by each executor, as multiples of an ordinary ingest's."""
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as temporary:  # short: Ray's sockets are below
        place = Path(temporary)
        counts = {"no model (hashing)": 200 if quick else 2000, "all-MiniLM-L6-v2": 0 if quick else 500}
        for model, count in counts.items():
            if count:
                files, few = _written(data, count, place / f"files-{count}"), _written(data, 1, place / "one")
                yield from _beside(place, MODELS[model], model, (files, few), count, 1 if quick else 5)


@dataclass
class _Ended:
    took: Took
    rows: Mapping[str, int]


def _beside(
    place: Path, name: str, model: str, folders: tuple[Path, Path], count: int, rounds: int
) -> Iterator[Figure]:
    whole: dict[str, list[_Ended]] = {how: [] for how in ("ingest", "loop", "spawn", "ray")}
    start: dict[str, list[_Ended]] = {how: [] for how in whole}
    warming = rounds > 1  # a round that fills the disk's cache and is not counted
    for number in range(rounds + warming):
        for how in whole:
            for found, folder in ((whole, folders[0]), (start, folders[1])):
                ended = _ended(how, name, folder, place)
                if number or not warming:
                    found[how].append(ended)
    same = all(e.rows == whole["ingest"][0].rows for many in whole.values() for e in many)
    rows = "the same rows" if same else "ROWS DIFFER"
    for how in ("loop", "spawn", "ray"):
        for wall in (False, True):
            unit = "wall" if wall else "CPU"
            mine, theirs = [e.took for e in whole[how]], [e.took for e in whole["ingest"]]
            begun = [_less(a.took, b.took) for a, b in zip(whole[how], start[how], strict=True)]
            peer = [_less(a.took, b.took) for a, b in zip(whole["ingest"], start["ingest"], strict=True)]
            seconds = partial(_median, wall=wall)
            notes = (
                f"{seconds(mine):.1f} s to {seconds(theirs):.1f} s; without what one file takes "
                f"{ratio(begun, peer, wall=wall):.2f}x; {_WHAT[how]}; {rows}"
            )
            yield Figure(
                f"bulk run by {how}, {count} files, {model}: {unit} to an ordinary ingest's",
                ratio(mine, theirs, wall=wall), "x", n=rounds, notes=notes,
            )  # fmt: skip


_WHAT = {
    "loop": "one process, parts of 256 files, a journal, one commit",
    "spawn": "two processes, two models",
    "ray": "a local cluster of two CPUs, its start and end included",
}


def _median(many: list[Took], *, wall: bool) -> float:
    return median(t.wall if wall else t.cpu for t in many)


def _less(one: Took, other: Took) -> Took:
    return Took(max(1e-3, one.cpu - other.cpu), max(1e-3, one.wall - other.wall))


def _ended(how: str, name: str, folder: Path, place: Path) -> _Ended:
    """One run in a process of its own."""
    target = place / "index"
    shutil.rmtree(target, ignore_errors=True)
    environment = {**os.environ, "RAY_TMPDIR": str(place), "RAY_AUTH_TOKEN": "0" * 64}
    environment.pop("OMP_NUM_THREADS", None)
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", _CODE, how, name, str(folder), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        tree = _Tree(process.pid)
        out, _ = process.communicate()
        wall = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"a bulk run by {how} ended with {process.returncode}\nRun it by hand: {command}")
    return _Ended(Took(tree.end(), wall), json.loads(out.splitlines()[-1]))


class _Tree:
    """CPU seconds of a process and all that descend from it, while they live."""

    def __init__(self, top: int) -> None:
        self._pids, self._cpu = {top}, dict[int, float]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        self._over.set()
        self._thread.join()
        return sum(self._cpu.values())

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE):
            self._look()

    def _look(self) -> None:
        found: list[tuple[int, int, float]] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                found.append((int(entry.name), int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICK))
        grown = True
        while grown:
            new = {pid for pid, parent, _ in found if parent in self._pids} - self._pids
            self._pids |= new
            grown = bool(new)
        self._cpu |= {pid: seconds for pid, _, seconds in found if pid in self._pids}


def _written(data: Path, count: int, place: Path) -> Path:
    place.mkdir(exist_ok=True)
    for number, (_, text) in enumerate(passages(data)[:count]):
        (place / f"{number:05}.txt").write_text(text + "\n")
    return place


def run(how: str, model: str, folder: str, target: str) -> None:
    """One contestant: make an index and fill it; prints how many rows it has."""
    from dataclasses import replace

    from samespace.encode.load import load
    from samespace.index.bulk import bulk
    from samespace.index.executor import Executor, Loop, Spawned
    from samespace.index.fragment import Order
    from samespace.index.ingest import ingest
    from samespace.index.lance import LanceIndex
    from samespace.read.protocol import Options
    from samespace.serve.bulk import LOADER

    encoder = load(model)
    index = LanceIndex.create(target, encoder.space, model)
    if how == "ingest":
        ingest(index, encoder, [folder])
    else:
        order = Order(index.uri, LOADER, replace(Options(), wants=encoder.modalities))
        if how == "ray":
            from samespace.index.cluster import Cluster

            with Cluster("local", cpus=2) as cluster:
                bulk(index, order, [folder], executor=cluster)
        else:
            executor: Executor = Spawned(2) if how == "spawn" else Loop()
            bulk(index, order, [folder], executor=executor)
    status = index.status()
    print(json.dumps({"files": sum(status.files.values()), "items": status.items, "vectors": status.vectors}))
