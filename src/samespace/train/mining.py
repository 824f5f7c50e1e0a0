"""Finding what is hard: negatives that a teacher takes for right, and rows that are hard for each other.

All of it works on Vectors and content hashes, so on any modality: a picture that stands in ten rows is one target, and
what any row calls a positive of an anchor is never its negative.

Knows nothing of losses. Imports numpy. Letters: n rows, m targets, d width, k neighbours.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from samespace.encode.protocol import Encoder
from samespace.items import Item
from samespace.space import Vectors, similarity
from samespace.train.example import Example

__all__ = ["clusters", "hard_negatives", "mine"]

_BLOCK = 512  # anchors scored at a time


def hard_negatives(
    anchors: Vectors,
    corpus: Vectors,
    positives: Sequence[Collection[int]],
    *,
    count: int = 4,
    skip: int = 0,
    window: int = 100,
    margin: float | None = None,
    relative: float | None = None,
) -> list[list[int]]:
    """The hardest targets that are not positives, for each anchor.

    Of the targets that are no positives of i, by falling score, those ranked skip … skip + window - 1 whose score is
    at most P_i - margin and at most P_i - relative·|P_i|, P_i the mean score of i's positives; the first `count`.

    Args:
        anchors: (n, d).
        corpus: (m, d) distinct targets.
        positives: (n) positions in the corpus of each anchor's positives.
        count: negatives an anchor, at most.
        skip: ranks left out at the top, where positives nobody marked stand.
        window: ranks looked at after these.
        margin: how far below its positives a negative must score; below 0 lets it score higher. None = no bound.
        relative: the same as a share of the positives' score: .05 keeps what scores at most 95 % of it.

    Returns:
        (n) lists of positions in the corpus, hardest first; short or empty where few pass.

    Reference: Moreira et al., NV-Retriever, arXiv:2407.15831 (relative); Zhang et al., Qwen3 Embedding,
        arXiv:2506.05176.
    """
    if len(positives) != len(anchors):
        raise ValueError(f"{len(positives)} sets of positives for {len(anchors)} anchors\nGive one a row")
    made: list[list[int]] = []
    for start, scores in _scored(anchors, corpus):
        for row, line in enumerate(scores):
            own = sorted(positives[start + row])
            bound = _bound(float(line[own].mean()) if own else np.inf, margin, relative)
            line[own] = -np.inf
            ranked = np.argsort(-line, kind="stable")[skip : skip + window]
            made.append([int(j) for j in ranked if -np.inf < line[j] <= bound][:count])
    return made


def mine(examples: Sequence[Example], encoder: Encoder, **settings: float | int | None) -> list[Example]:
    """Examples with the negatives that this encoder finds hard, in place of those they had.

    Positives of equal content are one target, and anchors of equal content share their positives. Settings are those
    of `hard_negatives`.
    """
    targets: dict[str, Item] = {}
    owners: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        digest = example.positive.digest()
        targets.setdefault(digest, example.positive)
        owners[example.anchor.digest()].add(digest)
    place = {digest: i for i, digest in enumerate(targets)}
    questions = {example.anchor.digest(): example.anchor for example in examples}
    found = hard_negatives(
        encoder.encode(list(questions.values()), role="query"),
        encoder.encode(list(targets.values())),
        [{place[d] for d in owners[q]} for q in questions],
        **settings,  # type: ignore[arg-type]  # its own keywords
    )
    items = list(targets.values())
    negatives = {q: tuple(items[j] for j in row) for q, row in zip(questions, found, strict=True)}
    return [replace(example, negatives=negatives[example.anchor.digest()]) for example in examples]


def clusters(
    anchors: Vectors,
    positives: Vectors,
    *,
    size: int = 32,
    skip: int = 30,
    window: int = 100,
    keys: Sequence[Hashable] | None = None,
    same: Sequence[Hashable] | None = None,
) -> list[list[int]]:
    """Cut the rows into clusters of rows that are hard negatives of each other.

    Row i and j are joined where the positive of one has, for the other's anchor, a rank in skip … skip + window - 1;
    the graph is cut into clusters of `size` with as many joins inside as a greedy growth finds.

    Args:
        anchors: (n, d) of a teacher, in its space.
        positives: (n, d).
        size: rows a cluster; one cluster of each key may be smaller.
        skip: ranks left out at the top: false negatives.
        window: ranks that make a join. A group of fewer than `skip` rows has no joins and is cut as it comes.
        keys: (n) dataset of each row; clusters hold one each. None = all are of one.
        same: (n) content hashes of the positives; rows that share one are never joined.

    Returns:
        lists of rows, each row in one of them.

    Reference: Thirukovalluru et al., Breaking the Batch Barrier (B3), arXiv:2505.11293; they cut with METIS.
    """
    if size < 1 or len(anchors) != len(positives):
        raise ValueError(f"size {size}, {len(anchors)} anchors, {len(positives)} positives\nGive pairs and a size >= 1")
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row in range(len(anchors)):
        groups[keys[row] if keys is not None else None].append(row)
    made: list[list[int]] = []
    for members in groups.values():
        digests = [same[row] for row in members] if same is not None else list(range(len(members)))
        joins = _joins(anchors[members], positives[members], digests, skip, window)
        made += [[members[i] for i in cluster] for cluster in _grow(joins, size)]
    return made


def _scored(anchors: Vectors, corpus: Vectors) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(anchors), _BLOCK):
        yield start, similarity(anchors[start : start + _BLOCK], corpus)


def _bound(positive: float, margin: float | None, relative: float | None) -> float:
    bounds = [positive - margin if margin is not None else np.inf]
    bounds.append(positive - relative * abs(positive) if relative is not None else np.inf)
    return min(bounds)


def _joins(anchors: Vectors, positives: Vectors, same: Sequence[Hashable], skip: int, window: int) -> list[list[int]]:
    """Neighbours of each row, both ways, without those of equal content."""
    near: list[set[int]] = [set() for _ in range(len(anchors))]
    for start, scores in _scored(anchors, positives):
        order = np.argsort(-scores, axis=1, kind="stable")
        for row, line in enumerate(order[:, skip : skip + window], start):
            for other in line.tolist():
                if same[row] != same[other]:
                    near[row].add(other)
                    near[other].add(row)
    return [sorted(found) for found in near]


def _grow(joins: list[list[int]], size: int) -> list[list[int]]:
    """Clusters of `size`: each starts at a free row with few joins and takes the free row with most joins into it."""
    free = np.ones(len(joins), bool)
    order = sorted(range(len(joins)), key=lambda row: (len(joins[row]), row))
    starts = iter(order)
    made: list[list[int]] = []
    while free.any():
        cluster: list[int] = []
        pull: dict[int, int] = {}
        while len(cluster) < size and free.any():
            row = max(pull, key=lambda j: (pull[j], -j)) if pull else next(i for i in starts if free[i])
            pull.pop(row, None)
            free[row] = False
            cluster.append(row)
            for other in joins[row]:
                if free[other]:
                    pull[other] = pull.get(other, 0) + 1
        made.append(cluster)
    return made
