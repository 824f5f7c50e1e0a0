"""The ground's figures: text models beside their peer, receipts by OCR, speech, planted faults, indexing twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import ground_files, ground_text
from benchmarks.data import folder
from benchmarks.figure import Figure

PARTS: dict[str, Callable[[Path, bool], Iterator[Figure]]] = {
    "cranfield": ground_text.cranfield_figures,
    "sts": ground_text.sts_figures,
    "doctor": ground_text.doctor_figures,
    "twice": ground_files.twice_figures,
    "speech": ground_files.speech_figures,
    "receipts": ground_files.receipt_figures,
}


def figures(data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure everything, part by part."""
    place = folder(data)
    for name, part in PARTS.items():
        if only in name:
            yield from part(place, quick)


__all__ = ["figures"]
