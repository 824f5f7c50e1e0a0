"""What can be measured: for each name a word on it, and its parts with the function that measures each.

A function is given the folder of the shared data and whether a short form is wanted, and yields Figures.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import folder
from benchmarks.figure import Figure

__all__ = ["BENCHMARKS", "Benchmark", "figures"]


@dataclass(frozen=True)
class Benchmark:
    """Figures that belong together.

    Attributes:
        about: what is measured, in a line.
        parts: name of a part -> "module:function".
        alone: measures also where the shared data are absent.
    """

    about: str
    parts: dict[str, str]
    alone: bool = False


BENCHMARKS = {
    "ground": Benchmark(
        "text models, receipts by OCR, speech, doctor, indexing twice",
        {
            "start": "ground_files:start_figures",
            "cranfield": "ground_text:cranfield_figures",
            "sts": "ground_text:sts_figures",
            "doctor": "ground_text:doctor_figures",
            "twice": "ground_files:twice_figures",
            "speech": "ground_files:speech_figures",
            "receipts": "ground_files:receipt_figures",
        },
    ),
    "hard": Benchmark(
        "speed beside peers: encoding, speech, ingest, search, growth, durability, bulk jobs",
        {
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
        },
    ),
    "translate": Benchmark(
        "carrying vectors between spaces: kept neighbours, cost, verdicts, moving an index, what leaks",
        {
            "paired": "translate_paired:figures",
            "unpaired": "translate_unpaired:figures",
            "refit": "translate_refit:figures",
            "verdict": "translate_verdict:figures",
            "domain": "translate_domain:figures",
            "migrate": "translate_migrate:figures",
            "vec2vec": "translate_vec2vec:figures",
            "audit": "translate_audit:figures",
        },
    ),
    "reason": Benchmark(
        "latent steps: whether thinking helps and whether it is the thinking, cost beside written chains",
        {
            "pointer": "reason_pointer:figures",
            "length": "reason_length:figures",
            "digits": "reason_digits:figures",
            "reach": "reason_reach:figures",
            "worded": "reason_worded:figures",
            "strategy": "reason_strategy:figures",
            "speed": "reason_speed:figures",
            "gpu": "reason_gpu:figures",
            "prosqa": "reason_prosqa:figures",
        },
        alone=True,
    ),
    "train": Benchmark(
        "what losses and batches are worth on real pairs, what the picture trunk and the starter give and cost",
        {
            "trunk": "train_trunk:figures",
            "losses": "train_losses:figures",
            "starter": "train_starter:figures",
            "mixed": "train_mixed:figures",
            "finetune": "train_finetune:figures",
            "graft": "train_graft:figures",
        },
    ),
}


def figures(name: str, data: Path | None, *, quick: bool, only: str = "") -> Iterator[Figure]:
    """Measure, part by part, what has `only` in its name. Raises SystemExit where the data it needs are absent."""
    chosen = BENCHMARKS[name]
    try:
        place = folder(data)
    except SystemExit:
        if not chosen.alone:
            raise
        place = Path()
    for part, where in chosen.parts.items():
        if only in part:
            module, function = where.split(":")
            yield from getattr(importlib.import_module(f"benchmarks.{module}"), function)(place, quick)
