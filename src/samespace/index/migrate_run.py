"""One run of a move: what is still to embed, in which order, and batch by batch until it is stopped.

Every batch is committed as it is made. Words come from the items table; what is read from files comes after them.

Meets an Encoder only by its protocol. Imports numpy, pyarrow. Letters: n vector rows.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.encode.protocol import Encoder
from samespace.index.batch import encode_each
from samespace.index.lance import LanceIndex
from samespace.index.migrate_fit import expected
from samespace.index.migrate_order import hits, trust
from samespace.index.migrate_record import Record
from samespace.index.migrate_rows import NewSide, forget_kept, kept
from samespace.index.migrate_source import media_of, texts_of
from samespace.index.schema import matrix
from samespace.index.snapshot import Snapshot
from samespace.items import Item
from samespace.space import Vectors

__all__ = ["Progress", "Run", "rows_of", "take_in"]

_SECONDS, _FEWEST, _MOST = 5.0, 16, 1024  # of encoding a batch aims for; rows of a batch


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


def take_in(side: NewSide) -> int:
    """Commit what searches have embedded on their way; returns how many rows that was."""
    found = kept(side.uri, side.record.target.space)
    made = sum(side.commit(digests.to_pylist(), rows) for digests, rows in found.values())
    forget_kept(list(found))
    return made


class Run:
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
            self._trust = view, trust(view, view.vectors(rows_of(view, self.record.sample)))
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


def rows_of(view: Snapshot, digests: Sequence[str]) -> np.ndarray:
    """Vector rows of some digests, those that are still there."""
    found = pc.index_in(pa.array(list(digests), pa.string()), value_set=view.digests).drop_null()
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)
