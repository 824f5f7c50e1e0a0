"""How close to the limit: each figure as a ratio to its peer, on the same data, in the same run."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import folder
from benchmarks.figure import Figure

__all__ = ["figures"]

PARTS = {
    "text": "hard_text:text_figures",
    "default": "hard_text:default_figures",
    "speech": "hard_speech:speech_figures",
    "search": "hard_search:search_figures",
    "hot": "hard_search:hot_figures",
    "disk": "hard_disk:disk_figures",
    "cold": "hard_cold:cold_figures",
    "ingest": "hard_ingest:ingest_figures",
    "growth": "hard_growth:growth_figures",
    "durable": "hard_durable:durable_figures",
    "bulk": "hard_bulk:bulk_figures",
    "hostile": "hard_hostile:hostile_figures",
}


def figures(data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure everything, part by part."""
    place = folder(data)
    for name, where in PARTS.items():
        if only in name:
            module, function = where.split(":")
            yield from getattr(importlib.import_module(f"benchmarks.{module}"), function)(place, quick)
