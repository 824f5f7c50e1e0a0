"""Words by number: an Arrow array that is searched where it lies, also in a file that is mapped into memory.

Imports numpy and pyarrow. Letters: v words.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

__all__ = ["Vocabulary", "packed", "unpacked"]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words (v,) in the order of their bytes; a word's number is its place."""

    words: pa.StringArray

    def __len__(self) -> int:
        return len(self.words)

    def get(self, word: str) -> int | None:
        """The number of a word, None if it is not there."""
        try:
            key = word.encode()
        except UnicodeEncodeError:
            return None
        at = bisect_left(range(len(self.words)), key, key=self._bytes)
        return at if at < len(self.words) and self._bytes(at) == key else None

    def _bytes(self, at: int) -> bytes:
        offsets, text = self._parts
        return text[offsets[at] : offsets[at + 1]].tobytes()

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        return packed(self.words)


def packed(words: "pa.StringArray | pa.ChunkedArray") -> tuple[np.ndarray, np.ndarray]:
    """Where each word begins, (v + 1,) int32, and their bytes one after another."""
    words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
    if not len(words):
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    _, places, data = words.buffers()
    offsets = np.frombuffer(places, np.int32, len(words) + 1, offset=4 * words.offset)
    text = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return offsets - offsets[0], text[offsets[0] : offsets[-1]]


def unpacked(offsets: np.ndarray, text: np.ndarray) -> pa.StringArray:
    """Back to an Arrow array, over the same memory."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets, np.int32)), pa.py_buffer(np.ascontiguousarray(text))]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
