"""The contract of indexing: durable rows of one Space, and what a search gives back.

Three tables. `files`: path → what the file is, its content hash and its reading. `items`: one row a Passage, keyed by
reading and place. `vec_<space>`: one row a distinct thing embedded, keyed by its digest. A file's row is written last,
so a file is either wholly there or absent; items and vectors that no file row leads to are invisible.
A rename touches `files` alone; a passage that recurs, in the same file after a change or elsewhere, is embedded once.

Knows nothing of models. Letters: n rows, d width, k hits.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from samespace.items import Locator
from samespace.space import Space, Vectors

__all__ = ["FileRow", "Hit", "Hits", "Index", "ItemRow", "Nearest", "Status", "Writer"]

FileStatus = Literal["indexed", "name_only", "failed"]


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file as the index knows it.

    Attributes:
        path: absolute, as UTF-8 with surrogateescape bytes percent-encoded; the key.
        root: the folder that was indexed and under which it was found.
        content: hash of its bytes; "" if it could not be opened.
        reading: hash of content, reader and options: what leads to its items.
        status: "indexed"; "name_only" (read, but the model takes nothing of it in); "failed".
        failure, reason, mend: why it failed, else ""; with another status: why it is not up to date.
        modified: seconds since 1970.
        notes: what was left out, one line each.
        meta: facts worth filtering by.
    """

    path: str
    root: str
    size: int
    modified: float
    content: str
    reading: str
    status: FileStatus
    kind: str = "other"
    mime: str = ""
    reader: str = ""
    title: str = ""
    language: str = ""
    failure: str = ""
    reason: str = ""
    mend: str = ""
    notes: tuple[str, ...] = ()
    meta: Mapping[str, str | int | float] = field(default_factory=dict)
    preview: str = ""  # key of the preview store
    items: int = 0


@dataclass(frozen=True)
class ItemRow:
    """One Passage as the index keeps it.

    Attributes:
        id: hash of reading and place; the key.
        reading: of the file(s) it belongs to.
        digest: of what was embedded: leads to its vector; "" if it has none (found by words only).
        modality: of the item that was embedded.
        kind, origin: what a person finds and how it is known (read/protocol.py).
        text: the words, also for full-text search; for a picture its name and metadata.
        position: order within the file.
    """

    id: str
    reading: str
    digest: str
    modality: str
    kind: str
    origin: str
    locator: Locator
    text: str
    language: str = ""
    preview: str = ""
    position: int = 0


@dataclass(frozen=True, eq=False)
class Nearest:
    """Answer to one nearest-neighbour question: rows by falling score.

    Attributes:
        rows: (k,) int64 positions in the snapshot asked, fewer if it holds fewer.
        scores: (k,) float32, exact similarity, higher is closer.
    """

    rows: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        score: what the hits are ranked by: z of the match (calibrate.py), the fused rank score where words added
            something, the similarity where nothing is calibrated. Compare within one answer only, never show it.
        percentile: share of random pairs of this (query modality, item modality, Space) that score lower, in [0, 1].
        confident: whether the match is better than an unrelated query would get from this collection.
        match: "strong" | "likely" | "weak": the word for people.
        snippet: the words around the place, at most 300 characters.
        path, kind, origin, locator: where and how.
        others: further places in the same file that also match.
        duplicates: other paths with the same content, or near-identical items folded into this one.
    """

    id: str
    path: str
    kind: str
    origin: str
    locator: Locator
    score: float
    percentile: float
    confident: bool
    match: Literal["strong", "likely", "weak"]
    snippet: str
    title: str = ""
    mime: str = ""
    preview: str = ""
    by: tuple[str, ...] = ()  # "meaning", "words"
    others: "tuple[Hit, ...]" = ()
    duplicates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hits:
    """An answer: hits by falling rank, and how it came about.

    Attributes:
        route: names of the Spaces the query came through; the last is the Index's own.
        composed: "single" | "model" (fused by the encoder) | "sum" (added in the Space) | "logic" (& | ~ on scores).
        confident: whether any hit is; False means "no confident match".
        searched: rows that were eligible after the filter.
    """

    hits: tuple[Hit, ...]
    route: tuple[str, ...]
    composed: Literal["single", "model", "sum", "logic"]
    confident: bool
    searched: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, position: int) -> Hit:
        return self.hits[position]


@dataclass(frozen=True)
class Status:
    """What an Index is and how it stands.

    Attributes:
        files, failures, kinds: files by status and by class of failure, items by kind.
        bytes: on the disk, all there are.
        live: those that the newest versions lead to.
        kept: those that only named snapshots lead to; the rest goes at a clean-up.
        tables: table → bytes, live, kept, versions, fragments.
        moving: the model that the index is half-way to, or has switched to and can go back from; "" = it is at rest.
    """

    uri: str
    space: Space
    model: str
    files: Mapping[str, int]
    failures: Mapping[str, int]
    kinds: Mapping[str, int]
    items: int
    vectors: int
    bytes: int
    versions: int
    fragments: int
    roots: tuple[str, ...]
    live: int = 0
    kept: int = 0
    tables: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    moving: str = ""


class Writer(Protocol):
    """The one who may change an Index; holds its lock."""

    def files(self) -> dict[str, FileRow]:
        """All file rows by path."""

    def readings(self) -> frozenset[str]:
        """Readings whose items are wholly there."""

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those of the digests that have no vector yet, in order, without repeats."""

    def commit(
        self,
        files: Sequence[FileRow],
        items: Sequence[ItemRow],
        digests: Sequence[str],
        vectors: Vectors,
    ) -> None:
        """Write vectors, then items, then files; fsync; return when all of it survives a power cut.

        `files` may be empty: a long file's items are committed in pieces and its row comes last.

        Raises:
            SpaceMismatchError: vectors of another Space.
        """

    def remove(self, paths: Sequence[str]) -> int:
        """Forget files; their items and vectors go at the next maintenance unless another file has them."""

    def maintain(self) -> None:
        """Collect what no file leads to, compact, index, drop old versions."""


@runtime_checkable
class Index(Protocol):
    """A durable collection in one Space."""

    @property
    def space(self) -> Space:
        """Where its rows live."""

    def __len__(self) -> int:
        """Distinct vectors."""

    def writer(self, *, wait: float = 0.0) -> AbstractContextManager[Writer]:
        """Take the lock, waiting up to `wait` seconds. Raises IndexLockedError naming the owner."""

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row, exactly scored.

        Args:
            query: (n, d) of this Space.
            k: >= 1; more than there are gives all there are.
            allowed: (rows,) bool over the snapshot's rows; None = all.

        Raises:
            SpaceMismatchError: a query of another Space.
        """
