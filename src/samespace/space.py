"""Spaces, and the vectors that live in them.

A Space names a coordinate system: who made it, how wide it is, how two of its vectors compare, and by a
fingerprint everything that changes its numbers. Two Vectors compare only if their Spaces are equal; equal
width is not enough.

Knows nothing of models, files or indexes. Imports numpy only. Letters: n, m items, d dimensions.
"""

import json
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from samespace.errors import SpaceMismatchError, VectorError

__all__ = ["Metric", "Space", "Sum", "Vectors", "similarity"]

Metric = Literal["cosine", "dot", "euclidean"]
_UNIT_TOLERANCE = 1e-3  # half precision keeps three digits
_BLOCK = 4096  # rows looked at together


@dataclass(frozen=True)
class Space:
    """The identity of a coordinate system. A frozen value: equal fields, same Space.

    Attributes:
        name: maker/head@revision, for people.
        dim: width d of its vectors, >= 1.
        metric: how two vectors compare; "cosine" Spaces hold unit vectors only.
        fingerprint: hash over all that changes the numbers (weights, recipe, reader). "" if nobody computed one.
        parent: the Space this one was derived from (a Matryoshka cut, a quantised copy), if any.
    """

    name: str
    dim: int
    metric: Metric = "cosine"
    fingerprint: str = ""
    parent: "Space | None" = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a Space needs a name\nName it maker/head@revision, e.g. 'acme/text@1'")
        if self.dim < 1:
            raise ValueError(f"space {self.name!r}: dim is {self.dim}, it must be at least 1")
        if self.metric not in get_args(Metric):
            raise ValueError(f"space {self.name!r}: metric {self.metric!r} is none of {', '.join(get_args(Metric))}")

    def __str__(self) -> str:
        """Name and the first letters of the fingerprint: enough to tell two Spaces apart in a message."""
        return f"{self.name}#{self.fingerprint[:8]}" if self.fingerprint else self.name

    def vectors(self, rows: ArrayLike, *, normalize: bool = True) -> "Vectors":
        """Take rows into this Space.

        Args:
            rows: (n, d) or (d,) numbers; float16 is kept, everything else becomes float32.
            normalize: bring rows to unit length first (cosine Spaces); False checks that they are.

        Returns:
            Vectors (n, d) of this Space.

        Raises:
            VectorError: wrong width, not finite, or (cosine) a zero row or, unnormalised, one that is not unit length.
        """
        data = np.asarray(rows)
        if data.dtype != np.float16:
            data = data.astype(np.float32)
        data = data[None, :] if data.ndim == 1 else data
        if data.ndim != 2 or data.shape[1] != self.dim:
            raise VectorError(
                f"rows of shape {data.shape}, but (n, {self.dim}) is needed", str(self), "Use the model of this space."
            )
        if normalize and self.metric == "cosine" and data.size:
            data = _unit(data, self)
        return Vectors(data, self)

    def empty(self) -> "Vectors":
        """No vectors at all: (0, d)."""
        return Vectors(np.zeros((0, self.dim), np.float32), self)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, parents included; `from_dict` gives an equal Space back."""
        return {
            "name": self.name,
            "dim": self.dim,
            "metric": self.metric,
            "fingerprint": self.fingerprint,
            "parent": self.parent.to_dict() if self.parent else None,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Space":
        """Back from `to_dict`. Raises ValueError if a field is missing or of the wrong kind."""
        try:
            parent = data.get("parent")
            return cls(
                name=str(data["name"]),
                dim=operator.index(data["dim"]),
                metric=data["metric"],
                fingerprint=str(data["fingerprint"]),
                parent=cls.from_dict(parent) if parent else None,
            )
        except (KeyError, TypeError, AttributeError) as err:
            raise ValueError(f"not the description of a Space ({err!r}): {str(data)[:200]}") from err

    def to_json(self) -> str:
        """As one line of JSON with sorted keys: equal Spaces give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Space":
        """Back from `to_json`. Raises ValueError on anything else."""
        return cls.from_dict(json.loads(text))


