"""Timing on machines that others use too: contestants in turn, CPU and wall time, medians, ratios."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["Took", "cpu", "race", "ratio"]


@dataclass(frozen=True)
class Took:
    """Seconds that one round took: CPU of this process and its ended children, all threads; and by the clock."""

    cpu: float
    wall: float


def cpu() -> float:
    """CPU seconds of this process and of its children that ended, all threads."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def race(contestants: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, list[Took]]:
    """Run each contestant once a round, in turn, so that what else the machine does hits all alike.

    The first round of each is for warming up and is not counted.
    """
    took: dict[str, list[Took]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            before, began = cpu(), time.perf_counter()
            run()
            if number:
                took[name].append(Took(cpu() - before, time.perf_counter() - began))
    return took


def ratio(over: list[Took], under: list[Took], *, wall: bool = False) -> float:
    """Median over the rounds of (one contestant's time / the other's in the same round)."""
    pairs = zip(over, under, strict=True)
    return median((a.wall / b.wall) if wall else (a.cpu / b.cpu) for a, b in pairs)
