"""How good a translation is, on pairs it has never seen: four numbers, each with the pool it was taken from.

Finding the right row again (top-1) is easy and saturates; keeping the neighbours is what search needs.

Knows nothing of how a Translator was made. Imports numpy only. Letters: n pairs, m pool, ds dt widths, k neighbours.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from samespace.space import Vectors, similarity
from samespace.translate.frame import Frame
from samespace.translate.protocol import Translator

__all__ = ["Fidelity", "compare", "held_out", "measure", "twins"]

_BLOCK = 1024
_ALIKE = 0.98  # cosine from which two rows of the source count as one text
_QUERIES = 2000


@dataclass(frozen=True)
class Fidelity:
    """What was measured on held-out pairs.

    Attributes:
        kept: share of the k true neighbours (the target vectors' own) that the translated vector has too;
            chance is k / pool.
        top1: share of rows whose nearest in the pool is their own; chance is 1 / pool. Ties count a half.
        rank: mean rank of their own, from 1; chance is pool / 2.
        cosine: mean similarity of translated and true, both centred; 0 by chance, and never comparable between Spaces.
        pool: rows searched.
        pairs: rows translated.
        k: neighbours.
        corpus: what texts they were of.
    """

    kept: float
    top1: float
    rank: float
    cosine: float
    pool: int
    pairs: int
    k: int = 10
    corpus: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def measure(
    translator: Translator, source: Vectors, target: Vectors, *, k: int = 10, queries: int = _QUERIES, corpus: str = ""
) -> Fidelity:
    """Measure on pairs: row i of both sides embeds the same item, which the fit has not seen.

    Args:
        translator: from source.space to target.space.
        source: (n, ds).
        target: (n, dt).
        k: 1 <= k < n.
        queries: rows translated, the first of them; all n are the pool.
        corpus: what the items are of, for people.

    Raises:
        ValueError: different numbers of rows, or too few for k.
    """
    if len(source) != len(target) or not 1 <= k < len(source):
        raise ValueError(f"{len(source)} and {len(target)} rows: as many on both sides are needed, more than k = {k}")
    return compare(translator(source[: min(queries, len(source))]), target, k=k, corpus=corpus)


def compare(made: Vectors, target: Vectors, *, k: int = 10, corpus: str = "") -> Fidelity:
    """Measure what rows were translated to: made (n, dt) of the first n rows of target (m, dt), which are the pool.

    Raises:
        ValueError: fewer rows in the pool than in made, or too few for k.
    """
    n = len(made)
    if n > len(target) or not 1 <= k < len(target):
        raise ValueError(f"{n} and {len(target)} rows: as many on both sides are needed, more than k = {k}")
    frame = Frame.of(target)
    inside, true = frame.enter(made.data), frame.enter(target.data)
    kept, top1, rank = [], [], []
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        found, wanted = similarity(made[rows], target), similarity(target[rows], target)
        own = found[np.arange(len(rows)), rows][:, None]
        above, equal = (found > own).sum(1), (found == own).sum(1) - 1
        rank.append(1 + above + equal / 2)
        top1.append(np.where(above > 0, 0.0, 1 / (1 + equal)))
        wanted[np.arange(len(rows)), rows] = -np.inf
        found[np.arange(len(rows)), rows] = -np.inf
        kept.append(_shared(found, wanted, k))
    cosine = (inside * true[:n]).sum(1)
    cosine /= np.maximum(np.linalg.norm(inside, axis=1) * np.linalg.norm(true[:n], axis=1), 1e-12)
    means = [float(np.concatenate(values).mean()) for values in (kept, top1, rank)]
    return Fidelity(means[0], means[1], means[2], float(cosine.mean()), len(target), n, k, corpus)


def _shared(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Share of the k largest of each row that are the same in both."""
    x, y = (np.argpartition(-s, k - 1, axis=1)[:, :k] for s in (a, b))
    return np.array([len(np.intersect1d(p, q, assume_unique=True)) / k for p, q in zip(x, y, strict=True)])


def held_out(source: Vectors, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers for fitting and for measuring, so that no text is on both sides.

    Rows of the source that are nearly equal (cosine above .98) stay together: a copy of a fitted row is no test.

    Args:
        source: (n, ds).
        share: of the rows to hold out, in (0, 1).
        seed: of the draw.

    Returns:
        (rows to fit on, rows to measure on), each sorted.
    """
    order = np.random.default_rng(seed).permutation(len(source))
    out = order[: max(1, round(share * len(source)))]
    rest = order[len(out) :]
    return np.sort(rest[~twins(source, rest, out)]), np.sort(out)


def twins(source: Vectors, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Which of `rows` are nearly equal to one of the rows `out`, both row numbers: (len(rows),) bool."""
    made = np.zeros(len(rows), bool)
    for start in range(0, len(rows), _BLOCK):
        made[start : start + _BLOCK] = _near(source[rows[start : start + _BLOCK]], source[out]).any(axis=1)
    return made


def _near(a: Vectors, b: Vectors) -> np.ndarray:
    """(n, m) bool: cosine above .98; in other metrics, equal to rounding."""
    found = similarity(a, b)
    if a.space.metric == "cosine":
        return found > _ALIKE
    x, y = ((v.data.astype(np.float64) ** 2).sum(axis=1) for v in (a, b))
    whole = x[:, None] + y
    apart = found.astype(np.float64) ** 2 if a.space.metric == "euclidean" else whole - 2 * found
    equal: np.ndarray = apart <= 1e-6 * whole
    return equal
