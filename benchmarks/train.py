"""Training: what the losses and batches are worth on real pairs, and what the picture trunk gives and costs."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import folder
from benchmarks.figure import Figure

__all__ = ["figures"]

PARTS = ("trunk", "losses")


def figures(data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure everything, part by part."""
    place = folder(data)
    for name in PARTS:
        if only in name:
            yield from importlib.import_module(f"benchmarks.train_{name}").figures(place, quick)
