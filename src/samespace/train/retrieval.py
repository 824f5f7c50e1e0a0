"""How well one side finds the other: what a training plan shows beside its loss.

Imports numpy. Letters: n queries and answers, m candidates, k ranks.
"""

import numpy as np

__all__ = ["among", "recall_at_k"]


def recall_at_k(scores: np.ndarray, groups: np.ndarray, ks: tuple[int, ...] = (1, 10)) -> dict[str, float]:
    """Share of queries with an answer of their group among the first k; ties count against it.

    Args:
        scores: (n, n); row i is the query of answer i.
        groups: (n) integers; answers of the query's group are right.
        ks: ranks that count.

    Returns:
        {"recall@1", "recall@10", "chance@1", "chance@10"}: in [0, 1]; chance is what a random order gets.
    """
    right = groups[:, None] == groups[None, :]
    best = np.where(right, scores, -np.inf).max(axis=1)
    before = (np.where(right, -np.inf, scores) >= best[:, None]).sum(axis=1)
    wrong, all_ = (~right).sum(axis=1), len(groups)
    made = {f"recall@{k}": float((before < k).mean()) for k in ks}
    for k in ks:
        misses = np.ones(len(groups))
        for drawn in range(min(k, all_)):
            misses *= np.maximum(wrong - drawn, 0) / (all_ - drawn)
        made[f"chance@{k}"] = float((1 - misses).mean())
    return made


def among(scores: np.ndarray, right: np.ndarray, ks: tuple[int, ...] = (1, 10)) -> dict[str, float]:
    """Share of queries whose one answer is among the first k of all candidates; ties count against it.

    Args:
        scores: (n, m).
        right: (n) which candidate is the answer.
        ks: ranks that count.

    Returns:
        {"recall@1", "recall@10", "chance@1", "chance@10"}: in [0, 1]; chance is what a random order gets.
    """
    own = np.take_along_axis(scores, right[:, None], axis=1)
    before = (scores >= own).sum(axis=1) - 1
    made = {f"recall@{k}": float((before < k).mean()) for k in ks}
    return made | {f"chance@{k}": min(k / scores.shape[1], 1.0) for k in ks}
