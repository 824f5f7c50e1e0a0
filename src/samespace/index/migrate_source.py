"""What was embedded, made again for another model: words from the items table, pictures and sounds from their files.

An item is taken only if its digest says that it is the very thing that was embedded before.

Knows nothing of models. Imports numpy, pyarrow; the reader pool when files are read. Letters: n vector rows.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from samespace.index.scan import decode_path
from samespace.index.snapshot import Snapshot
from samespace.items import Item, Modality, Text

__all__ = ["media_of", "texts_of"]

_FILES = 64  # read at a time


def texts_of(view: Snapshot, rows: Sequence[int], modalities: Collection[Modality]) -> dict[int, Item]:
    """Those of some vector rows that are words, by row and in their order; no file is opened."""
    if "text" not in modalities or not len(rows):
        return {}
    first = np.array([view.items_of(int(row))[0] for row in rows], np.int64)
    table = view.rows.take(first, ["digest", "modality", "text"]).to_pylist()
    made: dict[int, Item] = {}
    for row, data in zip(rows, table, strict=True):
        item = Text(data["text"])
        if data["modality"] in ("", "text") and item.digest() == data["digest"]:
            made[int(row)] = item
    return made


def media_of(
    view: Snapshot, rows: Sequence[int], modalities: Collection[Modality], workers: int = 1
) -> Iterator[dict[int, Item]]:
    """Those of some vector rows that are found again in their files: some at a time, by row.

    A file that is gone or cannot be read gives nothing; its rows stay as they are.
    """
    if not len(rows):
        return
    places = [int(place) for row in rows for place in view.items_of(int(row))]
    table = view.rows.take(np.array(places, np.int64), ["path", "digest"]).to_pylist()
    row_of = {data["digest"]: int(view.vector_row[place]) for place, data in zip(places, table, strict=True)}
    paths = [Path(decode_path(path)) for path in dict.fromkeys(data["path"] for data in table)]
    there = [path for path in paths if path.is_file()]
    if there:
        yield from _read(there, row_of, frozenset(modalities), workers)


def _read(
    paths: list[Path], row_of: dict[str, int], modalities: frozenset[Modality], workers: int
) -> Iterator[dict[int, Item]]:
    from samespace.read.pool import ReaderPool
    from samespace.read.protocol import Options, Some

    found: dict[int, Item] = {}
    with ReaderPool(Options(wants=modalities, speech=False), workers) as pool:
        for event in pool.read(paths):
            for passage in event.passages if isinstance(event, Some) else ():
                if passage.item.modality not in modalities:
                    continue
                row = row_of.pop(passage.item.digest(), None)
                if row is not None:
                    found[row] = passage.item
            if len(found) >= _FILES:
                yield found
                found = {}
    if found:
        yield found
