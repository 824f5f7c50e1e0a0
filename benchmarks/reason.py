"""Does thinking help, and is it the thinking that helps? Each figure beside its controls."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure

__all__ = ["figures"]

PARTS = {
    "pointer": "reason_pointer:figures",
    "speed": "reason_speed:figures",
}


def figures(data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure everything, part by part."""
    for name, where in PARTS.items():
        if only in name:
            module, function = where.split(":")
            yield from getattr(importlib.import_module(f"benchmarks.{module}"), function)(data or Path(), quick)
