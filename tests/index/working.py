"""Work for the tests of executors, in a module of its own so that other processes find it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from samespace.errors import QueryError


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers; leaves a mark for each; dies of some, as often as told; raises at others."""

    folder: str
    deadly: int = -1
    deaths: int = 1
    refused: int = -1
    failing: int = -1

    def __call__(self, job: int) -> int:
        marks = Path(self.folder)
        (marks / f"{job}-{os.getpid()}-{time.monotonic_ns()}").touch()
        if job == self.deadly and len(list(marks.glob(f"{job}-*"))) <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        if job == self.refused:
            raise QueryError("the fact", "the mend")
        if job == self.failing:
            raise ZeroDivisionError("by nought")
        return 2 * job

    def close(self) -> None:
        (Path(self.folder) / f"closed-{os.getpid()}").touch()
