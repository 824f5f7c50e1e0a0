"""An index that moves, seen from its new Space: rows that are embedded there, and translated ones for the rest.

For a Searcher with the new model. Every item is there from the first moment on, translated where it is not embedded
yet; they are merged on calibrated scores, held against one null (measure.py), since translations lie where the new
Space's rows lie, and which rows are left to translate is no even draw. Translated rows are a candidate stage: those
that rank high are embedded there and then, ranked by their true vectors, and kept.

Meets an Encoder only by its protocol. Imports numpy, pyarrow. Letters: n vector rows, d width.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import pyarrow.compute as pc

from samespace.encode.protocol import Encoder
from samespace.errors import SpaceMismatchError, StoreError
from samespace.index.batch import encode_each
from samespace.index.lance import LanceIndex
from samespace.index.migrate_finder import Across, Both, Held, translated
from samespace.index.migrate_fit import Bridge
from samespace.index.migrate_record import folder_of, load
from samespace.index.migrate_rows import keep, kept, kept_names
from samespace.index.migrate_source import texts_of
from samespace.index.protocol import Status
from samespace.index.schema import Card
from samespace.index.snapshot import Snapshot
from samespace.index.tables import Tables
from samespace.space import Vectors
from samespace.translate.protocol import Translator

__all__ = ["DEPTH", "Moving"]

DEPTH = 200
"""Rows of a ranking that a search embeds, those that are not yet."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """One state of both sides: what it was made of, and what was made."""

    base: Snapshot
    version: int
    left: frozenset[str]
    snapshot: Snapshot


class Moving:
    """An index on its way to the Space of an encoder. Its Snapshots have the rows of the index's own, in that Space.

    Attributes:
        depth: rows of a search's ranking that are embedded if they are not yet; 0 = none.
        embedded: rows that searches through this have embedded.
    """

    def __init__(
        self,
        index: LanceIndex,
        card: Card,
        forth: Translator,
        back: Callable[[Vectors], Vectors],
        encoder: Encoder,
        *,
        depth: int = DEPTH,
    ) -> None:
        """Check that everything is of the Space it should be of.

        Args:
            index: in its old Space.
            card: what it is to be.
            forth: from the old Space to the new one.
            back: the way back.
            encoder: of the new Space.
            depth: see above.

        Raises:
            SpaceMismatchError: one of them is of another Space.
        """
        for got, needed in ((encoder.space, card.space), (forth.target, card.space), (forth.source, index.space)):
            if got != needed:
                raise SpaceMismatchError(str(got), str(needed))
        self.index, self.card, self.forth, self.back, self.encoder = index, card, forth, back, encoder
        self.uri, self.space, self.depth, self.embedded = index.uri, card.space, depth, 0
        self._tables, self._lock = Tables(index.uri, card), Lock()
        self._seen: _Seen | None = None
        self._translated: tuple[Snapshot, np.ndarray] | None = None

    @classmethod
    def open(cls, index: LanceIndex, encoder: Encoder, *, depth: int = DEPTH) -> "Moving":
        """See an index from the Space it moves to.

        Raises:
            StoreError: it is not moving there, or has no Translator yet.
            SpaceMismatchError: that model gives another Space today than when the move began.
        """
        record = load(index.uri)
        if record is None or not record.fitted:
            raise StoreError(
                index.uri, f"it is not moving to the space {encoder.space}",
                f"Begin, or go on: samespace migrate {index.uri} --to MODEL",
            )  # fmt: skip
        bridge = Bridge.load(folder_of(index.uri))
        return cls(index, record.target, bridge.forth, bridge.back, encoder, depth=depth)

    def snapshot(self) -> Snapshot:
        """The newest view; the same object as before if neither side has changed."""
        with self._lock:
            base, left = self.index.snapshot(), kept_names(self.uri)
            table = self._tables.open_table(self.card.vector_table)
            seen = self._seen
            if seen is None or seen.base is not base or (seen.version, seen.left) != (table.version, left):
                self._seen = seen = _Seen(base, table.version, left, self._open(base, table))
            return seen.snapshot

    def moved(self) -> float:
        """Share of the rows that are embedded in the new Space, in [0, 1]; 1 if there are none."""
        native = _finder(self.snapshot()).native
        return float(native.mean()) if len(native) else 1.0

    def note(self) -> str:
        """What a person should know about an answer of it."""
        return f"the index is moving to {self.card.model}: {self.moved():.0%} of it is embedded by that model so far"

    def status(self) -> Status:
        """How the index itself stands."""
        return self.index.status()

    @property
    def previews(self) -> Any:
        """Small pictures of the index itself."""
        return self.index.previews

    def candidates(self, view: Snapshot, query: Vectors, allowed: np.ndarray | None) -> list[int]:
        """The best of the translated rows by themselves, for a weak translation may bring none among the best of all.

        Args:
            view: of this collection, or what this has made of it.
            query: (1, d).
            allowed: (m,) bool, item rows that are searched; None = all.

        Returns:
            Vector rows; of `depth` the share that is translated.
        """
        left = ~_finder(view).native
        count = math.ceil(self.depth * float(left.mean())) if len(left) else 0
        mask = left if allowed is None else left & view.vector_mask(allowed)
        return view.nearest(query, count, allowed=mask)[0].rows.tolist() if count and mask.any() else []

    def settle(self, view: Snapshot, rows: Sequence[int]) -> Snapshot:
        """A view in which these rows are embedded, as far as they are words; what is embedded is kept as moved.

        Args:
            view: of this collection, or what this has made of it.
            rows: vector rows.
        """
        finder = _finder(view)
        items = texts_of(view, [row for row in rows if not finder.native[row]], self.encoder.modalities)
        done = zip(items, encode_each(self.encoder, list(items.values())), strict=True)
        found = {row: made for row, made in done if isinstance(made, Vectors)}
        if not found:
            return view
        at = np.array(list(found), np.int64)
        vectors = self.space.empty().concat(*found.values())
        keep(self.uri, view.digests.take(at).to_pylist(), vectors)
        self.embedded += len(found)
        return _over(view, finder.with_rows(at, vectors.data))

    def _open(self, base: Snapshot, table: Any) -> Snapshot:
        there = table.to_table(columns=["digest"])["digest"]
        position = pc.fill_null(pc.index_in(base.digests, value_set=there), -1).to_numpy().astype(np.int64)
        finder: Both
        if len(base) > self.index.ram_rows:
            none = np.empty((0, self.space.dim), np.float32)
            finder = Across(base, table, position, self.forth, self.back, np.full(len(base), -1), none)
        else:
            finder = Held.of(self._rows(base), table, position, self.space)
        for digests, vectors in kept(self.uri, self.space).values():
            at = pc.index_in(digests, value_set=base.digests).to_numpy(zero_copy_only=False)
            good = np.isfinite(at.astype(np.float64))
            finder = finder.with_rows(at[good].astype(np.int64), vectors.data[good])
        return _over(replace(base, space=self.space), finder)

    def _rows(self, base: Snapshot) -> np.ndarray:
        """(n, d) translated rows of a view, kept for as long as that is the newest."""
        if self._translated is None or self._translated[0] is not base:
            self._translated = base, translated(base, self.forth)
        return self._translated[1]


def _finder(view: Snapshot) -> Both:
    """The Finder of a view that a Moving has made."""
    assert isinstance(view.finder, Held | Across)
    return view.finder


def _over(view: Snapshot, finder: Both) -> Snapshot:
    """The same rows with another Finder; what was derived of the rows stays."""
    assert view.prepared is not None  # a LanceIndex has made the view
    made = replace(view, finder=finder, prepared=replace(view.prepared, memo=None))  # which is of the old Space
    for name in ("lexicon", "_places", "items"):
        if name in view.__dict__:
            made.__dict__[name] = view.__dict__[name]
    return made
