"""Queries to directions: the parts of a sum become one vector of the index's Space.

Positive, unweighted items are fused by the encoder if it can ("model"); everything else is added in the Space ("sum").
A file is all that can be read in it: its passages, at most 32 spread evenly, as documents, and their mean direction.

Knows nothing of ranking. Imports the reader pool only when a file is asked for. Letters: d width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from samespace.encode.protocol import Encoder, Role
from samespace.errors import QueryError, VectorError
from samespace.index.query import File, Part, Source, Stored, Total
from samespace.index.snapshot import Snapshot
from samespace.index.words import script
from samespace.items import Item, Mixed, Text
from samespace.space import Sum, Vectors

if TYPE_CHECKING:
    from samespace.read.pool import ReaderPool

__all__ = ["Composer", "Direction"]

_PASSAGES = 32  # of a file, as a query
_SAYS = 40  # letters from which on a file is asked by its words alone
_CANCELLED = 1e-4  # length of a sum, as a share of its weights, below which it has no direction


@dataclass(frozen=True, eq=False)
class Direction:
    """A sum as one vector, and what its calibration must know.

    Attributes:
        vectors: (1, d) in the index's Space.
        composed: how it came about.
        shape: weight and sort ("query", "text", "image", …) of each summand.
        words: of its texts, for full-text search; not of those that weigh half of the heaviest part or less.
        writing: of its positive texts; "" if there are none.
    """

    vectors: Vectors
    composed: Literal["single", "model", "sum"]
    shape: tuple[tuple[float, str], ...]
    words: str
    writing: str


@dataclass(frozen=True, eq=False)
class Composer:
    """Turns parts into vectors.

    Attributes:
        encoder: of any Space that `carry` knows the way from.
        carry: brings Vectors to the index's Space.
        snapshot: where stored items are looked up.
        pool: reads files; None = one is made when needed.
    """

    encoder: Encoder
    carry: Callable[[Vectors], Vectors]
    snapshot: Snapshot
    pool: "ReaderPool | None" = None

    def direction(self, total: Total) -> Direction:
        """Turn a sum into a direction.

        Raises:
            QueryError: the parts cancel out, or one cannot be taken in.
            SpaceMismatchError: vectors of a Space without a way to the index's.
        """
        fused, rest = self._fusible(total.parts)
        made = [(1.0, "query", self.encode([Mixed(fused)], "query"))] if fused else []
        made += [(part.weight, *self._vector(part.source)) for part in rest]
        heaviest = max(p.weight for p in total.parts)
        texts = [p.source.text for p in total.parts if p.weight > 0 and isinstance(p.source, Text)]
        loud = [p.source.text for p in total.parts if p.weight > heaviest / 2 > 0 and isinstance(p.source, Text)]
        writing = script(" ".join(texts)) if texts else ""
        shape = tuple((weight, sort) for weight, sort, _ in made)
        composed: Literal["single", "model", "sum"] = "sum" if len(made) > 1 else "model" if fused else "single"
        return Direction(_sum([(w, v) for w, _, v in made]), composed, shape, " ".join(loud), writing)

    def encode(self, items: Sequence[Item], role: Role) -> Vectors:
        """Encode and carry to the index's Space."""
        return self.carry(self.encoder.encode(items, role=role))

    def _fusible(self, parts: Sequence[Part]) -> tuple[tuple[Item, ...], Sequence[Part]]:
        """Items the encoder can fuse by itself, and what remains."""
        if "mixed" not in self.encoder.modalities:
            return (), parts
        items = [p for p in parts if p.weight == 1 and not isinstance(p.source, Vectors | Stored | File)]
        if len(items) < 2:
            return (), parts
        for part in items:
            self._check(part.source)
        fused = tuple(p.source for p in items if not isinstance(p.source, Vectors | Stored | File))
        return fused, [p for p in parts if p not in items]

    def _vector(self, source: Source) -> tuple[str, Vectors]:
        """Sort and vector (1, d) of a source."""
        if isinstance(source, Vectors):
            return "query", _mean(self.carry(source))
        if isinstance(source, Stored):
            return self._stored(source)
        if isinstance(source, File):
            return self._file(source.path)
        self._check(source)
        sort = "query" if isinstance(source, Text) else source.modality
        return sort, self.encode([source], "query")

    def _check(self, source: Source) -> None:
        known = self.encoder.modalities
        if not isinstance(source, Vectors | Stored | File) and source.modality not in known:
            raise QueryError(
                f"the query has a part of kind {source.modality!r}, but {self.encoder.space.name} takes in "
                + ", ".join(sorted(known)),
                "Give the file itself, so that what can be read in it is used: Query.file(path); or use another model.",
            )

    def _stored(self, source: Stored) -> tuple[str, Vectors]:
        places = self.snapshot.find(source.id)
        if not len(places):
            raise QueryError(f"the index has no item {source.id[:80]!r}", "Search again: the index may have changed.")
        row = self.snapshot.rows.take(places[:1], ["modality", "text"]).to_pylist()[0]
        if (place := int(self.snapshot.vector_row[places[0]])) >= 0:
            return row["modality"] or "text", self.snapshot.vectors(np.array([place]))
        if row["text"].strip() and "text" in self.encoder.modalities:
            return "text", self.encode([Text(row["text"])], "document")
        raise QueryError(f"the item {source.id[:80]!r} has neither a vector nor words", "Choose another one.")

    def _file(self, path: Path) -> tuple[str, Vectors]:
        """The mean direction of a file's passages."""
        items = self._passages(path)
        sorts = {item.modality for item in items}
        return sorts.pop() if len(sorts) == 1 else "text", _mean(self.encode(items, "document"))

    def _passages(self, path: Path) -> list[Item]:
        if path.is_dir():
            raise QueryError(f"{path.name!r} is a folder", 'Name a file in it, or search there: --where "folder = …"')
        if self.pool is not None:
            return _taken(path, self.pool, self.encoder)
        from samespace.read.pool import ReaderPool
        from samespace.read.protocol import Options

        with ReaderPool(Options(wants=self.encoder.modalities), workers=1) as pool:
            return _taken(path, pool, self.encoder)


