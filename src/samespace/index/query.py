"""Queries: expressions over words, items, files and vectors.

    Query.text("red bag") + 0.7 * Query.item(picture) - Query.text("people")      a weighted sum: one direction
    (Query.text("invoice") & Query.text("hotel")) | ~Query.text("draft")           logic on calibrated scores
    Query.text("boat").where("kind = image and date >= 2024")                      a filter

A Query only says what is wanted. A Searcher turns its parts into vectors of one Space, adds them there or lets the
encoder fuse them, and Hits.composed says which. `parse` (query_text.py) makes one from a command line.

Knows nothing of encoders or indexes. Imports nothing heavy.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samespace.errors import QueryError
from samespace.index.filter import Filter
from samespace.index.query_text import parse
from samespace.items import Item, Text
from samespace.space import Vectors

__all__ = ["Both", "Either", "File", "Node", "Opposite", "Part", "Query", "Source", "Stored", "Total", "parse"]

_LARGEST = 1e6
_DEPTH = 40


@dataclass(frozen=True)
class Stored:
    """Something that the index holds, by its item id: "more like this"."""

    id: str


@dataclass(frozen=True)
class File:
    """A file as a query: all that can be read in it."""

    path: Path


Source = Item | Vectors | Stored | File


@dataclass(frozen=True, eq=False)
class Part:
    """One summand. A negative weight means less like it."""

    weight: float
    source: Source

    def __str__(self) -> str:
        return f"{self.weight:+g} {describe(self.source)}"


@dataclass(frozen=True, eq=False)
class Total:
    """A weighted sum, brought back into the Space at the end."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class Both:
    """&: as good as the worse of the two."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, eq=False)
class Either:
    """|: as good as the better of the two."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, eq=False)
class Opposite:
    """~: the better, the less it is like this."""

    part: "Node"


Node = Total | Both | Either | Opposite


@dataclass(frozen=True, eq=False)
class Query:
    """What is wanted, and under which conditions.

    Attributes:
        node: the expression.
        filter: what must hold of every hit; of two queries that are joined, both filters must.
        notes: how a command line was understood, for people.
    """

    node: Node
    filter: Filter | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if _depth(self.node) > _DEPTH:
            raise QueryError(f"the query is nested deeper than {_DEPTH} levels", "Write it flatter.")

    @classmethod
    def text(cls, words: str) -> "Query":
        """Words. Raises QueryError if there are none."""
        if not words.strip():
            raise QueryError("the query has no words", 'Say what to look for: Query.text("red bag")')
        return cls.item(Text(words.encode("utf-8", "replace").decode()))

    @classmethod
    def item(cls, item: "Item | str") -> "Query":
        """An Item, or, by its id, one that the index holds."""
        return cls(Total((Part(1.0, Stored(item) if isinstance(item, str) else item),)))

    @classmethod
    def stored(cls, item_id: str) -> "Query":
        """Something that the index holds, by its item id."""
        return cls.item(item_id)

    @classmethod
    def vectors(cls, vectors: Vectors) -> "Query":
        """Vectors (1, d) of the index's Space, or of one with a translator to it. More rows: their mean direction."""
        if not len(vectors):
            raise QueryError("the query has no vectors", "Give at least one row.")
        return cls(Total((Part(1.0, vectors),)))

    @classmethod
    def file(cls, path: "Path | str") -> "Query":
        """A file: things like it."""
        return cls(Total((Part(1.0, File(Path(path))),)))

    def where(self, condition: "Filter | str | dict[str, Any]") -> "Query":
        """With a condition more, as text, as JSON data or as a Filter."""
        made = (
            condition
            if isinstance(condition, Filter)
            else Filter.parse(condition)
            if isinstance(condition, str)
            else Filter.from_json(condition)
        )
        return replace(self, filter=_joined(self.filter, made))

    def explain(self) -> tuple[str, ...]:
        """How it was understood, one line each: for people, on stderr."""
        return self.notes

    def parts(self) -> "Iterator[Part]":
        """All summands in it, from left to right."""
        yield from _parts(self.node)

    def __add__(self, other: "Query") -> "Query":
        parts = (*self._total("+").parts, *other._total("+").parts)
        return self._with(other, Total(parts))

    def __sub__(self, other: "Query") -> "Query":
        return self + -other

    def __neg__(self) -> "Query":
        return self * -1.0

    def __mul__(self, weight: float) -> "Query":
        if not math.isfinite(weight) or weight == 0 or abs(weight) > _LARGEST:
            raise QueryError(
                f"a part has weight {weight}", f"Use a number other than 0, up to {_LARGEST:g}; or drop it."
            )
        parts = tuple(Part(p.weight * weight, p.source) for p in self._total("a weight").parts)
        return replace(self, node=Total(parts))

    __rmul__ = __mul__

    def __and__(self, other: "Query") -> "Query":
        return self._with(other, Both(self.node, other.node))

    def __or__(self, other: "Query") -> "Query":
        return self._with(other, Either(self.node, other.node))

    def __invert__(self) -> "Query":
        return replace(self, node=Opposite(self.node))

    def _with(self, other: "Query", node: Node) -> "Query":
        return Query(node, _joined(self.filter, other.filter), (*self.notes, *other.notes))

    def _total(self, what: str) -> Total:
        if not isinstance(self.node, Total):
            raise QueryError(
                f"{what} cannot be applied to a query made with & | or ~",
                "Add first, then combine: (a + b) & ~c; scores of logic have no direction to add to.",
            )
        return self.node


def describe(source: Source) -> str:
    """A source in a few words."""
    match source:
        case Text(text):
            return repr(text if len(text) <= 60 else text[:59] + "…")
        case File(path):
            return f"file {path.name!r}"
        case Stored(item_id):
            return f"item {item_id!r}"
        case Vectors():
            return f"vectors of {source.space.name}"
        case _:
            return source.modality


def _joined(a: Filter | None, b: Filter | None) -> Filter | None:
    return a & b if a and b else a or b


def _parts(node: Node) -> Iterator[Part]:
    match node:
        case Total(parts):
            yield from parts
        case Opposite(part):
            yield from _parts(part)
        case Both(left, right) | Either(left, right):
            yield from _parts(left)
            yield from _parts(right)


def _depth(node: Node) -> int:
    """Levels, counted without recursion: the stack is finite."""
    level: list[Node] = [node]
    for depth in range(_DEPTH + 2):
        if not level:
            return depth
        level = [
            child
            for n in level
            for child in (
                (n.part,) if isinstance(n, Opposite) else (n.left, n.right) if isinstance(n, Both | Either) else ()
            )
        ]
    return _DEPTH + 1
