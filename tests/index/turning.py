"""Encoders for the tests of moving an index: words hashed, and the same turned by a rotation, in a Space of its own."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from samespace import Space, Text
from samespace.encode.hashing import load
from samespace.index.lance import LanceIndex
from samespace.index.protocol import FileRow, ItemRow
from samespace.items import Item, Locator

WORDS = [f"{first}{last}" for first in ("river", "copper", "winter", "violin", "hammer") for last in "abcdefg"]


class Turned:
    """Hashing, turned: what is near stays near, and every coordinate differs. Remembers what it was asked.

    With `noise` it differs by more than a rotation, and no translation is exact.
    """

    def __init__(self, dim: int = 32, seed: int = 1, at_call=lambda items: None, noise: float = 0.0) -> None:
        self.inner, self.noise = load(str(dim)), noise
        self.turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]
        self.space = Space(f"test/turned-{seed}@1", dim, fingerprint=f"{seed:02x}" * 16)
        self.modalities = frozenset({"text"})
        self.asked: list[str] = []
        self._at_call = at_call
        self._lock = threading.Lock()

    def encode(self, items: Sequence[Item], *, role="document"):
        self._at_call(items)
        with self._lock:
            self.asked += [item.text for item in items if role == "document"]
        made = self.inner.encode(items, role=role).data @ self.turn
        for row, item in zip(made, items, strict=True):
            row += (
                self.noise * np.random.default_rng(list(item.text.encode())).standard_normal(len(row)) / len(row) ** 0.5
            )
        return self.space.vectors(made)


def text(number: int) -> str:
    """Words that no other number has together."""
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(WORDS, 9).tolist()) + f" x{number}"


def commit(index: LanceIndex, encoder, numbers: Sequence[int]) -> None:
    """One file a number, each with one passage."""
    texts = [Text(text(n), Locator(chars=(0, 9))) for n in numbers]
    files = [
        FileRow(f"/notes/{n}.txt", "/notes", 9, 1.0, f"content-{n}", f"reading-{n}", "indexed", "text", items=1)
        for n in numbers
    ]
    rows = [
        ItemRow(f"item-{n}", f"reading-{n}", t.digest(), "text", "text", "body", t.locator, t.text)
        for n, t in zip(numbers, texts, strict=True)
    ]
    with index.writer(wait=30) as writer:
        writer.commit(files, rows, [t.digest() for t in texts], encoder.encode(texts))


def made(place: Path, rows: int = 120, dim: int = 32) -> tuple[LanceIndex, object]:
    """An index of so many passages, and its encoder."""
    encoder = load(str(dim))
    index = LanceIndex.create(place, encoder.space, f"hashing:{dim}")
    commit(index, encoder, range(rows))
    return index, encoder
