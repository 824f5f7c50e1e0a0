"""Made-up rows for the tests of the store: file f has items f-0, f-1, …, each with a vector of its own."""

from hashlib import blake2b

import numpy as np

from samespace import Space, Vectors
from samespace.index.protocol import FileRow, Index, ItemRow
from samespace.items import Locator

WORDS = ["river", "harbour", "copper", "lantern", "餐厅很好", "invoice", "silent", "glass"]


def digest(name: object) -> str:
    return blake2b(str(name).encode(), digest_size=16).hexdigest()


def vectors(space: Space, n: int, seed: int = 0) -> Vectors:
    return space.vectors(np.random.default_rng(seed).standard_normal((n, space.dim)))


def file(f: object, reading: object | None = None, **facts) -> FileRow:
    reading = f if reading is None else reading
    given = {"status": "indexed", "kind": "text", "root": "/files", **facts}
    return FileRow(
        f"/files/{f}.txt", size=5, modified=1.0, content=f"content-{reading}", reading=f"reading-{reading}", **given
    )


def items(f: object, n: int, text: str = "") -> list[ItemRow]:
    made = []
    for j in range(n):
        words = text or f"{WORDS[j % len(WORDS)]} number{j}"
        place = Locator(chars=(j, j + 1))
        made.append(
            ItemRow(f"{f}-{j}", f"reading-{f}", digest(f"{f}-{j}"), "text", "text", "body", place, words, position=j)
        )
    return made


def commit(writer, space: Space, f: object, n: int = 3, text: str = "") -> None:
    rows = items(f, n, text)
    seed = f if isinstance(f, int) else 0
    writer.commit([file(f, items=n)], rows, [row.digest for row in rows], vectors(space, n, seed))


def fill(index: Index, files: int, n: int = 3) -> None:
    """All in one commit."""
    rows = [row for f in range(files) for row in items(f, n)]
    with index.writer() as writer:
        data = vectors(index.space, len(rows))
        writer.commit([file(f, items=n) for f in range(files)], rows, [row.digest for row in rows], data)