def _taken(path: Path, pool: "ReaderPool", encoder: Encoder) -> list[Item]:
    """Items of a file that the encoder takes in, spread evenly; memory stays small however long the file is."""
    from samespace.read.protocol import Failed, Some

    kept: list[Item] = []
    step, seen = 1, 0
    for event in pool.read([path]):
        if isinstance(event, Failed):
            raise QueryError(f"{path.name}: {event.failure}: {event.reason}", event.mend)
        for passage in event.passages if isinstance(event, Some) else ():
            if passage.item.modality not in encoder.modalities or passage.origin == "name":
                continue
            if seen % step == 0:
                kept.append(passage.item)
            seen += 1
            if len(kept) >= 2 * _PASSAGES:
                kept, step = kept[::2], step * 2
    words = [item for item in kept if isinstance(item, Text)]
    if sum(len(item.text) for item in words) >= _SAYS:
        kept = [*words]  # a scanned letter is asked by what it says, not by how letters look
    if not kept:
        raise QueryError(
            f"{path.name}: there is nothing in it that {encoder.space.name} takes in",
            "Use a model that takes this kind of file (samespace models), or describe it in words.",
        )
    spread = np.linspace(0, len(kept) - 1, min(len(kept), _PASSAGES)).round().astype(int)
    return [kept[i] for i in spread]


def _mean(vectors: Vectors) -> Vectors:
    if len(vectors) == 1:
        return vectors
    return _sum([(1.0, vectors[i]) for i in range(len(vectors))])


def _sum(parts: Sequence[tuple[float, Vectors]]) -> Vectors:
    """Add in the Space. Raises QueryError if the parts cancel out."""
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    made: Sum = parts[0][0] * parts[0][1]
    for weight, vectors in parts[1:]:
        made = made + weight * vectors
    scale = sum(abs(weight) * float(np.linalg.norm(v.data.astype(np.float64))) for weight, v in parts)
    mend = "Leave out a part, or change a weight: what is wanted must differ from what is not."
    if float(np.linalg.norm(made.data.astype(np.float64))) <= _CANCELLED * scale:
        raise QueryError("the parts of the query cancel out", mend)
    try:
        return made.vectors()
    except VectorError as err:
        raise QueryError("the parts of the query cancel out", mend) from err
