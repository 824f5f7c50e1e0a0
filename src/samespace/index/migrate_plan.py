"""A plan of a move before it begins: rows, time, disk, and what searches will find meanwhile, measured on a sample.

Meets an Encoder only by its protocol. Imports numpy. Letters: n vector rows.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from samespace.encode.protocol import Encoder
from samespace.errors import StoreError
from samespace.index.batch import encode_each
from samespace.index.lance import LanceIndex
from samespace.index.measure import sorts_of
from samespace.index.migrate import chosen
from samespace.index.migrate_fit import fitted
from samespace.index.migrate_source import texts_of
from samespace.index.snapshot import Snapshot
from samespace.space import Space, Vectors

__all__ = ["Plan", "foreign", "plan", "weight_of"]

_ROW = 70  # bytes of a row beside its vector: its key, and a share of the search index


@dataclass(frozen=True)
class Plan:
    """What a move would take.

    Attributes:
        rows: to embed.
        seconds: of wall time, at the pace of the sample.
        bytes: on the disk, until the move is finished.
        foreign: rows by modality that the new model does not take in: they can only be translated.
        measured: see migrate_fit.quality.
    """

    rows: int
    seconds: float
    bytes: int
    foreign: Mapping[str, int]
    measured: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def plan(index: LanceIndex, encoder: Encoder, *, sample: int = 300) -> Plan:
    """Embed a sample, fit a Translator on it, measure, and write nothing.

    Args:
        index: to be moved.
        encoder: of the new Space.
        sample: rows; words only.

    Raises:
        StoreError: there are too few rows that the new model takes in.
    """
    view = index.snapshot()
    items = texts_of(view, chosen(view, sample).tolist(), encoder.modalities)
    started = time.monotonic()
    done = zip(items, encode_each(encoder, list(items.values())), strict=True)
    good = {row: made for row, made in done if isinstance(made, Vectors)}
    pace = (time.monotonic() - started) / max(1, len(good))
    if not good:
        raise StoreError(
            index.uri, f"the new model takes in nothing of it ({', '.join(sorted(encoder.modalities))} only)",
            "Choose another model: samespace models",
        )  # fmt: skip
    target = encoder.space.empty().concat(*good.values())
    _, measured = fitted(view.vectors(np.array(list(good))), target, uri=index.uri)
    return Plan(len(view), pace * len(view), weight_of(len(view), encoder.space), foreign(view, encoder), measured)


def foreign(view: Snapshot, encoder: Encoder) -> dict[str, int]:
    """Rows of a view by modality that a model does not take in."""
    numbers, names = sorts_of(view)
    counts = np.bincount(numbers, minlength=len(names))
    made: dict[str, int] = {}
    for name, count in zip(names, counts.tolist(), strict=True):
        modality = name.partition("/")[0]
        if count and modality not in encoder.modalities:
            made[modality] = made.get(modality, 0) + count
    return made


def weight_of(rows: int, space: Space) -> int:
    """Bytes of so many rows of a Space on the disk."""
    return rows * (4 * space.dim + _ROW)