@dataclass(frozen=True, eq=False)
class Vectors:
    """Rows that live in one Space. Made by `Space.vectors`; checked on entry, read-only afterwards.

    Attributes:
        data: (n, d), float32 or float16, finite, unit length if the Space is cosine.
        space: where they live.
    """

    data: np.ndarray
    space: Space

    def __post_init__(self) -> None:
        data = self.data
        if data.dtype not in (np.float32, np.float16):
            raise VectorError(f"rows of type {data.dtype}", str(self.space), "Make them with space.vectors(rows).")
        if data.ndim != 2 or data.shape[1] != self.space.dim:
            raise VectorError(f"rows of shape {data.shape}", str(self.space), "Make them with space.vectors(rows).")
        sound = self.space.metric == "cosine" and _all_unit(data)
        if not sound and not np.isfinite(data).all():
            bad = int(np.flatnonzero(~np.isfinite(data).all(axis=1))[0])
            raise VectorError(f"row {bad} is not finite", str(self.space), "Look for overflow where it was made.")
        if not sound and self.space.metric == "cosine" and len(data):
            norms = np.linalg.norm(data.astype(np.float32), axis=1)
            worst = int(np.abs(norms - 1).argmax())
            if abs(norms[worst] - 1) > _UNIT_TOLERANCE:
                raise VectorError(
                    f"row {worst} has length {norms[worst]:.4g}, not 1",
                    str(self.space),
                    "Make them with space.vectors(rows), which normalises.",
                )
        view = data.view()
        view.flags.writeable = False
        object.__setattr__(self, "data", view)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: "int | slice | np.ndarray | list[int]") -> "Vectors":
        """Some of the rows, as Vectors of the same Space; one integer gives one row, still (1, d)."""
        taken = self.data[rows]
        return Vectors(taken[None, :] if taken.ndim == 1 else taken, self.space)

    def __iter__(self) -> Iterator["Vectors"]:
        """Row by row, each as Vectors (1, d)."""
        return (self[i] for i in range(len(self)))

    def require(self, space: Space) -> "Vectors":
        """Return self if it lives in `space`, else raise SpaceMismatchError."""
        if self.space != space:
            raise SpaceMismatchError(str(self.space), str(space))
        return self

    def concat(self, *others: "Vectors") -> "Vectors":
        """Put others of the same Space below these rows."""
        return Vectors(np.concatenate([self.data, *(o.require(self.space).data for o in others)]), self.space)

    def __add__(self, other: "Vectors | Sum") -> "Sum":
        return Sum.of(self) + other

    def __sub__(self, other: "Vectors | Sum") -> "Sum":
        return Sum.of(self) - other

    def __mul__(self, weight: float) -> "Sum":
        return Sum.of(self) * weight

    __rmul__ = __mul__

    def __neg__(self) -> "Sum":
        return Sum.of(self) * -1.0


@dataclass(frozen=True, eq=False)
class Sum:
    """A linear combination inside one Space that has not been brought back to it yet.

    Weights stay exact until `vectors()`: 2 * a + b is not normalise(a) + b.
    """

    data: np.ndarray
    space: Space

    @classmethod
    def of(cls, vectors: "Vectors | Sum") -> "Sum":
        """Start a combination."""
        return cls(vectors.data.astype(np.float32), vectors.space)

    def __add__(self, other: "Vectors | Sum") -> "Sum":
        if other.space != self.space:
            raise SpaceMismatchError(str(other.space), str(self.space))
        return Sum(self.data + other.data.astype(np.float32), self.space)

    def __sub__(self, other: "Vectors | Sum") -> "Sum":
        return self + Sum.of(other) * -1.0

    def __mul__(self, weight: float) -> "Sum":
        return Sum(self.data * np.float32(weight), self.space)

    __rmul__ = __mul__

    def __neg__(self) -> "Sum":
        return self * -1.0

    def vectors(self) -> Vectors:
        """Bring it back into the Space. Raises VectorError if the parts cancel out in a cosine Space."""
        return self.space.vectors(self.data)


def similarity(a: Vectors, b: Vectors) -> np.ndarray:
    """Score every row of a against every row of b; higher is closer for every metric.

    cosine and dot: a b^T; euclidean: -||a_i - b_j||.

    Returns:
        (n, m) float32; cosine in [-1, 1], euclidean <= 0. Chance level depends on the Space: for random pairs
        of an anisotropic model cosine is nowhere near 0, so never show it as a match strength.

    Raises:
        SpaceMismatchError: a and b live in different Spaces.
    """
    b.require(a.space)
    if a.space.metric == "euclidean":
        return _negative_distances(a.data.astype(np.float64), b.data.astype(np.float64))
    dots: np.ndarray = a.data.astype(np.float32) @ b.data.astype(np.float32).T
    return dots


def _negative_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """-||x_i - y_j||, (n, m) float32; in float64 inside, because near rows cancel out."""
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1)[None, :] - 2 * (x @ y.T)
    distances: np.ndarray = -np.sqrt(np.maximum(squares, 0))
    return distances.astype(np.float32)


def _all_unit(data: np.ndarray) -> bool:
    """Whether all rows have length 1, and so are finite: in one pass, without a copy of them all."""
    for start in range(0, len(data), _BLOCK):
        part = data[start : start + _BLOCK].astype(np.float32, copy=False)
        if not (np.abs(np.sqrt(np.einsum("nd,nd->n", part, part)) - 1) <= _UNIT_TOLERANCE).all():
            return False
    return True


def _unit(data: np.ndarray, space: Space) -> np.ndarray:
    """Rows brought to length 1, in float64 where it matters."""
    wide = data.astype(np.float64)
    if not np.isfinite(wide).all():
        bad = int(np.flatnonzero(~np.isfinite(wide).all(axis=1))[0])
        raise VectorError(f"row {bad} is not finite", str(space), "Look for overflow where it was made.")
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    if (norms < 1e-12).any():
        bad = int(np.flatnonzero(norms[:, 0] < 1e-12)[0])
        raise VectorError(
            f"row {bad} has length zero and no direction", str(space), "Leave it out, or look at the item behind it."
        )
    unit: np.ndarray = (wide / norms).astype(data.dtype)
    return unit
