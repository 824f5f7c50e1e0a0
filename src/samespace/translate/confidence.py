"""How far to trust the translation of a single row, without knowing the truth: two measures for two questions.

`confidence` asks whether the nearest of some rows of the target is the row's own item: by how far it stands out.
`steadiness` asks whether the translated vector is where it should be: by how far two fits on other rows agree on it.
It needs no row of the target, and suits to choose what is embedded anew first.

Knows nothing of models, files or indexes. Imports numpy only. Letters: n rows, m pool, d width.
"""

import numpy as np

from samespace.space import Vectors, similarity
from samespace.translate.frame import Frame
from samespace.translate.protocol import Translator

__all__ = ["confidence", "steadiness"]

_BLOCK = 1024
_NEXT = 10
_SLOPE, _OFFSET = 2.37, -2.41  # fitted on MiniLM → USE and E5 → USE, pools of 1,000 and 4,000, 100 to 3,000 pairs


def confidence(made: Vectors, pool: Vectors) -> np.ndarray:
    """Probability that the nearest row of the pool is the translated row's own item, if that is in the pool.

    logistic(2.37 ((s1 - s2) + (s1 - mean(s2 … s10))) / sd(s) - 2.41) of the similarities s to all rows of the pool,
    s1 the largest. The two constants are of two pairs of encoders and hold for others within a tenth from 300 pairs on;
    with fewer pairs it is too sure of itself.

    Args:
        made: (n, d) translated rows.
        pool: (m, d) rows of the same Space, m >= 11, made by the target's own model.

    Returns:
        (n,) float32 in [0, 1].

    Raises:
        SpaceMismatchError: rows of two Spaces.
        ValueError: a pool of fewer than 11 rows.
    """
    if len(pool) <= _NEXT:
        raise ValueError(
            f"a pool of {len(pool)} rows\nGive at least {_NEXT + 1}: the nearest is compared with the next"
        )
    told = np.empty(len(made), np.float32)
    for start in range(0, len(made), _BLOCK):
        scores = similarity(made[start : start + _BLOCK], pool)
        top = -np.sort(-np.partition(scores, -_NEXT, axis=1)[:, -_NEXT:], axis=1)
        lead = 2 * top[:, 0] - top[:, 1] - top[:, 1:].mean(axis=1)
        lead = lead / np.maximum(scores.std(axis=1), 1e-9)
        told[start : start + _BLOCK] = 1 / (1 + np.exp(-(_SLOPE * lead + _OFFSET)))
    return told


def steadiness(one: Translator, other: Translator, vectors: Vectors) -> np.ndarray:
    """How far two translations of a row agree: cosine about the middle of what is made, (n,) float32, cut to [0, 1].

    Args:
        one: of the two.
        other: fitted on other rows, or from another start, between the same Spaces.
        vectors: (n, d) of their source; the middle is theirs, so some hundreds at a time.

    Raises:
        ValueError: they are not between the same Spaces.
    """
    if (one.source, one.target) != (other.source, other.target):
        raise ValueError(
            f"{one.source} → {one.target} and {other.source} → {other.target} cannot agree\n"
            "Give two translations between the same Spaces"
        )
    if not len(vectors):
        return np.zeros(0, np.float32)
    made = one(vectors), other(vectors)
    frames = (_frame(one, made[0]), _frame(other, made[1]))
    a, b = (frame.enter(side.data) if frame else side.data for frame, side in zip(frames, made, strict=True))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    agreed = (a * b).sum(axis=1) / np.maximum(lengths, 1e-12)
    told: np.ndarray = np.clip(agreed, 0.0, 1.0).astype(np.float32)
    return told


def _frame(translator: Translator, made: Vectors) -> Frame | None:
    """The Frame that a Translator ends in, where it has one; else the middle of what it made."""
    own = getattr(translator, "after", None)
    if isinstance(own, Frame):
        return own
    try:
        return Frame.of(made)
    except ValueError:
        return None
