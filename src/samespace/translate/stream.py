"""Fit on any number of pairs in one pass and bounded memory: batches come, moments stay.

Frames are those of the first pairs; one pair in a hundred is set aside to measure on and to choose the penalty by.

Knows nothing of files: batches are arrays, or Arrow record batches, whose columns are read without importing Arrow.
Imports numpy only. Letters: n pairs, ds and dt source and target width.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.affine import PENALTIES, Affine, Ridge
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.measure import measure
from samespace.translate.moments import Moments
from samespace.translate.procrustes import Procrustes
from samespace.translate.verdict import of_pairs

__all__ = ["columns", "fit_stream", "together"]

_HEAD = 8192  # pairs that the Frames are measured on
_EVERY, _MOST = 100, 4000  # one pair in so many is held out, up to so many
_LEAST = 20  # held-out pairs without which nothing is measured

Batch = tuple[np.ndarray, np.ndarray]


def fit_stream(
    batches: Iterable[Batch], source: Space, target: Space, *, method: str = "auto", corpus: str = ""
) -> Linear:
    """Fit a straight map on batches of pairs, each read once.

    Args:
        batches: of rows (n, ds) and (n, dt): row i of both embeds the same item. See `columns` and `together`.
        source: Space of the first of each.
        target: Space of the second.
        method: "procrustes", "affine", or "auto": the one that keeps more neighbours of the pairs held out.
        corpus: what the items are of, for people.

    Returns:
        Procrustes or Affine, the same as a fit on all pairs but the held-out ones with the same Frames.

    Raises:
        ValueError: sides of a batch that differ in length, fewer than two pairs, an unknown method.
        VectorError: rows that are none of their Space: not finite, zero, too wide.
    """
    if method not in ("auto", "procrustes", "affine"):
        raise ValueError(f"no method {method!r} for a stream\nGive one of: auto, procrustes, affine")
    frames: tuple[Frame, Frame] | None = None
    moments, held, head, seen = Moments.none(source.dim, target.dim), list[Batch](), list[Batch](), 0
    for x, y in _checked(batches, source, target):
        numbers = seen + np.arange(len(x))
        out = (numbers % _EVERY == _EVERY - 1) & (numbers < _EVERY * _MOST)
        seen += len(x)
        held.append((x[out], y[out]))
        head.append((x[~out], y[~out]))
        if frames is None and sum(len(a) for a, _ in head) < _HEAD:
            continue
        frames = frames or _frames(head, source, target)
        moments = _added(moments, head, frames)
        head = []
    if seen < 2:
        raise ValueError(f"{seen} pairs: at least 2 are needed\nGive batches that hold some")
    frames = frames or _frames(head, source, target)
    moments = _added(moments, head, frames)
    tested = (source.vectors(_stacked(held, 0, source)), target.vectors(_stacked(held, 1, target)))
    return _best(moments, frames, tested, method, corpus)


def columns(batches: Iterable[Any], source: str, target: str) -> Iterator[Batch]:
    """Pairs out of Arrow record batches that hold both sides as columns of fixed-size lists.

    Raises:
        ValueError: a column has empty places.
    """
    for batch in batches:
        yield _rows(batch.column(source), source), _rows(batch.column(target), target)


def together(source: Iterable[np.ndarray], target: Iterable[np.ndarray]) -> Iterator[Batch]:
    """Pairs out of two streams of rows, in the same order but cut differently. Raises ValueError if one ends first."""
    here, there = iter(source), iter(target)
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    while True:
        x, y = (_next(a, b) for a, b in ((x, here), (y, there)))
        if x is None or y is None:
            break
        n = min(len(x), len(y))
        yield x[:n], y[:n]
        x, y = x[n:], y[n:]
    if x is not None or y is not None:
        raise ValueError("one side has more rows than the other\nGive row i of both sides for the same item")


def _next(left: np.ndarray | None, more: Iterator[np.ndarray]) -> np.ndarray | None:
    while left is None or not len(left):
        left = next(more, None)
        if left is None:
            return None
    return left


def _rows(column: Any, name: str) -> np.ndarray:
    if column.null_count:
        raise ValueError(f"column {name!r} has {column.null_count} empty places\nLeave those items out on both sides")
    made: np.ndarray = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return made


def _checked(batches: Iterable[Batch], source: Space, target: Space) -> Iterator[Batch]:
    for x, y in batches:
        if len(x) != len(y):
            raise ValueError(f"a batch of {len(x)} and {len(y)} rows\nGive row i of both sides for the same item")
        if len(x):
            yield source.vectors(x).data, target.vectors(y).data


def _frames(head: list[Batch], source: Space, target: Space) -> tuple[Frame, Frame]:
    x, y = (space.vectors(_stacked(head, side, space)) for side, space in enumerate((source, target)))
    return Frame.of(x), Frame.of(y)


def _stacked(batches: list[Batch], side: int, space: Space) -> np.ndarray:
    return np.concatenate([space.empty().data, *(batch[side] for batch in batches)])


def _added(moments: Moments, batches: list[Batch], frames: tuple[Frame, Frame]) -> Moments:
    for x, y in batches:
        moments += Moments.of(frames[0].enter(x), frames[1].enter(y))
    return moments


def _best(
    moments: Moments, frames: tuple[Frame, Frame], tested: tuple[Vectors, Vectors], method: str, corpus: str
) -> Linear:
    spaces = (tested[0].space, tested[1].space)
    made: dict[str, Linear] = {"procrustes": Procrustes.of(moments, *spaces, frames)}
    if method != "procrustes":
        made["affine"] = _affine(moments, frames, tested)
    if method != "auto":
        made = {method: made[method]}
    if len(tested[0]) < _LEAST:
        return next(iter(made.values()))
    found = {name: measure(one, *tested, k=min(10, len(tested[0]) // 2), corpus=corpus) for name, one in made.items()}
    name = max(found, key=lambda name: found[name].kept)
    facts = {
        "method": name, "streamed": True, "why": f"keeps most neighbours of {len(found)} tried",
        "table": {name: one.to_dict() for name, one in found.items()}, "measured": found[name].to_dict(),
        "verdict": of_pairs(found[name]).to_dict(),
    }  # fmt: skip
    return replace(made[name], fidelity=found[name].kept, facts={**made[name].facts, **facts})


def _affine(moments: Moments, frames: tuple[Frame, Frame], tested: tuple[Vectors, Vectors]) -> Affine:
    """Ridge regression from moments; the penalty with the best cosine on the pairs held out, 1 where there are none."""
    forth, back = Ridge.on(moments), Ridge.on(_turned(moments))
    x, y = (frame.enter(side.data) for frame, side in zip(frames, tested, strict=True))

    def score(penalty: float) -> float:
        matrix, shift = forth.solve(penalty)
        made = x @ matrix + shift
        lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(y, axis=1)
        return float(((made * y).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())

    penalty = float(max(PENALTIES, key=score)) if len(x) >= _LEAST else 1.0
    facts = {"pairs": moments.count, "penalty": penalty}
    spaces = (tested[0].space, tested[1].space)
    return Affine(*spaces, *frames, *forth.solve(penalty), *back.solve(penalty), facts=facts)


def _turned(m: Moments) -> Moments:
    return Moments(m.count, m.weight, m.y, m.x, m.yy, m.xx, m.xy.T)
