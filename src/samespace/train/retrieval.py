"""How well one side finds the other: what a training plan shows beside its loss.

Imports numpy. Letters: n queries and answers, k ranks.
"""

import numpy as np

__all__ = ["recall_at_k"]


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
