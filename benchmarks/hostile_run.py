"""python -m benchmarks.hostile_run FOLDER: index a folder of hostile files in this process, and say what it cost.

One JSON object: the counts, how each file ended, peak memory of this process and of the largest worker, the greatest
CPU time that one file took, what was left in the folder of temporary files, and which workers were left running.
"""

import argparse
import json
import os
import resource
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import memory
from samespace.encode.hashing import load
from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
from samespace.read import pool
from samespace.read.process import Process
from samespace.read.protocol import Done, Failed, Limits, Options
from samespace.read.wire import Job

_TICK = os.sysconf("SC_CLK_TCK")


class Measured(Process):
    """A worker process that remembers what each file cost it."""

    worst: tuple[float, str] = (0.0, "")
    pids: list[int] = []  # noqa: RUF012 - of the class on purpose

    def ask(self, job: Job) -> None:
        """Note the time, and which file it is."""
        self.pids.append(self.pid)
        self._job, self._from, self._last = os.fsdecode(job.path), _cpu(self.pid), 0.0
        super().ask(job)

    def answer(self) -> Any:
        """Note the time that a file took when it ends."""
        try:
            said = super().answer()
        finally:
            self._note()
        if isinstance(said, (Done, Failed)):
            self._note()
        return said

    def _note(self) -> None:
        self._last = max(self._last, _cpu(self.pid) - self._from)
        Measured.worst = max(Measured.worst, (self._last, self._job))

    def close(self, *, kill: bool = False) -> None:
        """Note the time of a file that it is ended at."""
        if hasattr(self, "_job") and kill:
            self._note()
        super().close(kill=kill)


def _cpu(pid: int) -> float:
    """CPU seconds of a process that runs, or has just ended; 0 if it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / _TICK


def run(folder: Path, *, ocr: bool, wall: float, cpu: int) -> dict[str, Any]:
    """Index a folder, in a new index, with real workers and the encoder that needs no model."""
    pool.Process = Measured  # type: ignore[attr-defined]
    encoder = load("256")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own  # readers have their folders in here
        before = memory.peak()
        index = LanceIndex.create(str(Path(place) / "index"), encoder.space, "hashing")
        limits = replace(Limits(), wall_seconds=wall, cpu_seconds=cpu)
        options = Options(ocr=ocr, speech=False, limits=limits)
        counts = ingest(index, encoder, [folder], options=options)
        rows = list(index.files().values())
        own_rss = memory.peak()
        left = [str(p.relative_to(own)) for p in Path(own).rglob("*")]
        tempfile.tempdir = None
    return {
        **counts.to_dict(),
        "ends": {row.path: [row.failure or row.status, row.reason] for row in rows},
        "classes": Counter(row.failure or row.status for row in rows),
        "parent_mb": own_rss,
        "parent_before_mb": before,
        "worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "limit_mb": limits.memory_bytes / 2**20,
        "worst_cpu": Measured.worst[0],
        "worst_file": Measured.worst[1],
        "left": left,
        "running": [pid for pid in set(Measured.pids) if Path(f"/proc/{pid}").exists()],
    }


def main() -> None:
    """Run it, print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_run", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ocr", action="store_true", help="read text in pictures, too")
    parser.add_argument("--wall", type=float, default=120.0, help="seconds for one file")
    parser.add_argument("--cpu", type=int, default=60, help="CPU seconds for one file")
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.folder, ocr=chosen.ocr, wall=chosen.wall, cpu=chosen.cpu)))


if __name__ == "__main__":
    main()
