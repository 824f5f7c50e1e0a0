"""Translators between a Space and one derived from it: the same model with coarser arithmetic, or cut to fewer numbers.

Nothing is fitted: the derived Space holds the parent's own vectors, rounded or cut.

Knows nothing of models. Imports numpy only. Letters: n pairs, d width, k neighbours.
"""

from dataclasses import dataclass

import numpy as np

from samespace.space import Space, Vectors, similarity

__all__ = ["Cut", "Requantised", "neighbours_kept"]


@dataclass(frozen=True)
class Requantised:
    """Take vectors over unchanged: both Spaces are one model, one of them computed more coarsely."""

    source: Space
    target: Space
    fidelity: float | None = None

    def __post_init__(self) -> None:
        if self.source.dim != self.target.dim or self.source.metric != self.target.metric:
            raise ValueError(f"{self.source} and {self.target} are not one model: width or metric differ")

    @classmethod
    def measure(cls, source: Vectors, target: Vectors, k: int = 5) -> "Requantised":
        """With its fidelity measured on pairs: row i of both sides embeds the same item."""
        return cls(source.space, target.space, neighbours_kept(source, target, k))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, d) to (n, d)."""
        return self.target.vectors(vectors.require(self.source).data)


@dataclass(frozen=True)
class Cut:
    """Keep the first numbers and bring them to unit length: a Matryoshka model's own smaller Space. Exact."""

    source: Space
    target: Space
    fidelity: float | None = 1.0

    def __post_init__(self) -> None:
        if self.target.dim > self.source.dim or self.target.parent != self.source:
            raise ValueError(
                f"{self.target} is not a cut of {self.source}\nMake it with parent=source and a smaller dim"
            )

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, source.dim) to (n, target.dim)."""
        return self.target.vectors(vectors.require(self.source).data[:, : self.target.dim])


def neighbours_kept(source: Vectors, target: Vectors, k: int = 5) -> float:
    """Share of each row's k nearest other rows that are the same on both sides, averaged.

    Args:
        source: (n, ds); row i embeds the same item as row i of target.
        target: (n, dt).
        k: 1 <= k < n.

    Returns:
        In [0, 1]; chance level is k / (n - 1).

    Raises:
        ValueError: different numbers of rows, or too few for k.
    """
    if len(source) != len(target) or not 1 <= k < len(source):
        raise ValueError(f"{len(source)} and {len(target)} rows: as many on both sides are needed, more than k = {k}")
    a, b = (_nearest(side, k) for side in (source, target))
    return float(np.mean([len(np.intersect1d(x, y)) / k for x, y in zip(a, b, strict=True)]))


def _nearest(vectors: Vectors, k: int) -> np.ndarray:
    """Positions (n, k) of each row's nearest others."""
    scores = similarity(vectors, vectors)
    np.fill_diagonal(scores, -np.inf)
    nearest: np.ndarray = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return nearest
