"""A BERT encoder whose weights stay at 4 bits: the file format E5S1 read by memory-map, and its forward pass in numpy.

Weights are unfolded one matrix at a time, while it is used: 27 ms for all of them, less than it costs to bring 85 MB of
float32 into memory. So the first vector comes 0.2 s after the start of the process, and no framework is loaded for it.
Texts of a batch are laid end to end, not padded, and attention runs over groups of equal length: a text gives the same
vector alone and in a batch.

Layout (little-endian): notes in docs/models.md. Knows nothing of prompts, Spaces or items.
Imports numpy only. Letters: n texts, t tokens of all texts, w model width, b blocks.
"""

import gc
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from samespace.encode.unigram import Unigram
from samespace.errors import WeightsError

__all__ = ["Q4Bert", "Shape"]

_BLOCK = 32  # weights that share a scale
_BLOCK_BYTES = 18
_GELU_ROWS = 64  # rows of the inner width that stay in the cache together


@dataclass(frozen=True)
class Shape:
    """Sizes of the network, in the order of the file."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


class Q4Bert:
    """The network and its tokenizer, over a file that is never wholly in memory."""

    def __init__(self, path: Path) -> None:
        try:
            self._data = np.memmap(path, np.uint8, "r")
            cursor = _Cursor(self._data)
            self.shape = _shape(cursor)
            self.tokenizer = _tokenizer(cursor)
            self._tensors = dict(_tensors(cursor, self._data))
        except (struct.error, ValueError, IndexError) as err:
            raise WeightsError(f"{path} is not a file of 4-bit E5 weights ({err})", "Install it again.") from err
        self._positions = self._plain("emb.pos").reshape(-1, self.shape.width)
        self._type = self._plain("emb.type")[: self.shape.width]

    def forward(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Mean of the last hidden states of each text.

        Args:
            ids: (n) texts of token ids, equal lengths next to each other, none longer than `shape.positions`.

        Returns:
            (n, w) float32, not normalised.
        """
        lengths = [len(text) for text in ids]
        hidden = self.embed(ids)
        groups = [(length, len(list(same))) for length, same in groupby(lengths)]
        for layer in range(self.shape.layers):
            hidden = self._layer(hidden, groups, f"l{layer}.")
        starts = np.cumsum([0, *lengths[:-1]])
        means: np.ndarray = np.add.reduceat(hidden, starts, axis=0) / np.asarray(lengths, np.float32)[:, None]
        return means

    def embed(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """What goes into the first layer: (t, w) float32, all texts end to end."""
        flat = np.concatenate([np.asarray(text, np.int64) for text in ids])
        blocks = self._tensors["emb.word"].reshape(self.shape.vocabulary, -1)
        words = _unfold(np.ascontiguousarray(blocks[flat]).reshape(-1)).reshape(len(flat), -1)
        places = np.concatenate([np.arange(len(text)) for text in ids])
        return self._norm(words + self._positions[places] + self._type, "emb.ln")

    def matrix(self, name: str) -> np.ndarray:
        """A weight matrix (out, in) as float32, unfolded afresh; names: l{layer}. + q k v ao fi fo + .w."""
        inputs = self.shape.inner if name.endswith("fo.w") else self.shape.width
        return _unfold(self._tensors[name]).reshape(-1, inputs)

    def vector(self, name: str) -> np.ndarray:
        """A bias or a scale, as float32; names: .b of the above, and l{layer}. + aln oln + .w .b."""
        return self._plain(name)

    def _plain(self, name: str) -> np.ndarray:
        return self._tensors[name].view("<f4")

    def _layer(self, hidden: np.ndarray, groups: list[tuple[int, int]], at: str) -> np.ndarray:
        query, key, value = (self._linear(hidden, at + part) for part in "qkv")
        context = self._attend(query, key, value, groups)
        hidden = self._norm(hidden + self._linear(context, at + "ao"), at + "aln")
        inner = self._linear(hidden, at + "fi")
        for start in range(0, len(inner), _GELU_ROWS):
            _gelu(inner[start : start + _GELU_ROWS])
        return self._norm(hidden + self._linear(inner, at + "fo"), at + "oln")

    def _linear(self, hidden: np.ndarray, name: str) -> np.ndarray:
        made: np.ndarray = hidden @ self.matrix(name + ".w").T
        made += self._plain(name + ".b")
        return made

    def _attend(
        self, query: np.ndarray, key: np.ndarray, value: np.ndarray, groups: list[tuple[int, int]]
    ) -> np.ndarray:
        """Softmax attention inside each text; groups are (length, texts) in order."""
        made = np.empty_like(query)
        heads, size = self.shape.heads, self.shape.width // self.shape.heads
        start = 0
        for length, count in groups:
            rows = slice(start, start + length * count)
            start = rows.stop
            q, k, v = (x[rows].reshape(count, length, heads, size).swapaxes(1, 2) for x in (query, key, value))
            scores = q @ k.swapaxes(2, 3)
            scores *= np.float32(size**-0.5)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            made[rows] = (scores @ v).swapaxes(1, 2).reshape(length * count, -1)
        return made

    def _norm(self, hidden: np.ndarray, name: str) -> np.ndarray:
        hidden -= hidden.mean(axis=-1, keepdims=True)
        variance = np.einsum("tw,tw->t", hidden, hidden)[:, None] / np.float32(hidden.shape[1])
        hidden *= 1.0 / np.sqrt(variance + np.float32(self.shape.epsilon))
        hidden *= self._plain(name + ".w")
        hidden += self._plain(name + ".b")
        return hidden


class _Cursor:
    """Reads the head of the file from front to back."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self.raw(size).tobytes())

    def raw(self, size: int) -> np.ndarray:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("it ends too early")
        self.at += size
        return self.data[self.at - size : self.at]


def _shape(cursor: _Cursor) -> Shape:
    if cursor.raw(4).tobytes() != b"E5S1":
        raise ValueError("it does not begin with E5S1")
    version, *sizes = cursor.take("I7i")
    (epsilon,) = cursor.take("f")
    (block,) = cursor.take("i")
    if version != 1 or block != _BLOCK:
        raise ValueError(f"version {version} with blocks of {block}; version 1 with {_BLOCK} is known")
    width, layers, heads, inner, vocabulary, positions, types = sizes
    return Shape(width, layers, heads, inner, vocabulary, positions, types, epsilon)


def _tokenizer(cursor: _Cursor) -> Unigram:
    count, bos, eos, pad, unknown = cursor.take("5i")
    (size,) = cursor.take("Q")
    offsets = cursor.raw(4 * (count + 1)).view("<u4")
    scores = cursor.raw(4 * count).view("<f4").tolist()
    blob, borders = cursor.raw(size).tobytes(), offsets.tolist()
    was_on = gc.isenabled()
    gc.disable()  # a quarter of a million pieces, none of them garbage
    try:
        listed = [blob[a:b] for a, b in pairwise(borders)]
        pieces = dict(zip(listed, range(count), strict=True))
    finally:
        if was_on:
            gc.enable()
    for control in (listed[bos], listed[eos], listed[pad], listed[unknown], b"<mask>"):
        pieces.pop(control, None)
    return Unigram(pieces, scores, dict(_replacements(cursor)), bos, eos, unknown)


def _replacements(cursor: _Cursor) -> Iterator[tuple[int, str]]:
    entries, size = cursor.take("iI")
    raw, at = cursor.raw(size).tobytes(), 0
    for _ in range(entries):
        point, count = struct.unpack_from("<IB", raw, at)
        yield point, "".join(map(chr, struct.unpack_from(f"<{count}I", raw, at + 5)))
        at += 5 + 4 * count


def _tensors(cursor: _Cursor, data: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for _ in range(cursor.take("i")[0]):
        (length,) = cursor.take("H")
        name = cursor.raw(length).tobytes().decode("ascii")
        _, _, offset, size = cursor.take("BIQQ")
        if offset + size > len(data):
            raise ValueError(f"it ends before {name}")
        yield name, data[offset : offset + size]


def _unfold(packed: np.ndarray) -> np.ndarray:
    """Blocks of 18 bytes → (b, 32) float32: f16 scale; 16 low, 16 high nibbles, each less 8, times the scale."""
    blocks = packed.reshape(-1, _BLOCK_BYTES)
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    nibbles = np.empty((len(blocks), 2, _BLOCK // 2), np.uint8)
    np.bitwise_and(blocks[:, 2:], 15, out=nibbles[:, 0])
    np.right_shift(blocks[:, 2:], 4, out=nibbles[:, 1])
    weights = (nibbles.view(np.int8).reshape(-1, _BLOCK) - np.int8(8)).astype(np.float32)
    weights *= scale
    return weights


def _gelu(x: np.ndarray) -> None:
    """In place, x := x/2 (1 + erf(x/√2)), erf by a rational function, within 2e-7 (the one of Eigen and XLA)."""
    z = np.clip(x * np.float32(2**-0.5), -4, 4)
    square = z * z
    top = np.full_like(z, -2.72614225801306e-10)
    for factor in (2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
                   -2.95459980854025e-03, -1.60960333262415e-02):  # fmt: skip
        top *= square
        top += np.float32(factor)
    bottom = np.full_like(z, -1.45660718464996e-05)
    for factor in (-2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02):
        bottom *= square
        bottom += np.float32(factor)
    top *= z
    top /= bottom
    top += 1
    x *= top
    x *= np.float32(0.5)
