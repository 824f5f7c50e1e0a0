"""Folding: ranked item rows become hits a person wants to see, one a file, copies and near-copies put together.

A near-copy is much nearer than alike: its distance to the other is at most a fiftieth of what two random items have,
and texts must share four of five words as well. "Duplicate" must not mean "similar".

Knows nothing of queries but their words. Imports numpy. Letters: m item rows.
"""

import json
from collections.abc import Sequence
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
from samespace.space import similarity

__all__ = ["fold"]

_NEAR = 0.02  # share of the usual distance within which two items are copies
_WORDS = 0.8  # share of words that near-copies of text have in common
_OTHERS = 20  # further places shown of one file
_PAIRS = 64  # rows that the usual distance is measured on
_COLUMNS = ["id", "path", "kind", "origin", "locator", "text", "title", "mime", "preview", "content", "digest"]


def fold(
    view: Snapshot,
    candidates: Sequence[Candidate],
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
        k: hits at most.
        terms: telling words of the query, for the snippets.
        group: one hit a file.
        alike: one hit for copies and near-copies.
        confident: z from which on a match is.
    """
    table = view.items.select(_COLUMNS).take(np.array([c.row for c in candidates], np.int64))
    stacks: list[_Stack] = []
    folder = _Folder(view, group, alike)
    for c, data in zip(candidates, table.to_pylist(), strict=True):
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

    def __init__(self, view: Snapshot, group: bool, alike: bool) -> None:
        self.view, self.group, self.alike = view, group, alike

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
        row = int(self.view.vector_row[c.row])
        rivals = [s for s in stacks if self.view.vector_row[s.first.row] >= 0 and s.data["path"] != data["path"]]
        if row < 0 or not rivals or self.closest is None:
            return None
        rows = np.array([self.view.vector_row[s.first.row] for s in rivals], np.int64)
        scores = similarity(self.view.vectors(np.array([row])), self.view.vectors(rows))[0]
        words = frozenset(normalize(data["text"]))
        for stack, score in zip(rivals, scores, strict=True):
            if score >= self.closest and data["kind"] == stack.data["kind"] and _shared(words, stack.words) >= _WORDS:
                return stack
        return None

    @cached_property
    def closest(self) -> float | None:
        """Score from which on two items are copies; None where scores have no upper end to count from."""
        count = len(self.view)
        if self.view.space.metric != "cosine" or count < 2:
            return None
        rows = np.unique(np.linspace(0, count - 1, min(count, _PAIRS)).astype(np.int64))
        sample = self.view.vectors(rows)
        scores = similarity(sample, sample)
        usual = float(np.median(scores[~np.eye(len(rows), dtype=bool)]))
        return 1.0 - _NEAR * (1.0 - min(usual, 0.99))


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
