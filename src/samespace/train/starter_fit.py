"""How the starter's heads are fitted: in closed form, towards captions whose common directions count less.

    W = argmin  mean |W x - y|² + strength |W|²,   y = C^-power c,   C = mean c c^T

c is the mean of what is said of an item. Captions of one kind share much: without the power a head gives away to what
is always said what it needs for what is said once. The power 1/2 whitens captions as canonical correlation does; 0 is
the plain ridge. Which is best differs by kind, and so does the strength (docs/log.md).

Imports numpy. Letters: n items, t captions, ds dt source and target width, k whitened width.
Reference: Hotelling, Relations between two sets of variates, 1936; Hoerl & Kennard, Ridge regression, 1970.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samespace.train.whitening import Whitening, spread
from samespace.translate.near import unit

__all__ = ["Folded", "Said", "closed", "gate"]

_FLOOR = 0.1  # of the captions' mean variance: added to each, so that what is hardly ever said is not blown up


@dataclass(frozen=True, eq=False)
class Said:
    """What is said of items.

    Attributes:
        captions: (t, dt) centred, at unit length.
        of: for each item its rows of `captions`.
        weights: (n) how often an item is drawn, in any unit.
    """

    captions: np.ndarray
    of: Sequence[np.ndarray]
    weights: np.ndarray

    def means(self) -> np.ndarray:
        """(n, dt) the mean caption of each item, at unit length."""
        rows = np.stack([self.captions[at].mean(axis=0) for at in self.of])
        return unit(rows)


@dataclass(frozen=True, eq=False)
class Folded:
    """A linear head on features as they are: x @ weight.T + bias. weight (dt, ds), bias (dt)."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, ds) → (n, dt) at unit length."""
        made: np.ndarray = unit(features @ self.weight.T + self.bias)
        return made

    def narrow(self, features: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest head of that rank on features (n, ds): up (dt, r), down (r, ds), bias (dt)."""
        rows = features @ self.weight.T + self.bias
        middle = rows.mean(axis=0)
        up = spread((rows - middle).T @ (rows - middle))[1][:, :rank]
        return up, up.T @ self.weight, middle + up @ (up.T @ (self.bias - middle))


def closed(
    views: Sequence[np.ndarray],
    said: Said,
    strength: float,
    width: int,
    parts: Sequence[int] = (),
    power: float = 0.0,
) -> Folded:
    """The head, on features as they are.

    Args:
        views: (n, ds) each, views of the items; all count alike.
        said: what is said of them.
        strength: of the ridge, in units of a feature's mean variance.
        width: of the whitened features.
        parts: widths of parts of the features, each of which counts alike; () = one.
        power: what is said is multiplied by C^-power, C its second moments.
    """
    features = np.concatenate(views)
    whitening = Whitening.fit(features, np.tile(said.weights, len(views)), strength, width, parts)
    share, rows = said.weights / said.weights.sum(), said.means()
    values, vectors = spread((rows * share[:, None]).T @ rows)
    bent = rows @ (vectors * (values + _FLOOR * values.mean()) ** -power) @ vectors.T
    wanted = np.tile(bent * share[:, None], (len(views), 1)) / len(views)
    weight = wanted.T @ whitening(features) @ whitening.white.T
    return Folded(weight.astype(np.float32), -(weight @ whitening.mean).astype(np.float32))


def gate(
    features: np.ndarray, kinds: np.ndarray, weights: np.ndarray, ridge: float, width: int, parts: Sequence[int] = ()
) -> Folded:
    """Which kind a picture is: ridge to 0 and 1, every kind counting alike.

    Args:
        features: (n, ds).
        kinds: (n) integers.
        weights: (n) how often an item is drawn.
        ridge: strength, in units of a feature's mean variance.
        width: of the whitened features.
        parts: widths of parts of the features, () = one.

    Returns:
        a head (kinds, ds); a picture is of the kind whose number is highest, 1 if it is sure.
    """
    wanted = np.eye(kinds.max() + 1)[kinds]
    share = weights / (weights @ wanted)[kinds]
    share /= share.sum()
    whitening = Whitening.fit(features, share, ridge, width, parts)
    middle = share @ wanted
    weight = ((wanted - middle) * share[:, None]).T @ whitening(features) @ whitening.white.T
    return Folded(weight.astype(np.float32), (middle - weight @ whitening.mean).astype(np.float32))
