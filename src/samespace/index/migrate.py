"""Moving an index to another model's Space while it is searched: the sample, the Translator, and then row by row.

Begin: a sample is embedded and a Translator fitted. From then on `Moving` (migrate_view.py) answers queries by the new
model. Move: the rest is embedded, most searched and least trusted first. Every batch is committed as it is made, and
what is committed is never embedded again: a run that was killed goes on from there. The old side is not touched.

Meets an Encoder only by its protocol. Imports numpy, pyarrow. Letters: n vector rows.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.encode.protocol import Encoder
from samespace.errors import StoreError
from samespace.index.batch import encode_each
from samespace.index.lance import LanceIndex
from samespace.index.lock import hold
from samespace.index.migrate_fit import expected, fitted
from samespace.index.migrate_order import hits, trust
from samespace.index.migrate_record import Record, folder_of, load, save
from samespace.index.migrate_rows import NewSide, forget_kept, kept
from samespace.index.migrate_source import media_of, texts_of
from samespace.index.schema import Card, matrix
from samespace.index.snapshot import Snapshot
from samespace.items import Item
from samespace.space import Vectors

__all__ = ["SAMPLE", "Progress", "begin", "chosen", "move", "take_in"]

SAMPLE = 1000
"""Rows that are embedded first, for the Translator."""
_SECONDS, _FEWEST, _MOST = 5.0, 16, 1024  # of encoding a batch aims for; rows of a batch
_BATCHES = 16  # until the order is made anew


@dataclass(frozen=True)
class Progress:
    """How a move stands.

    Attributes:
        rows: that there are.
        embedded: of them in the new Space.
        failed: that could not be made again in this run: no source, or the model refuses them.
        rate: rows a second, of this run; 0 = none yet.
        kept: share of the nearest that would be found if one switched now; None = not measured.
    """

    rows: int
    embedded: int
    failed: int
    rate: float
    kept: float | None


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
        run = _Run(uri, record, encoder, wait, stop or threading.Event(), look)
        view = run.index.snapshot()
        rows = _rows_of(view, record.sample)
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
        run = _Run(uri, record, encoder, wait, stop or threading.Event(), look, limit)
        while not run.over and len(rows := run.order()):
            run.embed(run.view, rows[: _BATCHES * run.size])
        run.tidy()
        return run.progress()


def take_in(side: NewSide) -> int:
    """Commit what searches have embedded on their way; returns how many rows that was."""
    found = kept(side.uri, side.record.target.space)
    made = sum(side.commit(digests.to_pylist(), rows) for digests, rows in found.values())
    forget_kept(list(found))
    return made


@contextmanager
def _mover(uri: str, wait: float) -> Iterator[None]:
    """One process moves an index; others write to it between two commits."""
    folder_of(uri).mkdir(exist_ok=True)
    with hold(folder_of(uri), wait=min(wait, 5.0)):
        yield


def _new(uri: str, encoder: Encoder, model: str, sample: int) -> Record:
    index = LanceIndex.open(uri)
    if index.space == encoder.space:
        raise StoreError(uri, f"it is in the space of {model!r} already", "Search it: samespace search WORDS")
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


def _rows_of(view: Snapshot, digests: Sequence[str]) -> np.ndarray:
    """Vector rows of some digests, those that are still there."""
    found = pc.index_in(pa.array(list(digests), pa.string()), value_set=view.digests).drop_null()
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


class _Run:
    """One run of a move."""

    def __init__(
        self,
        uri: str,
        record: Record,
        encoder: Encoder,
        wait: float,
        stop: threading.Event,
        look: Callable[[Progress], None],
        limit: int | None = None,
    ) -> None:
        self.index, self.side = LanceIndex.open(uri), NewSide(uri, record, wait)
        self.uri, self.record, self.encoder, self.stop, self.look = uri, record, encoder, stop, look
        self.limit, self.made, self.failed, self.size = limit, 0, set[str](), 2 * _FEWEST
        self.view = self.index.snapshot()
        self._trust: tuple[Snapshot, np.ndarray] | None = None
        self._began = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether it was stopped, or has done what it may."""
        return self.stop.is_set() or (self.limit is not None and self.made >= self.limit)

    def order(self) -> np.ndarray:
        """Vector rows of the newest view that are to be embedded, the most urgent first."""
        take_in(self.side)
        self.view = view = self.index.snapshot()
        rows = np.flatnonzero(~self._embedded(view))
        if self.failed:
            rows = rows[~pc.is_in(view.digests.take(rows), value_set=pa.array(sorted(self.failed))).to_numpy(False)]
        if not len(rows) or self.index.space != self.record.source.space:
            return rows
        if self._trust is None or self._trust[0] is not view:
            self._trust = view, trust(view, view.vectors(_rows_of(view, self.record.sample)))
        return rows[np.lexsort((rows, self._trust[1][rows], -hits(self.uri, view)[rows]))]

    def embed(self, view: Snapshot, rows: np.ndarray) -> int:
        """Embed rows of a view that are not embedded yet, in their order, words before what is read from files.

        Returns:
            how many were made.
        """
        before = self.made
        rows = rows[~self._embedded(view)[rows]]
        rest: list[int] = []
        at = 0
        while at < len(rows) and not self.over:
            part = rows[at : at + self._room()].tolist()
            at += len(part)
            items = texts_of(view, part, self.encoder.modalities)
            rest += [row for row in part if row not in items]
            self._commit(view, items)
        if not self.over:
            self._from_files(view, rest)
        return self.made - before

    def pairs(self, view: Snapshot, rows: np.ndarray) -> tuple[Vectors, Vectors]:
        """Vectors of rows in both Spaces, of those that are embedded."""
        table = self.side.tables.open_table(self.side.name).to_table()
        here = pc.index_in(view.digests.take(pa.array(rows)), value_set=table["digest"])
        good = np.flatnonzero(here.is_valid().to_numpy(zero_copy_only=False))
        at = here.drop_null().to_numpy(zero_copy_only=False).astype(np.int64)
        space = self.record.target.space
        return view.vectors(rows[good]), space.vectors(matrix(table["vector"].take(pa.array(at)), space.dim))

    def progress(self) -> Progress:
        """How it stands."""
        embedded = int(self._embedded(self.view).sum())
        rate = self.made / max(1e-9, time.monotonic() - self._began)
        rows = len(self.view)
        kept = expected(self.record.measured, embedded / rows if rows else 1.0)
        return Progress(rows, embedded, len(self.failed), rate if self.made else 0.0, kept)

    def tidy(self) -> None:
        """Forget rows that no file leads to any more, and put the new side's tables in order."""
        if self.index.space == self.record.source.space and not self.stop.is_set():
            there = self.side.tables.open_table(self.side.name).to_table(columns=["digest"])["digest"]
            lost = there.filter(pc.invert(pc.is_in(there, value_set=self.index.snapshot().digests)))
            if len(lost):
                self.side.drop(lost.combine_chunks())
        if self.made:
            self.side.tidy()

    def _embedded(self, view: Snapshot) -> np.ndarray:
        """(n,) bool."""
        there = self.side.have(view.digests)
        marks = self.side.marked()
        if len(marks):
            there &= ~pc.is_in(view.digests, value_set=marks).to_numpy(zero_copy_only=False)
        return there

    def _room(self) -> int:
        left = self.size if self.limit is None else self.limit - self.made
        return max(1, min(self.size, left))

    def _commit(self, view: Snapshot, items: "dict[int, Item]") -> None:
        """Embed some items and commit them; the size of a batch follows the encoder's pace."""
        if not items:
            return
        started = time.monotonic()
        done = list(zip(items, encode_each(self.encoder, list(items.values())), strict=True))
        pace = len(items) / max(1e-6, time.monotonic() - started)
        self.size = int(min(_MOST, max(_FEWEST, pace * _SECONDS)))
        good = {row: made for row, made in done if isinstance(made, Vectors)}
        self._give_up(view, (row for row, _ in done if row not in good))
        if good:
            digests = view.digests.take(pa.array(list(good))).to_pylist()
            self.made += self.side.commit(digests, self.encoder.space.empty().concat(*good.values()))
        self.look(self.progress())

    def _from_files(self, view: Snapshot, rows: list[int]) -> None:
        """Rows that are no words: their files are read again."""
        found: set[int] = set()
        for items in media_of(view, rows, self.encoder.modalities):
            found.update(items)
            self._commit(view, items)
            if self.over:
                return
        self._give_up(view, (row for row in rows if row not in found))

    def _give_up(self, view: Snapshot, rows: Iterable[int]) -> None:
        self.failed.update(view.digests.take(pa.array(list(rows), pa.int64())).to_pylist())
