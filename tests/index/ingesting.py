"""Encoders for ingest tests: the real one without a model, that also remembers what it was asked, or refuses."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from samespace.encode.hashing import Hashing
from samespace.items import Item, Text

POISON = "poison"


class Recording:
    """Hashing that keeps the texts it encoded, may refuse those with POISON, and may do something at each call."""

    def __init__(self, inner: Hashing, *, at_call=lambda texts: None) -> None:
        self.inner, self.space, self.modalities = inner, inner.space, inner.modalities
        self.texts: list[str] = []
        self._at_call = at_call
        self.threads: set[int] = set()

    def encode(self, items: Sequence[Item], *, role="document"):
        self.threads.add(threading.get_ident())
        assert all(isinstance(item, Text) for item in items)
        texts = [item.text for item in items]
        self._at_call(texts)
        if any(POISON in text for text in texts):
            raise RuntimeError("the model stumbled over a passage")
        self.texts += texts
        return self.inner.encode(items, role=role)


def every_vector_is_its_own(index, encoder: Hashing) -> int:
    """Assert that each item's vector is that of its own words; returns how many there are."""
    snapshot = index.snapshot()
    texts, rows = snapshot.items["text"].to_pylist(), snapshot.vector_row
    with_vector = np.flatnonzero(rows >= 0)
    if len(with_vector):
        stored = snapshot.vectors(rows[with_vector]).data
        fresh = encoder.encode([Text(texts[i]) for i in with_vector]).data
        np.testing.assert_allclose(stored, fresh, atol=1e-6)
    return len(with_vector)


def words(number: int, sentences: int = 3) -> str:
    """Text that no other number gives."""
    draw = [hashlib.sha256(f"{number}/{i}".encode()).hexdigest() for i in range(sentences)]
    return " ".join(f"The note {d[:9]} speaks of {d[9:17]} and of {d[17:26]} at length." for d in draw)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
