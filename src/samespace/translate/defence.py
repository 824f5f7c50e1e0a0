"""Translators that are meant to hide: noise, coarse numbers, a keyed rotation, fewer numbers.

Each leads into a Space of its own, derived from the one it hides, so that hidden and plain vectors never meet by
accident. What each costs and what it hides is for `samespace.probe.audit` to measure; none of them promises anything.

Knows nothing of attacks. Imports numpy only. Letters: n rows, d width, b bits.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from samespace.space import Space, Vectors
from samespace.translate.derived import Cut
from samespace.translate.procrustes import polar

__all__ = ["Noised", "Rotated", "Rounded", "cut_to"]


@dataclass(frozen=True)
class Noised:
    """Add Gaussian noise to unit rows: x + size * g, g normal with mean length 1, then unit length again.

    The noise follows from the row and the key: the same row asked for twice gets the same noise, so that the mean of
    many answers does not take it off. Whoever has the key and a row can make its noise; keep the key.

    Attributes:
        source, target: Spaces.
        size: length of the noise beside the row's own 1; the cosine left is about 1 / sqrt(1 + size^2).
        key: secret.
        fidelity: share of neighbours kept; None = never measured.
    """

    source: Space
    target: Space
    size: float
    key: bytes
    fidelity: float | None = None

    @classmethod
    def of(cls, space: Space, size: float, key: bytes) -> Self:
        """Made for a cosine Space. Raises ValueError for another metric, a size that is not positive, an empty key."""
        _cosine(space, "noise")
        if not (np.isfinite(size) and size > 0):
            raise ValueError(f"noise of size {size} hides nothing\nGive a positive size: Noised.of(space, 0.5, key)")
        return cls(space, _hidden(space, f"noise{size:g}", {"size": size, "key": _mark(key)}), size, key)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, d) to (n, d)."""
        rows = vectors.require(self.source).data.astype(np.float32)
        noise = np.stack([self._noise(row) for row in rows]) if len(rows) else rows
        return self.target.vectors(rows + noise)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is, without the key."""
        return {"method": "noise", "size": self.size}

    def _noise(self, row: np.ndarray) -> np.ndarray:
        digest = hashlib.blake2b(row.tobytes(), key=_short(self.key), digest_size=16).digest()
        made: np.ndarray = np.random.default_rng(int.from_bytes(digest)).standard_normal(len(row), np.float32)
        return made * np.float32(self.size / np.sqrt(len(row)))


@dataclass(frozen=True, eq=False)
class Rounded:
    """Keep 2^bits levels of each number, spread evenly between what the middle 99 % of rows have.

    With one bit: which side of the middle. What leaves is the middle of its level, so that rows can still be searched.

    Attributes:
        source, target: Spaces.
        low, step: (d,) float64, lower end and height of each number's levels.
        bits: of each number, 1 to 8.
        fidelity: share of neighbours kept; None = never measured.
    """

    source: Space
    target: Space
    low: np.ndarray
    step: np.ndarray
    bits: int
    fidelity: float | None = None

    @classmethod
    def fit(cls, vectors: Vectors, bits: int) -> Self:
        """Fit the levels on rows of the Space. Raises ValueError for no rows, or bits outside 1 to 8."""
        if not 1 <= bits <= 8:
            raise ValueError(f"{bits} bits\nGive 1 to 8 for each number")
        if len(vectors) < 2:
            raise ValueError(f"{len(vectors)} rows of {vectors.space} show no range\nGive some hundreds")
        low, high = np.quantile(vectors.data.astype(np.float64), (0.005, 0.995), axis=0)
        step = np.maximum(high - low, 1e-12) / 2**bits
        marks = {"bits": bits, "low": hashlib.blake2b(low.tobytes() + step.tobytes(), digest_size=16).hexdigest()}
        return cls(vectors.space, _hidden(vectors.space, f"bits{bits}", marks), low, step, bits)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, d) to (n, d)."""
        rows = vectors.require(self.source).data
        level = np.clip(np.floor((rows - self.low) / self.step), 0, 2**self.bits - 1)
        return self.target.vectors(self.low + (level + 0.5) * self.step)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is."""
        return {"method": "rounding", "bits": self.bits}


@dataclass(frozen=True)
class Rotated:
    """Turn by an orthogonal matrix that follows from a key. All scores stay; so does all that an aligner needs.

    It hides nothing from whoever has some thousands of rows: it is here to be measured, and because it is cheap to put
    on top of what does hide.

    Attributes:
        source, target: Spaces.
        key: secret.
        back: whether it leads back.
        fidelity: 1.0: angles are kept.
    """

    source: Space
    target: Space
    key: bytes
    back: bool = False
    fidelity: float | None = 1.0

    @classmethod
    def of(cls, space: Space, key: bytes) -> Self:
        """Made for any Space. Raises ValueError for an empty key."""
        return cls(space, _hidden(space, "rotated", {"key": _mark(key)}), key)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Translate (n, d) to (n, d)."""
        matrix = self._matrix()
        rows = vectors.require(self.source).data
        return self.target.vectors(rows @ (matrix.T if self.back else matrix))

    def inverse(self) -> Self:
        """The way back, for whoever has the key."""
        return replace(self, source=self.target, target=self.source, back=not self.back)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is, without the key."""
        return {"method": "rotation"}

    def _matrix(self) -> np.ndarray:
        seed = int.from_bytes(hashlib.blake2b(b"rotation", key=_short(self.key), digest_size=16).digest())
        made: np.ndarray = polar(np.random.default_rng(seed).standard_normal((self.source.dim, self.source.dim)))
        return made.astype(np.float32)


def cut_to(space: Space, dim: int) -> Cut:
    """Keep the first `dim` numbers of any Space; unmeasured, for few models are trained to be cut.

    Raises:
        ValueError: not narrower than the Space.
    """
    if not 1 <= dim < space.dim:
        raise ValueError(f"{space} has {space.dim} numbers, {dim} cannot be kept\nGive 1 to {space.dim - 1}")
    target = _hidden(space, f"first{dim}", {"dim": dim})
    return Cut(space, replace(target, dim=dim), fidelity=None)


def _hidden(space: Space, what: str, marks: Mapping[str, Any]) -> Space:
    """A Space of its own, derived from `space`; equal marks give equal Spaces."""
    data = json.dumps([space.to_dict(), what, dict(marks)], sort_keys=True).encode()
    mark = hashlib.blake2b(data, digest_size=16).hexdigest()
    return Space(f"{space.name}+{what}", space.dim, space.metric, mark, space)


def _cosine(space: Space, what: str) -> None:
    if space.metric != "cosine":
        raise ValueError(f"{what} is measured against rows of length 1, and {space} is {space.metric}")


def _mark(key: bytes) -> str:
    """What tells two keys apart and gives neither away, if they were drawn at random."""
    return hashlib.blake2b(b"which key", key=_short(key), digest_size=16).hexdigest()


def _short(key: bytes) -> bytes:
    if not key:
        raise ValueError("an empty key is no secret\nDraw one and keep it: secrets.token_bytes(32)")
    return hashlib.blake2b(key, digest_size=32).digest()
