"""Scales known beforehand by which a network's activations are rounded to 8 bits, for the models that have them.

Rounding with one scale for everything is the cheapest there is, and too coarse: a few inputs of each matrix are a
hundred times larger than the rest. So each input is divided by a number of its own and its column of the matrix
multiplied by it, which changes nothing but makes both sides fit to be rounded (SmoothQuant). The numbers come from
activations on some hundred texts of many kinds. Inputs of q (shared by k and v), fi and fo are rounded so; those of ao
vary too much from text to text. `python -m benchmarks.rounding` derives the numbers and writes `rounding.npz`, 120 kB.

A network is recognised by its own numbers, not by where they came from.

Knows nothing of graphs. Imports numpy only. Letters: w inputs of a matrix, o its outputs.
Reference: Xiao et al., SmoothQuant, arXiv:2211.10438, eq. 4.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Final

import numpy as np

from samespace.encode.q4_bert import Shape

__all__ = ["VERSION", "Rounding", "identity", "known", "pack", "rounded", "unpack"]

VERSION: Final = 1
"""Counts up when `rounding.npz` is derived anew: other numbers make other vectors."""

_STEPS = 255  # of unsigned 8 bits


@dataclass(frozen=True, eq=False)
class Rounding:
    """How the inputs of one matrix are rounded.

    Attributes:
        smooth: what each input is divided by first (w), > 0.
        low, high: what is then rounded lies between them; what lies outside is cut off. 0 is one of the steps.
        shift: by how much rounding raises each output on the average (o); it is taken off the bias. For q: q, k, v.
    """

    smooth: np.ndarray
    low: float
    high: float
    shift: np.ndarray

    @classmethod
    def between(cls, smooth: np.ndarray, low: float, high: float, shift: np.ndarray) -> "Rounding":
        """With bounds moved by less than a step, so that 0 is one."""
        step = max(max(high, 0.0) - min(low, 0.0), 1e-6) / _STEPS
        zero = round(-min(low, 0.0) / step)
        return cls(smooth, -zero * step, (_STEPS - zero) * step, shift)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, w) divided and rounded, as they reach the matrix."""
        step = (self.high - self.low) / _STEPS
        made: np.ndarray = np.rint(np.clip(rows / self.smooth, self.low, self.high) / step) * step
        return made


def rounded(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (o, w) as int8 and a scale for each output (o, 1)."""
    scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / 127, 1e-8).astype(np.float32)
    return np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8), scale


def identity(weights: Any) -> str:
    """What a network is recognised by: a hash over its biases (32 hex letters). `weights` is a BertWeights."""
    digest = hashlib.blake2b(digest_size=16)
    for layer in range(weights.shape.layers):
        for part in ("q", "fo"):
            digest.update(np.ascontiguousarray(weights.vector(f"l{layer}.{part}.b"), np.float32).tobytes())
    return digest.hexdigest()


def known(weights: Any) -> Mapping[str, Rounding] | None:
    """By name of the matrix ("l0.q"), for a network that has them; None for another. `weights` is a BertWeights."""
    flat = _table().get(identity(weights))
    return None if flat is None else unpack(flat, weights.shape)


def pack(made: Mapping[str, Rounding], shape: Shape) -> np.ndarray:
    """One array of float16: low, high, divisors and shifts of each matrix, in the order of the layers."""
    parts = [[r.low, r.high, *r.smooth, *r.shift] for r in (made[name] for name, _, _ in _matrices(shape))]
    return np.concatenate(parts).astype(np.float16)


def unpack(flat: np.ndarray, shape: Shape) -> dict[str, Rounding]:
    """Back from `pack`, with k and v beside q. Raises ValueError if it is of a network of other sizes."""
    made, at, numbers = {}, 0, flat.astype(np.float32)
    if numbers.size != sum(2 + width + outputs for _, width, outputs in _matrices(shape)):
        raise ValueError(f"{numbers.size} numbers are not the roundings of a network of {shape}")
    for name, width, outputs in _matrices(shape):
        low, high = (float(bound) for bound in numbers[at : at + 2])
        smooth, shift = np.split(numbers[at + 2 : at + 2 + width + outputs], [width])
        for part, own in zip("qkv", np.split(shift, 3), strict=True) if name.endswith("q") else [(name[-2:], shift)]:
            made[name[: -len(part)] + part] = Rounding.between(smooth, low, high, own)
        at += 2 + width + outputs
    return made


def _matrices(shape: Shape) -> Iterator[tuple[str, int, int]]:
    """(name, inputs, outputs)"""
    for layer in range(shape.layers):
        yield f"l{layer}.q", shape.width, 3 * shape.width
        yield f"l{layer}.fi", shape.width, shape.inner
        yield f"l{layer}.fo", shape.inner, shape.width


@cache
def _table() -> dict[str, np.ndarray]:
    with as_file(files("samespace.encode") / "rounding.npz") as path:
        if not path.is_file():
            return {}
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
