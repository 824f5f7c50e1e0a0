"""Moving an index to another model's Space while it is searched: the sample, the Translator, and then row by row.

Begin: a sample is embedded and a Translator fitted. From then on `Moving` (migrate_view.py) answers queries by the new
model. Move: the rest is embedded, most searched and least trusted first. Every batch is committed as it is made, and
what is committed is never embedded again: a run that was killed goes on from there. The old side is not touched.

Meets an Encoder only by its protocol. Imports numpy, pyarrow. Letters: n vector rows.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pyarrow as pa

from samespace.encode.protocol import Encoder
from samespace.errors import StoreError
from samespace.index.lance import LanceIndex
from samespace.index.lock import hold
from samespace.index.migrate_fit import fitted
from samespace.index.migrate_record import Record, folder_of, load, save
from samespace.index.migrate_run import Progress, Run, rows_of
from samespace.index.schema import Card
from samespace.index.snapshot import Snapshot

__all__ = ["SAMPLE", "begin", "chosen", "move"]

SAMPLE = 1000
"""Rows that are embedded first, for the Translator."""
_BATCHES = 16  # until the order is made anew


def chosen(view: Snapshot, size: int, seed: int = 0) -> np.ndarray:
    """Vector rows of a sample, evenly drawn, sorted."""
    return np.sort(np.random.default_rng(seed).choice(len(view), min(size, len(view)), replace=False))


def begin(
    uri: str,
    encoder: Encoder,
    model: str,
    *,
    sample: int = SAMPLE,
    wait: float = 60.0,
    stop: threading.Event | None = None,
    look: Callable[[Progress], None] = lambda _: None,
) -> Record:
    """Begin a move, or go on with its beginning, until a Translator is there; at once if it is.

    Args:
        uri: of the index.
        encoder: of the new Space.
        model: the name by which it is loaded.
        sample: rows to fit and measure on.
        wait: seconds to wait for another writer at each commit.
        stop: set it to end early, in order.
        look: is told how it stands.

    Raises:
        StoreError: the index is there already, or on its way to another Space, or too small.
        IndexLockedError: another process moves it.
    """
    record = load(uri) or _new(uri, encoder, model, sample)
    if record.target.space != encoder.space:
        raise StoreError(
            uri, f"it is half-way to the model {record.target.model!r}; it cannot go to {model!r} at the same time",
            f"Finish that first, or give it up: samespace migrate {uri} --rollback",
        )  # fmt: skip
    if record.fitted:
        return record
    with _mover(uri, wait):
        save(uri, record)
        run = Run(uri, record, encoder, wait, stop or threading.Event(), look)
        view = run.index.snapshot()
        rows = rows_of(view, record.sample)
        started = time.monotonic()
        made = run.embed(view, rows)
        seconds = (time.monotonic() - started) / max(1, made)
        if run.stop.is_set():
            return record
        source, target = run.pairs(view, rows)
        bridge, measured = fitted(source, target, uri=uri)
        bridge.save(folder_of(uri))
        record = replace(record, fitted=True, measured=measured, seconds=seconds if made else record.seconds)
        save(uri, record)
    return record


def move(
    uri: str,
    encoder: Encoder,
    *,
    limit: int | None = None,
    wait: float = 60.0,
    stop: threading.Event | None = None,
    look: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Embed what is not embedded yet, until all is that can be; what searches embedded meanwhile is taken in.

    Args:
        uri: of an index whose move has begun.
        encoder: of the new Space.
        limit: rows to embed at most.
        wait: seconds to wait for another writer at each commit.
        stop: set it to end early, in order.
        look: is told how it stands, after each commit.

    Raises:
        StoreError: it is not moving there.
        IndexLockedError: another process moves it.
    """
    record = load(uri)
    if record is None or not record.fitted or record.target.space != encoder.space:
        raise StoreError(
            uri, f"it is not on its way to the space {encoder.space}", f"Begin: samespace migrate {uri} --to MODEL"
        )
    with _mover(uri, wait):
        run = Run(uri, record, encoder, wait, stop or threading.Event(), look, limit)
        while not run.over and len(rows := run.order()):
            run.embed(run.view, rows[: _BATCHES * run.size])
        run.tidy()
        return run.progress()


@contextmanager
def _mover(uri: str, wait: float) -> Iterator[None]:
    """One process moves an index; others write to it between two commits."""
    folder_of(uri).mkdir(exist_ok=True)
    with hold(folder_of(uri), wait=min(wait, 5.0)):
        yield


def _new(uri: str, encoder: Encoder, model: str, sample: int) -> Record:
    index = LanceIndex.open(uri)
    if index.space == encoder.space:
        raise StoreError(
            uri, f"it is in the space of {model!r} already", f"Search it: samespace search --index {uri} WORDS"
        )
    view = index.snapshot()
    if not len(view):
        raise StoreError(
            uri, "it holds no vectors, so there is nothing to move",
            f"Make a new one: samespace index FOLDER --model {model} --index OTHER",
        )  # fmt: skip
    recipe = getattr(encoder, "recipe", None)
    target = Card(encoder.space, model, recipe.to_dict() if recipe is not None else {})
    digests = view.digests.take(pa.array(chosen(view, sample))).to_pylist()
    return Record(index.card, target, tuple(digests))
