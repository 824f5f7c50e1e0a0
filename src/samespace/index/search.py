"""Searching: a Query on an Index, as Hits that say how good they are and how they were found.

Candidates by meaning (nearest vectors) and by words (BM25) are joined by rank, calibrated, folded by file and by
likeness, and shown with the words around the place.

Meets an Encoder only by its protocol. Imports numpy and pyarrow. Letters: n vector rows, m item rows, k hits.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from samespace.encode.protocol import Encoder, Role
from samespace.errors import QueryError, SpaceMismatchError
from samespace.index.calibrate import CONFIDENT, STRONG, Background
from samespace.index.compose import Composer, Direction
from samespace.index.filter import Filter
from samespace.index.fold import COLUMNS
from samespace.index.fold import fold as folded
from samespace.index.measure import Found, Gauge, Sorts, sorts_of
from samespace.index.migrate_record import require_at_rest
from samespace.index.protocol import Hits
from samespace.index.query import Both, Either, Node, Opposite, Query, Total
from samespace.index.rank import Candidate, fuse
from samespace.index.snapshot import Snapshot
from samespace.index.words import PROVEN, Asked
from samespace.items import Text
from samespace.space import Space, Vectors
from samespace.translate.protocol import Translator

if TYPE_CHECKING:
    from samespace.read.pool import ReaderPool

__all__ = ["Searcher"]

_CANDIDATES = 100  # at least, by each way
_TRIES = 5  # views that may be cleaned away under a search
_SPREAD = 64  # item rows shown of one vector row


class _Collection(Protocol):
    @property
    def space(self) -> Space: ...
    def snapshot(self) -> Snapshot: ...


@runtime_checkable
class _Moving(Protocol):
    """A collection with rows that are only translated; the best of a ranking are embedded when it is made."""

    depth: int

    def candidates(self, view: Snapshot, query: Vectors, allowed: np.ndarray | None) -> Sequence[int]: ...
    def settle(self, view: Snapshot, rows: Sequence[int]) -> Snapshot: ...
    def note(self) -> str: ...


class Searcher:
    """Searches one Index with one Encoder. Keeps what it measured of the collection until that changes."""

    def __init__(
        self,
        index: _Collection,
        encoder: Encoder,
        pool: "ReaderPool | None" = None,
        *,
        translators: Sequence[Translator] = (),
    ) -> None:
        """Check that the encoder's Space leads to the index's.

        Args:
            index: FlatIndex, LanceIndex, or whatever has their snapshots.
            encoder: turns queries into vectors.
            pool: reads files that are queries; None = a worker is started when one is asked for.
            translators: ways from other Spaces to the index's.

        Raises:
            SpaceMismatchError: the encoder is of another Space and no translator leads from it.
        """
        self.index, self.encoder, self.pool = index, encoder, pool
        self._ways = {t.source: t for t in translators if t.target == index.space}
        if encoder.space != index.space and encoder.space not in self._ways:
            require_at_rest(index, encoder.space)
            raise SpaceMismatchError(str(encoder.space), str(index.space))
        self._background: Background | None = None
        self._gauges: OrderedDict[bytes, Gauge] = OrderedDict()
        self._seen: Snapshot | None = None
        self._sorts: Sorts = np.empty(0, np.uint8), ()

    def search(
        self,
        query: Query | str,
        k: int = 10,
        where: Filter | str | dict[str, Any] | None = None,
        hybrid: bool = True,
        group: bool = True,
        fold: bool = True,
    ) -> Hits:
        """Find.

        Args:
            query: what is wanted; text stands for Query.text.
            k: hits at most, at least 1; more than there are gives all there are.
            where: what must hold of every hit, besides the query's own filter.
            hybrid: look for the words as well as for the meaning.
            group: one hit a file, with its further places in `others`.
            fold: one hit for copies and near-copies, with the other paths in `duplicates`.

        Raises:
            QueryError: k below 1, a query or filter that makes no sense.
            SpaceMismatchError: vectors of a Space without a way to the index's.
        """
        if k < 1:
            raise QueryError(f"k is {k}, and so nothing can be found", "Ask for at least one hit: k=10 (-k 10)")
        asked = Query.text(query) if isinstance(query, str) else query
        asked = asked if where is None else asked.where(where)
        for left in range(_TRIES, -1, -1):
            view = self.index.snapshot()
            try:
                return self._search(_Run(self, view, asked, hybrid), k, group, fold)
            except (OSError, pa.ArrowException):  # a clean-up took files of this view away
                if not left or self.index.snapshot() is view:
                    raise
        raise AssertionError

    def _search(self, run: "_Run", k: int, group: bool, alike: bool) -> Hits:
        view = run.view
        candidates = run.candidates(max(_CANDIDATES, 10 * k))
        bar = float("inf") if run.only_stopwords else CONFIDENT
        facts = run.facts([c.row for c in candidates])
        hits = folded(view, candidates, facts, k, run.terms, group=group, alike=alike, confident=bar)
        if run.only_stopwords:
            run.notes.append("the query has common words only, which match everything and nothing")
        confident = any(hit.confident for hit in hits)
        searched = int(run.allowed.sum()) if run.allowed is not None else len(view.rows)
        if hits and not confident and not run.only_stopwords:
            run.notes.append("no confident match")
        if isinstance(self.index, _Moving):
            run.notes.append(self.index.note())
        return Hits(hits, run.route(), run.composed, confident, searched, tuple(run.notes))

    def prepare(self) -> None:
        """Measure what the first search would have to, and keep it beside the index: for whoever has just made that."""
        view = self.index.snapshot()
        if len(view):
            self.gauge(view, None).prepare()

    def carry(self, vectors: Vectors) -> Vectors:
        """Vectors to the index's Space. Raises SpaceMismatchError if no way leads there."""
        if vectors.space == self.index.space:
            return vectors
        if vectors.space not in self._ways:
            raise SpaceMismatchError(str(vectors.space), str(self.index.space))
        return self._ways[vectors.space](vectors)

    def gauge(self, view: Snapshot, allowed: np.ndarray | None) -> Gauge:
        """What calibrates scores among the allowed rows; kept for the next search."""
        if self._seen is not view:
            self._gauges.clear()
            self._seen, self._sorts = view, sorts_of(view)
        key = b"" if allowed is None else np.packbits(allowed).tobytes()
        if key not in self._gauges:
            self._gauges[key] = Gauge(view, self._generic(), allowed, self._sorts)
            while len(self._gauges) > 8:
                self._gauges.popitem(last=False)
        self._gauges.move_to_end(key)
        return self._gauges[key]

    def _generic(self) -> Background | None:
        if self._background is None and "text" in self.encoder.modalities:

            def encode(texts: Sequence[Text], role: Role) -> Vectors:
                return self.carry(self.encoder.encode(texts, role=role))

            uri = str(getattr(self.index, "uri", ""))
            folder = Path(uri) if uri and Path(uri).is_dir() else None
            self._background = Background.of(encode, self.index.space, folder, self.encoder.space.to_json())
        return self._background


