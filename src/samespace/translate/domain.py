"""What rows a translation was fitted on, in a few numbers: enough to see that others are of another kind.

A map that was fitted on general texts finds a general text again in nearly every case, and keeps a third of the
neighbours in a collection on one subject. From the map alone that cannot be seen; from where the rows lie it can.

Knows nothing of how a Translator was made, and keeps no row. Imports numpy only. Letters: n rows, d width, r axes.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.frame import Frame

__all__ = ["FEWEST", "Domain", "Look"]

FEWEST = 50
"""Rows that are needed to say anything of a collection, on either side."""
_ROWS = 4000
_AXES = 128
_LEAST = 0.3  # of the mean variance: a direction with less counts as having this
_HELD = 5  # one row in so many is held out, to see how far out rows of the same kind lie
_FAR = 95.0  # percentile of those, from which a row is far out
_SHIFT, _BEYOND = 0.45, 0.75


@dataclass(frozen=True)
class Look:
    """How a collection looks from where a translation was fitted.

    Attributes:
        shift: length of the mean of its rows in the Frame of the fitted ones, the chance part taken off; 0 for rows of
            the same kind, .2 to .36 for one source among many, .56 to .64 for abstracts of one subject.
        beyond: share of its rows that lie farther out than 95 % of rows of the fitted kind; .05 for the same kind.
        rows: looked at.
        outside: whether it is another domain. False where too few rows were given to tell.
    """

    shift: float
    beyond: float
    rows: int
    outside: bool

    @property
    def why(self) -> str:
        """One sentence for people, with the figures."""
        if self.rows < FEWEST:
            return f"{self.rows} rows are too few to tell their domain; {FEWEST} are needed"
        told = (
            f"shift {self.shift:.2f} (other domain from {_SHIFT}), {self.beyond:.0%} of {self.rows:,} rows far out "
            f"(from {_BEYOND:.0%})"
        )
        return f"{'not ' if self.outside else ''}of the kind that the translation was fitted on: {told}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "why": self.why}


@dataclass(frozen=True, eq=False)
class Domain:
    """Where the fitted rows lie.

    Attributes:
        space: of the rows.
        frame: their middle.
        axes: (d, r) float32, orthonormal: the directions in which they vary most.
        spread: (r,) float32, variances along them, floored.
        rest: variance in each direction that is none of them, floored.
        far: distance that 95 % of held-out rows stay below.
        rows: how many it was made of.
    """

    space: Space
    frame: Frame
    axes: np.ndarray
    spread: np.ndarray
    rest: float
    far: float
    rows: int

    @classmethod
    def of(cls, vectors: Vectors, *, seed: int = 0) -> "Domain | None":
        """Of the source rows (n, d) that a fit used; None if they are fewer than 50 or all alike.

        At most 4,000 of them, drawn by `seed`, are looked at; a fifth only to see how far out such rows lie.
        """
        if len(vectors) < FEWEST:
            return None
        taken = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:_ROWS])
        held, rest = taken[::_HELD], np.delete(taken, np.arange(0, len(taken), _HELD))
        try:
            frame = Frame.of(vectors[rest])
        except ValueError:
            return None
        x = frame.enter(vectors.data[rest])
        _, values, turned = np.linalg.svd(x, full_matrices=False)
        width = vectors.space.dim
        count = min(_AXES, len(rest) // 4, width)
        variance = values**2 / len(x)
        least = _LEAST * max(float((x**2).sum() / len(x)) / width, 1e-12)
        left = float(variance[count:].sum()) / max(1, width - count)
        made = cls(
            vectors.space, frame, turned[:count].T.astype(np.float32),
            np.maximum(variance[:count], least).astype(np.float32), max(left, least), 0.0, len(vectors),
        )  # fmt: skip
        far = float(np.percentile(made.distances(vectors[held]), _FAR))
        return cls(made.space, made.frame, made.axes, made.spread, made.rest, far, made.rows)

    def distances(self, vectors: Vectors) -> np.ndarray:
        """How far out each row lies, (n,), in squared standard deviations; about d for a row of the same kind.

        Raises SpaceMismatchError on Vectors of another Space.
        """
        x = self.frame.enter(vectors.require(self.space).data)
        along = (x @ self.axes) ** 2
        off = np.maximum((x**2).sum(axis=1) - along.sum(axis=1), 0.0)
        far: np.ndarray = (along / self.spread).sum(axis=1) + off / self.rest
        return far

    def look(self, vectors: Vectors) -> Look:
        """How a sample of a collection (n, d), some hundred rows drawn over all of it, looks from here."""
        n = len(vectors)
        if n < FEWEST:
            return Look(0.0, 0.0, n, False)
        middle = self.frame.enter(vectors.require(self.space).data)
        lengths = float((middle**2).sum(axis=1).mean())
        shift = float(np.sqrt(max(0.0, (middle.mean(axis=0) ** 2).sum() - lengths / n)))
        beyond = float((self.distances(vectors) > self.far).mean())
        return Look(shift, beyond, n, shift > _SHIFT or beyond > _BEYOND)
