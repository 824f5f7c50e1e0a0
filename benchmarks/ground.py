"""The ground's figures: text models beside their peer, receipts by OCR, speech, planted faults, indexing twice."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import folder
from benchmarks.figure import Figure

__all__ = ["figures"]

PARTS = {
    "start": "ground_files:start_figures",
    "cranfield": "ground_text:cranfield_figures",
    "sts": "ground_text:sts_figures",
    "doctor": "ground_text:doctor_figures",
    "twice": "ground_files:twice_figures",
    "speech": "ground_files:speech_figures",
    "receipts": "ground_files:receipt_figures",
}


def figures(data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure everything, part by part."""
    place = folder(data)
    for name, where in PARTS.items():
        if only in name:
            module, function = where.split(":")
            yield from getattr(importlib.import_module(f"benchmarks.{module}"), function)(place, quick)
