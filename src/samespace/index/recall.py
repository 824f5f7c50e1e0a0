"""How much of the truth an Index finds: recall@k of its `nearest` against every pair scored.

For `samespace doctor INDEX`. Knows nothing of how an Index searches. Imports numpy. Letters: k hits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np

from samespace.index.exact import best, score
from samespace.index.protocol import Nearest
from samespace.index.snapshot import Snapshot
from samespace.space import Space, Vectors

__all__ = ["Recall", "disturbed", "recall_at_k", "shared"]

_BLOCK = 20_000


@dataclass(frozen=True)
class Recall:
    """What was measured.

    Attributes:
        recall: share of the true k nearest that were found, in [0, 1]; k / rows if they were drawn by chance.
        k, queries, rows: of what size.
        milliseconds: CPU time of a query, all threads of this process.
    """

    recall: float
    k: int
    queries: int
    rows: int
    milliseconds: float


def recall_at_k(snapshot: Snapshot, k: int = 10, *, queries: int = 50, seed: int = 0) -> Recall:
    """Search with some of the index's own vectors, a little disturbed, and count what is missed.

    Args:
        snapshot: of the Index to measure.
        k: >= 1.
        queries: how many, at most as many as there are rows.
        seed: of the choice and of the disturbance; see `disturbed`.
    """
    rows = len(snapshot)
    if not rows:
        return Recall(1.0, k, 0, 0, 0.0)
    asked = disturbed(lambda chosen: snapshot.vectors(chosen).data, rows, snapshot.space, queries=queries, seed=seed)
    started = process_time()
    found = [snapshot.nearest(one, k)[0] for one in asked]
    spent = process_time() - started
    return Recall(shared(found, _truth(snapshot, asked, k)), k, len(asked), rows, 1000 * spent / len(asked))


def disturbed(
    fetch: Callable[[np.ndarray], np.ndarray],
    rows: int,
    space: Space,
    *,
    queries: int = 50,
    seed: int = 0,
    by: float = 0.3,
) -> Vectors:
    """Some of the rows, each moved in a random direction: queries where there are none.

    Args:
        fetch: rows by their numbers.
        rows: how many there are.
        space: theirs.
        queries: how many, at most as many as there are rows.
        seed: of the choice and of the directions.
        by: how far, in lengths of the row; at 1.5 the nearest row is about as far (cosine .55) as from a real question.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(rows, min(queries, rows), replace=False))
    data = fetch(chosen).astype(np.float32)
    noise = rng.standard_normal(data.shape).astype(np.float32)
    noise *= by * np.linalg.norm(data, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
    return space.vectors(data + noise)


def shared(found: Sequence[Nearest], truth: Sequence[Nearest]) -> float:
    """Mean share of each truth's rows that were found."""
    shares = [len(np.intersect1d(f.rows, t.rows)) / len(t.rows) for f, t in zip(found, truth, strict=True)]
    return float(np.mean(shares))


def _truth(snapshot: Snapshot, asked: Vectors, k: int) -> list[Nearest]:
    """Score every pair, some rows at a time."""
    rows = np.arange(len(snapshot))
    scores: list[list[np.ndarray]] = [[] for _ in range(len(asked))]
    for start in range(0, len(rows), _BLOCK):
        data = snapshot.vectors(rows[start : start + _BLOCK]).data
        for mine, query in zip(scores, asked.data, strict=True):
            mine.append(score(data, query.astype(np.float64), snapshot.space))
    return [best(rows, np.concatenate(mine), k) for mine in scores]