class _Run:
    """One search on its way."""

    def __init__(self, searcher: Searcher, view: Snapshot, query: Query, hybrid: bool) -> None:
        self.searcher, self.view, self.query, self.hybrid = searcher, view, query, hybrid
        self.allowed = query.filter.mask(view.rows) if query.filter else None
        self.composer = Composer(searcher.encoder, searcher.carry, view, searcher.pool)
        self.composed: Literal["single", "model", "sum", "logic"] = "logic"
        self.terms: tuple[str, ...] = ()
        self.only_stopwords = False
        self.notes: list[str] = []
        self._facts: dict[int, dict[str, Any]] = {}
        if not len(view.rows):
            self.notes.append("the index is empty")
        elif self.allowed is not None and not self.allowed.any():
            self.notes.append(f"nothing satisfies the filter: {query.filter}")

    def facts(self, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
        """What is known of some item rows, each fetched once."""
        new = sorted(set(rows) - self._facts.keys())
        if new:
            self._facts.update(zip(new, self.view.rows.take(np.array(new, np.int64), COLUMNS).to_pylist(), strict=True))
        return self._facts

    def route(self) -> tuple[str, ...]:
        """Spaces the query came through."""
        target = self.searcher.index.space.name
        sources = [p.source.space for p in self.query.parts() if isinstance(p.source, Vectors)]
        if len(sources) < sum(1 for _ in self.query.parts()):
            sources.append(self.searcher.encoder.space)
        others = dict.fromkeys(s.name for s in sources if s != self.searcher.index.space)
        return (*others, target)

    def candidates(self, most: int) -> list[Candidate]:
        """Item rows by falling rank."""
        if isinstance(self.query.node, Total):
            direction = self.composer.direction(self.query.node)
            self.composed = direction.composed
            return self._of_sum(direction, most)
        return self._of_logic(most)

    def _of_sum(self, direction: Direction, most: int) -> list[Candidate]:
        self._settle(direction)
        asked = self._asked(direction)
        gauge = self.searcher.gauge(self.view, self.allowed)
        found = gauge.nearest(direction, most)
        meaning = self._spread(found)
        worded = self._worded(asked, most) if asked else []
        joined = fuse(meaning, worded)
        if worded:
            self._measure(joined, direction, gauge)
        return joined

    def _settle(self, direction: Direction) -> None:
        """In a collection that moves: have the best rows embedded that are only translated."""
        moving = self.searcher.index
        if isinstance(moving, _Moving) and moving.depth:
            found = self.searcher.gauge(self.view, self.allowed).nearest(direction, moving.depth)
            others = moving.candidates(self.view, direction.vectors, self.allowed)
            self.view = moving.settle(self.view, [*(row for row, *_ in found), *others])

    def _asked(self, direction: Direction) -> Asked | None:
        if not direction.words:
            return None
        asked = Asked.of(direction.words, self.view)
        self.terms = tuple(dict.fromkeys((*self.terms, *asked.weights)))
        self.only_stopwords = asked.only_stopwords and all(sort == "query" for _, sort in direction.shape)
        return asked if self.hybrid and asked.text else None

    def _spread(self, found: list[Found]) -> list[Candidate]:
        """Vector rows to the item rows that share them, in order of rank."""
        made: list[Candidate] = []
        for row, similarity, z, percentile in found:
            places = self.view.items_of(row)
            places = places if self.allowed is None else places[self.allowed[places]]
            for place in places[:_SPREAD]:
                score = similarity if z is None else z
                made.append(Candidate(int(place), score, similarity, z, percentile, by=("meaning",)))
        facts = self.facts([c.row for c in made])
        for c in made:
            c.name_only = facts[c.row]["origin"] == "name"
        return made

    def _worded(self, asked: Asked, most: int) -> list[Candidate]:
        """Item rows by their words; each with whether that is proof."""
        near = self.view.words(asked.text, most, allowed=self.allowed)
        facts = self.facts(near.rows.tolist())
        made = []
        for row, score in zip(near.rows.tolist(), near.scores, strict=True):
            data = facts[row]
            name = data["path"].rsplit("/", 1)[-1]
            proof = asked.proof((data["text"], name, data["title"]))
            made.append(Candidate(row, float(score), proof=proof, by=("words",), name_only=data["origin"] == "name"))
        return made

    def _measure(self, joined: list[Candidate], direction: Direction, gauge: Gauge) -> None:
        """Similarity and worth of rows that came by their words alone."""
        late = [c for c in joined if c.similarity is None and self.view.vector_row[c.row] >= 0]
        rows = np.array([self.view.vector_row[c.row] for c in late], np.int64)
        for c, (_, similarity, z, percentile) in zip(late, gauge.measure(direction, rows), strict=True):
            c.similarity, c.z, c.percentile = similarity, z, percentile

    def _of_logic(self, most: int) -> list[Candidate]:
        """& | ~ on z: the worse, the better, the opposite. Every eligible row is scored."""
        z = self._logic(self.query.node)
        z = z if self.allowed is None else np.where(self.allowed, z, -np.inf)
        order = np.argsort(-z, kind="stable")[:most]
        order = order[np.isfinite(z[order])]
        made = [Candidate(int(row), float(z[row]), None, float(z[row]), None, by=("meaning",)) for row in order]
        for c in made:
            c.percentile = self._share(c.z or 0.0)
        return made

    @staticmethod
    def _share(z: float) -> float:
        """Share of unrelated queries whose best hit would be worse."""
        from math import erf, sqrt

        return 0.5 * (1 + erf(z / sqrt(2)))

    def _logic(self, node: Node) -> np.ndarray:
        """(m,) z of each item row; -inf where nothing is known."""
        match node:
            case Both(left, right):
                worse: np.ndarray = np.minimum(self._logic(left), self._logic(right))
                return worse
            case Either(left, right):
                better: np.ndarray = np.maximum(self._logic(left), self._logic(right))
                return better
            case Opposite(part):
                z = self._logic(part)
                return np.where(np.isfinite(z), -z, z)
            case Total():
                direction = self.composer.direction(node)
                return self._leaf(direction)

    def _leaf(self, direction: Direction) -> np.ndarray:
        self._settle(direction)
        asked = self._asked(direction)
        gauge = self.searcher.gauge(self.view, self.allowed)
        z = np.full(len(self.view.rows), -np.inf)
        known = self.view.vector_row >= 0
        z[known] = gauge.everything(direction)[self.view.vector_row[known]]
        for c in self._worded(asked, len(self.view.rows)) if asked else ():
            if c.proof in PROVEN:
                z[c.row] = max(z[c.row], STRONG)
        return z
