"""Which items to embed by the other model next, so that a translation gains most.

All that is known of an item beforehand is its vector in the source. What a map needs is pairs that span what the
collection holds; so items are spread over it. docs/log.md has what that is worth against a random draw.

Imports numpy only. Letters: n rows, d width, c chosen.
"""

from typing import Literal

import numpy as np

from samespace.space import Vectors
from samespace.translate.frame import Frame
from samespace.translate.near import unit

__all__ = ["choose"]

Way = Literal["spread", "centres", "random"]
_SAMPLE = 20_000  # rows looked at; of more, a random part
_OUTLYING = 0.02  # share of rows, the loneliest, that are never chosen by "spread": often junk
_AMONG = 1000  # rows that loneliness is measured against
_ROUNDS = 8


def choose(
    source: Vectors, count: int, *, way: Way = "centres", known: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Row numbers of the items to embed next, in the order in which to do so.

    Args:
        source: (n, d), all items, as the model that has embedded them sees them.
        count: c, 0 <= c <= n.
        way: "centres": the rows nearest to the centres of c clusters, which gained most wherever it was measured;
            "spread": each as far as can be from those before it and from those known; "random": the control.
        known: numbers of rows that the other model has embedded already.
        seed: of all that is drawn.

    Returns:
        (c,) row numbers, none twice, none of `known`.

    Raises:
        ValueError: more than there are, or an unknown way.
    """
    done = np.zeros(0, np.int64) if known is None else np.unique(np.asarray(known, np.int64))
    free = np.setdiff1d(np.arange(len(source)), done)
    if not 0 <= count <= len(free):
        raise ValueError(f"{count} of {len(free)} rows cannot be chosen\nAsk for 0 to {len(free)}")
    if way not in ("spread", "centres", "random"):
        raise ValueError(f"no way {way!r} to choose\nGive one of: spread, centres, random")
    rng = np.random.default_rng(seed)
    free = rng.permutation(free)
    if way == "random" or count < 2 or not _differ(source):
        return free[:count]
    free = free[: max(_SAMPLE, count)]
    frame = Frame.of(source)
    rows = frame.enter(source.data[free]).astype(np.float32)
    if way == "centres":
        taken = _centres(rows, count, rng)
    else:
        taken = _spread(rows, count, frame.enter(source.data[done]).astype(np.float32), rng)
    made: np.ndarray = free[taken]
    return made


def _spread(rows: np.ndarray, count: int, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Farthest point first, the loneliest rows aside.

    Reference: Gonzalez, Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 1985;
    for active learning Sener and Savarese, arXiv:1708.00489.
    """
    among = rows[rng.permutation(len(rows))[:_AMONG]]
    near = np.partition(rows @ among.T, -2, axis=1)[:, -2:].min(axis=1)
    usual = np.argsort(-near, kind="stable")[: max(count, round((1 - _OUTLYING) * len(rows)))]
    there = rows[usual]
    apart = np.full(len(there), np.inf, np.float32)
    for one in known:
        apart = np.minimum(apart, _squares(there, one))
    made: list[int] = []
    for _ in range(count):
        made.append(int(apart.argmax() if made or len(known) else rng.integers(len(there))))
        apart = np.minimum(apart, _squares(there, there[made[-1]]))
        apart[made] = -1.0  # below any distance
    taken: np.ndarray = usual[np.array(made)]
    return taken


def _squares(rows: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Squared distances of rows (n, d) from one (d,), n floats."""
    apart: np.ndarray = np.square(rows - one).sum(axis=1)
    return apart


def _centres(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """One row for each of `count` clusters: the nearest to its centre."""
    centres = rows[rng.permutation(len(rows))[:count]]
    for _ in range(_ROUNDS):
        nearest = (rows @ centres.T).argmax(axis=1)
        order = np.argsort(nearest, kind="stable")
        there, starts = np.unique(nearest[order], return_index=True)
        sums = np.add.reduceat(rows[order], starts, axis=0)
        centres = centres.copy()
        centres[there] = unit(sums)
    score = rows @ centres.T
    made: list[int] = []
    for c in range(count):
        score[made, c] = -np.inf
        made.append(int(score[:, c].argmax()))
    return np.array(made)


def _differ(source: Vectors) -> bool:
    return bool(np.ptp(source.data, axis=0).max() > 1e-5)
