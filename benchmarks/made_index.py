"""Large indexes for measuring: real passages taken apart and put together, vectors interpolated between real ones.

Some hundred real passages in several languages are encoded. Each made passage joins sentences of two of them, and its
vector lies between theirs, with noise that keeps it apart from others of the same two. So words, writings, lengths and
neighbourhoods are like real ones at a cost of microseconds each. It is written by the index's own writer, in commits:
a true index of its model, which `samespace search` opens.

Not evidence about how well anything is found. Letters: n passages, d width.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as pq

from samespace.encode.protocol import Encoder
from samespace.index.lance import LanceIndex
from samespace.index.protocol import FileRow, ItemRow
from samespace.items import Locator, Text
from samespace.space import Space, Vectors

__all__ = ["Seeds", "build", "seeds"]

_NOISE = 0.35  # length of the noise on a unit vector; two interpolations of one pair keep a cosine of about .9
_FOLDERS = 200


@dataclass(frozen=True)
class Seeds:
    """Real passages and their vectors (n, d); titles beside them."""

    titles: list[str]
    texts: list[str]
    vectors: Vectors


def seeds(data: Path, encoder: Encoder, count: int = 400) -> Seeds:
    """Encode an even choice of the shared passages."""
    pairs = _passages(data)
    step = len(pairs) / count
    chosen = [pairs[int(i * step)] for i in range(min(count, len(pairs)))]
    texts = [text for _, text in chosen]
    return Seeds([title for title, _ in chosen], texts, encoder.encode([Text(t) for t in texts], role="document"))


def build(
    place: Path,
    kept: Seeds,
    model: str,
    *,
    items: int,
    files: int | None = None,
    batch: int = 4096,
    start: int = 0,
    maintain: bool = True,
) -> LanceIndex:
    """Write an index of so many items in so many files (None = one file each) and maintain it.

    `start`: number of the first item, to add to an index that is there without repeating anything.
    """
    index = LanceIndex.create(place, kept.vectors.space, model)
    each = max(1, items // (files or items))
    with index.writer() as writer:
        for first in range(start, start + items, batch):
            numbers = range(first, min(first + batch, start + items))
            made = list(_items(kept, numbers, each))
            vectors = _vectors(kept, numbers)
            writer.commit(list(_files(kept, numbers, each)), made, [row.digest for row in made], vectors)
        if maintain:
            writer.maintain()
    return index


def _passages(data: Path) -> list[tuple[str, str]]:
    """Title and text, from an encyclopedia, abstracts and picture books in many languages."""
    found = []
    for name in ("wiki_passages", "cranfield_retrieval"):
        table = pq.read_table(data / name / "corpus.parquet", columns=["title", "text"]).to_pylist()
        found += [(row["title"], row["text"]) for row in table]
    books = pq.read_table(data / "storybook_pages" / "manifest.parquet", columns=["story", "texts"]).to_pylist()
    for i, row in enumerate(books):
        told = list(json.loads(row["texts"]).values())
        found += [(f"story {row['story']}", told[i % len(told)])] if told else []
    return [(title, text) for title, text in found if len(text.split()) > 4]


def _pair(kept: Seeds, number: int) -> tuple[int, int, Random]:
    """The two passages that item `number` is made of, and its own source of chance."""
    chance = Random(number)
    return chance.randrange(len(kept.texts)), chance.randrange(len(kept.texts)), chance


def _text(kept: Seeds, number: int) -> str:
    one, two, chance = _pair(kept, number)
    left, right = kept.texts[one].split(". "), kept.texts[two].split(". ")
    a, b = chance.randrange(len(left)), chance.randrange(len(right))
    return ". ".join([*left[a : a + 3], *right[b : b + 2], f"No {number}"])


def _items(kept: Seeds, numbers: range, each: int) -> Iterator[ItemRow]:
    for number in numbers:
        text = _text(kept, number)
        digest = blake2b(f"{number} {text}".encode(), digest_size=16).hexdigest()
        place = Locator(chars=(0, len(text)))
        reading = f"{number // each:032x}"
        yield ItemRow(
            f"{reading}-{number % each}", reading, digest, "text", "text", "body", place, text, "en",
            position=number % each,
        )  # fmt: skip


def _files(kept: Seeds, numbers: range, each: int) -> Iterator[FileRow]:
    """Rows of the files whose last item is among these."""
    for number in range(numbers.start // each, -(-numbers.stop // each)):
        title = kept.titles[_pair(kept, number * each)[0]]
        name = "".join(c if c.isalnum() else "-" for c in title)[:60]
        yield FileRow(
            f"/made/{number % _FOLDERS:03d}/{name}-{number}.txt", "/made", size=1000 + number % 9000,
            modified=1.7e9 + number, content=f"{number:064x}", reading=f"{number:032x}", status="indexed", kind="text",
            mime="text/plain", reader="text", title=title, language="en", meta={"author": f"author {number % 50}"},
            items=each,
        )  # fmt: skip


def _vectors(kept: Seeds, numbers: range) -> Vectors:
    """(len(numbers), d): between the two real ones, with noise of the real ones' own spread in each direction."""
    space: Space = kept.vectors.space
    data = kept.vectors.data.astype(np.float32)
    pairs = np.array([_pair(kept, number)[:2] for number in numbers])
    chance = np.random.default_rng(numbers.start)
    share = chance.uniform(0.5, 0.9, (len(pairs), 1)).astype(np.float32)
    between = share * data[pairs[:, 0]] + (1 - share) * data[pairs[:, 1]]
    spread = data.std(axis=0)
    noise = chance.standard_normal(between.shape, np.float32) * spread
    return space.vectors(between + _NOISE * noise)
