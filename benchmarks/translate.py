"""What a translation keeps: with pairs, with few, with none; what it costs; when it says that it failed."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import folder
from benchmarks.figure import Figure

__all__ = ["figures"]

PARTS = ("paired", "unpaired", "verdict", "domain", "migrate", "vec2vec", "audit")


def figures(data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure everything, part by part."""
    place = folder(data)
    for name in PARTS:
        if only in name:
            yield from importlib.import_module(f"benchmarks.translate_{name}").figures(place, quick)
