"""Pairs that a Translator is fitted on: row i of both sides embeds the same item.

Imports numpy only. Letters: n pairs.
"""

from dataclasses import dataclass

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.frame import Frame

__all__ = ["Pairs"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs in their Frames.

    Attributes:
        source, target: Spaces.
        before, after: Frames.
        x, y: (n, ds), (n, dt) float64, rows of the Frames.
        weights: (n,) >= 0, mean 1.
    """

    source: Space
    target: Space
    before: Frame
    after: Frame
    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(
        cls,
        source: Vectors,
        target: Vectors,
        weights: np.ndarray | None = None,
        frames: tuple[Frame, Frame] | None = None,
    ) -> "Pairs":
        """Check pairs and bring them into their Frames.

        Args:
            source: (n, ds), n >= 2.
            target: (n, dt).
            weights: (n,) >= 0, how much each counts; None = all alike.
            frames: of both sides, from more rows than these pairs where there are any; None = of the pairs.

        Raises:
            ValueError: unequal numbers, fewer than 2 pairs, rows that are all equal, weights that are no weights.
        """
        if len(source) != len(target):
            raise ValueError(
                f"pairs are needed: {len(source)} rows of {source.space} but {len(target)} of {target.space}\n"
                "Give row i of both sides for the same item; without pairs, align(source, target)"
            )
        if len(source) < 2:
            raise ValueError(f"{len(source)} pairs: at least 2 are needed, and some hundreds for a good translation")
        before, after = frames or (Frame.of(source), Frame.of(target))
        made = _weights(weights, len(source))
        return cls(source.space, target.space, before, after, before.enter(source.data), after.enter(target.data), made)

    def __len__(self) -> int:
        return len(self.x)


def _weights(given: np.ndarray | None, n: int) -> np.ndarray:
    if given is None:
        return np.ones(n)
    made = np.asarray(given, np.float64)
    if made.shape != (n,) or not np.isfinite(made).all() or (made < 0).any() or not made.sum():
        raise ValueError(f"weights of shape {made.shape} for {n} pairs\nGive one for each, finite, none below 0")
    scaled: np.ndarray = made * (n / made.sum())
    return scaled
