"""Which axis of one side is which of the other: a quadratic assignment, by Frank and Wolfe's method.

Imports numpy, and scipy for linear assignments. Letters: c axes; P (c, c) doubly stochastic, source by target.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.translate.axes import Look

__all__ = ["Match", "Problem", "sinkhorn"]

_ROUNDS, _SLOPE = 40, 1e-4  # at most; and what is still to be gained, from which on a round is not worth it
_UNARY = 0.02  # weight of the axes' own looks beside how they go together
_SOFT = 3.0  # sharpness of the first start


@dataclass(frozen=True, eq=False)
class Match:
    """An assignment found.

    Attributes:
        value: of the objective; comparable for one pair of Spaces and one number of axes only.
        to: (c,) the target's axis of each of the source's.
    """

    value: float
    to: np.ndarray


class Problem:
    """f(P) = <P, R P R'> + <P, K P K'> + <P, L>: excesses R, leans K, likeness of quantiles L, weighted by skewness.

    Because a step goes to a permutation, whose products are mere reorderings, a round costs three products.

    Reference: Vogelstein et al., Fast approximate quadratic programming for graph matching, PLoS ONE 2015.
    """

    def __init__(self, source: Look, target: Look) -> None:
        self._r = _scaled(source.excess, source.weight), _scaled(target.excess, target.weight)
        self._k = _scaled(source.lean, source.weight), _scaled(target.lean, target.weight)
        spread = np.concatenate([source.quantiles, target.quantiles]).std(axis=0) + 1e-9
        a, b = source.quantiles / spread, target.quantiles / spread
        near = -((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T) / a.shape[1]
        weight = np.sqrt(source.weight[:, None] * target.weight)
        self._linear = near * weight * (_UNARY / len(near))
        bent = np.exp(_SOFT * (near - near.max(axis=1, keepdims=True)))
        self.likeness = sinkhorn(bent / bent.sum(axis=1, keepdims=True))

    def starts(self, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Starts: the likeness of the axes' own looks, and it with noise."""
        return [self.likeness, *(noised(self.likeness, rng) for _ in range(count - 1))]

    def solve(self, starts: Sequence[np.ndarray]) -> Match:
        """The best assignment found from any of the starts."""
        return max((self._climb(start) for start in starts), key=lambda match: match.value)

    def _climb(self, p: np.ndarray) -> Match:
        forth, back = self._products(p)
        for _ in range(_ROUNDS):
            to = _assign(forth + back + self._linear)
            q = _permutation(to)
            q_forth, q_back = self._permuted(to)
            d, d_forth = q - p, q_forth - forth
            slope = float(((forth + back + self._linear) * d).sum())
            curve = float((d * d_forth).sum())
            t = 1.0 if curve >= 0 else min(1.0, -slope / (2 * curve))
            if slope <= _SLOPE:
                break
            p, forth, back = p + t * d, forth + t * d_forth, back + t * (q_back - back)
        to = _assign(p)
        q_forth, _ = self._permuted(to)
        rows = np.arange(len(to))
        return Match(float((q_forth + self._linear)[rows, to].sum()), to)

    def _products(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """R P R' + K P K' and R' P R + K' P K."""
        (ra, rb), (ka, kb) = self._r, self._k
        middle = ra @ p @ rb
        return middle + ka @ p @ kb.T, middle + ka.T @ p @ kb

    def _permuted(self, to: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of a permutation: P' takes row i of the target's matrices to row to[i]."""
        (ra, rb), (ka, kb) = self._r, self._k
        middle = ra @ rb[to]
        return middle + ka @ kb.T[to], middle + ka.T @ kb[to]


def sinkhorn(matrix: np.ndarray, rounds: int = 8) -> np.ndarray:
    """Positive (c, c) → rows and columns that sum to one."""
    made = matrix
    for _ in range(rounds):
        made = made / made.sum(axis=1, keepdims=True)
        made = made / made.sum(axis=0, keepdims=True)
    return made


def noised(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A start with noise."""
    made: np.ndarray = 0.7 * p + 0.3 * sinkhorn(rng.random(p.shape))
    return made


def _scaled(matrix: np.ndarray, weight: np.ndarray) -> np.ndarray:
    made = matrix * weight[:, None] * weight
    scaled: np.ndarray = made / max(float(np.linalg.norm(made)), 1e-12)
    return scaled


def _assign(gain: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    to: np.ndarray = linear_sum_assignment(gain, maximize=True)[1]
    return to


def _permutation(to: np.ndarray) -> np.ndarray:
    made = np.zeros((len(to), len(to)))
    made[np.arange(len(to)), to] = 1.0
    return made
