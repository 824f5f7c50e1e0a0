"""Folding: ranked item rows become hits a person wants to see, one a file, copies and near-copies put together.

A near-copy is much nearer than alike: its distance to the other is at most a fiftieth of what two random items have,
and texts must share four of five words as well. "Duplicate" must not mean "similar".

Knows nothing of queries but their words. Imports numpy. Letters: m item rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from samespace.index.calibrate import Match, word
from samespace.index.protocol import Hit
from samespace.index.rank import Candidate
from samespace.index.snapshot import Snapshot
from samespace.index.snippet import snippet
from samespace.index.term import normalize
from samespace.index.words import PROVEN
from samespace.items import Locator

__all__ = ["COLUMNS", "fold"]

_WORDS = 0.8  # share of words that near-copies of text have in common
_OTHERS = 20  # further places shown of one file
COLUMNS = ["id", "path", "kind", "origin", "locator", "text", "title", "mime", "preview", "content", "digest"]


def fold(
    view: Snapshot,
    candidates: Sequence[Candidate],
    facts: Mapping[int, dict[str, Any]],
    k: int,
    terms: Sequence[str],
    *,
    group: bool,
    alike: bool,
    confident: float,
) -> tuple[Hit, ...]:
    """Make at most k hits.

    Args:
        view: where the rows are.
        candidates: by falling rank.
        facts: COLUMNS of the candidates' rows.
        k: hits at most.
        terms: telling words of the query, for the snippets.
        group: one hit a file.
        alike: one hit for copies and near-copies.
        confident: z from which on a match is.
    """
    stacks: list[_Stack] = []
    folder = _Folder(view, candidates, group, alike)
    for c in candidates:
        data = facts[c.row]
        stack = folder.home(stacks, c, data)
        if stack is None:
            if len(stacks) < k:
                stacks.append(_Stack(c, data))
        elif group and stack.data["path"] == data["path"]:
            stack.others.append((c, data))
        else:
            stack.duplicates[data["path"]] = None
    return tuple(_hit(stack, terms, confident) for stack in stacks)


@dataclass
class _Stack:
    """One hit in the making."""

    first: Candidate
    data: dict[str, Any]
    others: list[tuple[Candidate, dict[str, Any]]] = field(default_factory=list)
    duplicates: dict[str, None] = field(default_factory=dict)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(normalize(self.data["text"]))


class _Folder:
    """Tells which stack a row belongs to."""

    def __init__(self, view: Snapshot, candidates: Sequence[Candidate], group: bool, alike: bool) -> None:
        self.view, self.group, self.alike = view, group, alike
        self._rows = np.unique([row for c in candidates if (row := int(view.vector_row[c.row])) >= 0]).astype(np.int64)

    def home(self, stacks: Sequence[_Stack], c: Candidate, data: dict[str, Any]) -> _Stack | None:
        for stack in stacks:
            if data["path"] == stack.data["path"]:
                if self.group:
                    return stack
                continue
            if self.alike and self._same(stack, data):
                return stack
        return self._near(stacks, c, data) if self.alike else None

    @staticmethod
    def _same(stack: _Stack, data: dict[str, Any]) -> bool:
        """Equal files, seen as wholes or place by place, or the very same passage."""
        own = stack.data
        whole = bool(data["content"]) and data["content"] == own["content"]
        return whole or (bool(data["digest"]) and data["digest"] == own["digest"])

    def _near(self, stacks: Sequence[_Stack], c: Candidate, data: dict[str, Any]) -> _Stack | None:
        if self.view.vector_row[c.row] < 0 or self.view.closest is None:
            return None
        other = [s for s in stacks if s.data["path"] != data["path"] and s.data["kind"] == data["kind"]]
        rivals = [s for s in other if self.view.vector_row[s.first.row] >= 0]
        if not rivals:
            return None
        scores = self._vectors([s.first for s in rivals]) @ self._vectors([c])[0]
        words: frozenset[str] | None = None
        for stack, score in zip(rivals, scores, strict=True):
            if score >= self.view.closest:
                words = frozenset(normalize(data["text"])) if words is None else words
                if _shared(words, stack.words) >= _WORDS:
                    return stack
        return None

    def _vectors(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Their vectors, of length 1; those of all candidates are fetched at once."""
        at = np.searchsorted(self._rows, [self.view.vector_row[c.row] for c in candidates])
        made: np.ndarray = self._fetched[at]
        return made

    @cached_property
    def _fetched(self) -> np.ndarray:
        return self.view.vectors(self._rows).data.astype(np.float32)


def _shared(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def _hit(stack: _Stack, terms: Sequence[str], confident: float) -> Hit:
    others = tuple(_bare(c, data, terms, confident) for c, data in stack.others[:_OTHERS])
    hit = _bare(stack.first, stack.data, terms, confident)
    return replace(hit, others=others, duplicates=tuple(stack.duplicates))


def _bare(c: Candidate, data: dict[str, Any], terms: Sequence[str], confident: float) -> Hit:
    z = c.z if c.z is not None else -np.inf
    match: Match = "strong" if c.proof in PROVEN else word(z) if z >= confident else "weak"
    return Hit(
        id=data["id"],
        path=data["path"],
        kind=data["kind"],
        origin=data["origin"],
        locator=Locator.from_dict(json.loads(data["locator"] or "{}"), data["path"]),
        score=float(c.score),
        percentile=float(c.percentile if c.percentile is not None else 0.0),
        confident=bool(c.proof in PROVEN or z >= confident),
        match=match,
        snippet=snippet(data["text"], terms),
        title=data["title"],
        mime=data["mime"],
        preview=data["preview"],
        by=c.by,
    )
