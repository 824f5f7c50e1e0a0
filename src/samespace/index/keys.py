"""A set of keys that takes 16 bytes each: what a writer must know of every row, in little memory.

A key of 32 hex letters, as all digests and ids are, is its own 16 bytes; any other is hashed to as many.

Knows nothing of rows. Imports numpy, pyarrow. Letters: n keys.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa

__all__ = ["Keys"]

_RECENT = 4096  # keys that are kept apart before they are sorted in
_VALUES = np.full(256, 255, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


class Keys:
    """A set of strings that can be added to and asked, not listed. One thread may change it while others ask.

    Args:
        columns: what is in it at first.
    """

    def __init__(self, columns: Iterable["pa.Array | pa.ChunkedArray"] = ()) -> None:
        parts = [_codes(chunk) for column in columns for chunk in _chunks(column)]
        self._sorted = _sort(np.concatenate(parts)) if parts else np.zeros((0, 2), np.uint64)
        self._recent: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._has(_code(key))

    def have(self, column: "pa.Array | pa.ChunkedArray") -> np.ndarray:
        """(n,) bool: which keys of a column are in it."""
        codes = np.concatenate([_codes(chunk) for chunk in _chunks(column)] or [np.zeros((0, 2), np.uint64)])
        at = np.searchsorted(self._sorted[:, 0], codes[:, 0])
        sure = at < len(self._sorted)
        sure[sure] = (self._sorted[at[sure]] == codes[sure]).all(axis=1)
        for i in np.flatnonzero(~sure):  # not there, put in lately, or behind one with the same first half
            sure[i] = self._has(codes[i].astype(">u8").tobytes())
        return sure

    def add(self, keys: Iterable[str]) -> None:
        """Put keys in; those that are there stay."""
        self._recent.update(code for code in map(_code, keys) if not self._has(code))
        if len(self._recent) > max(_RECENT, len(self._sorted) // 8):
            new = np.frombuffer(b"".join(self._recent), ">u8").reshape(-1, 2).astype(np.uint64)
            self._sorted = _sort(np.concatenate([self._sorted, new]))
            self._recent.clear()

    def discard(self, keys: Iterable[str]) -> None:
        """Take keys out; those that are not there are passed over."""
        keep = np.ones(len(self._sorted), bool)
        for code in map(_code, keys):
            self._recent.discard(code)
            at = self._find(code)
            if at >= 0:
                keep[at] = False
        self._sorted = self._sorted[keep]

    def _has(self, code: bytes) -> bool:
        return code in self._recent or self._find(code) >= 0

    def _find(self, code: bytes) -> int:
        """Where a key stands among the sorted ones; -1 = nowhere."""
        first, second = int.from_bytes(code[:8]), int.from_bytes(code[8:])
        codes = self._sorted
        at = int(np.searchsorted(codes[:, 0], np.uint64(first)))
        while at < len(codes) and codes[at, 0] == first:
            if codes[at, 1] == second:
                return at
            at += 1
        return -1


def _code(key: str) -> bytes:
    """The 16 bytes of one key."""
    if len(key) == 32:
        try:
            made = bytes.fromhex(key)
        except ValueError:
            made = b""
        if made.hex() == key:
            return made
    # Another hash than that of ids and digests: else the words "3" and the digest of "3" were one key.
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, person=b"keys").digest()


def _codes(column: pa.Array) -> np.ndarray:
    """(n, 2) uint64, the 16 bytes of each key as two numbers."""
    raw = _letters(column)
    if raw is not None:
        values = _VALUES[raw]
        if (values < 16).all():
            packed: np.ndarray = (values[:, ::2] << 4) | values[:, 1::2]
            return packed.view(">u8").astype(np.uint64)
    codes = b"".join(_code(key) for key in column.to_pylist())
    return np.frombuffer(codes, ">u8").reshape(-1, 2).astype(np.uint64)


def _letters(column: pa.Array) -> np.ndarray | None:
    """(n, 32) the letters of keys that all have 32; None = they have not."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    if not len(column) or (np.diff(offsets) != 32).any():
        return None
    return np.frombuffer(column.buffers()[2], np.uint8, 32 * len(column), int(offsets[0])).reshape(-1, 32)


def _sort(codes: np.ndarray) -> np.ndarray:
    """By the first number, then by the second, each key once."""
    codes = codes[np.lexsort((codes[:, 1], codes[:, 0]))]
    new = np.ones(len(codes), bool)
    new[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    return codes[new]


def _chunks(column: "pa.Array | pa.ChunkedArray") -> Iterator[pa.Array]:
    yield from column.chunks if isinstance(column, pa.ChunkedArray) else [column]
