"""Rows to train on and rows kept apart for measuring.

Imports numpy. Letters: n rows.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from samespace.errors import DataError

__all__ = ["codes", "held_out"]


def codes(keys: Sequence[Hashable]) -> np.ndarray:
    """One number for each distinct key, in the order of their first rows (n).

    >>> codes(["a", "b", "a"]).tolist()
    [0, 1, 0]
    """
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys])


def held_out(groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (train), (apart): whole groups are kept apart, so that none is seen before it is asked.

    Args:
        groups: (n) numbers from 0, as of `codes`.
        share: of the groups, in (0, 1); at least one is kept apart.
        seed: of the draw.

    Raises:
        DataError: fewer than two groups are left to train on.
    """
    drawn = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    away = np.isin(groups, drawn[: max(round(share * len(drawn)), 1)])
    if len(np.unique(groups[~away])) < 2:
        fact = f"{len(groups)} rows with {len(drawn)} texts leave too few to train on"
        raise DataError(None, "", fact, "Give more rows, or a smaller share apart: --held-out")
    return np.flatnonzero(~away), np.flatnonzero(away)
