"""What every Index must do, checked on a new one against FlatIndex: the same rows, the same scores.

For authors of plugins: `check_index(make)` in a test, where `make(space)` gives a new, empty Index of that Space.
Raises AssertionError at the first promise broken.

Imports numpy, and FlatIndex's pyarrow.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np

from samespace.errors import IndexLockedError, SpaceMismatchError
from samespace.index.flat import FlatIndex
from samespace.index.protocol import FileRow, Index, ItemRow, Nearest, Writer
from samespace.index.snapshot import Snapshot
from samespace.items import Locator
from samespace.space import Metric, Space, Vectors

__all__ = ["check_index"]

_WORDS = [
    "harbour",
    "lantern",
    "copper",
    "餐厅",
    "很好",
    "invoice",
    "2024",
    "naïve",
    "Ärger",
    "total",
    "quiet",
    "river",
]


class Searched(Index, Protocol):
    """An Index that gives Snapshots, as all must that are to be searched by samespace."""

    def snapshot(self) -> Snapshot:
        """One consistent view."""


def check_index(
    make: Callable[[Space], Searched], *, metrics: Sequence[Metric] = ("cosine", "dot", "euclidean")
) -> None:
    """Check an implementation.

    Args:
        make: makes a new, empty Index of a Space; called several times.
        metrics: those it supports.
    """
    for metric in metrics:
        space = Space(f"contract/{metric}@1", 24, metric, blake2b(metric.encode(), digest_size=16).hexdigest())
        _check_empty(make(space))
        index, flat = make(space), FlatIndex(space)
        _fill(index, space)
        _fill(flat, space)
        _check_equal(index, flat)
        _change(index)
        _change(flat)
        _check_equal(index, flat)
        for one in (index, flat):
            with one.writer() as writer:
                writer.maintain()
        _check_equal(index, flat)
        _check_refusals(make(space), space)


def _check_empty(index: Searched) -> None:
    query = _vectors(index.space, 2, 5)
    assert len(index) == 0, "a new index has no vectors"
    assert [len(n.rows) for n in index.nearest(query, 3)] == [0, 0], "an empty index gives one empty answer a query"
    assert len(index.snapshot().words("lantern", 3).rows) == 0, "an empty index has no words"
    with index.writer() as writer:
        assert writer.missing(["b", "a", "b"]) == ["b", "a"], "missing: in order, without repeats"
        assert writer.files() == {} and writer.readings() == frozenset(), "a new index has no files"
        writer.maintain()


def _fill(index: Searched, space: Space) -> None:
    """Files in pieces, repeats inside and across commits, a copy, a failure, equal vectors under two digests."""
    vectors, digests = _vectors(space, 300, 1), _digests(300)
    vectors = vectors[[*range(150), *range(150)]]
    with index.writer() as writer:
        for first in range(0, 300, 60):
            rows = list(range(first, first + 60))
            items = [_item(i, digests[i]) for i in rows]
            before = len(index)
            repeated = [*rows, *rows[:5], *range(max(0, first - 5), first)]
            writer.commit([], items, [digests[i] for i in repeated], vectors[repeated])
            assert len(index) == before, "items without a file row are invisible"
            files = [_file(f"/a/{r}.txt", f"reading-{r}") for r in range(first // 30, first // 30 + 2)]
            writer.commit(files, [], [], space.empty())
            assert len(index) == first + 60, "each digest has one row, however often it was committed"
        failed = _file("/a/bad.txt", "reading-3", status="failed", failure="decode")
        nameless = [_item(900, "", reading="reading-name", text="a picture called lantern")]
        writer.commit([failed, _file("/b/copy.txt", "reading-0")], [], [], space.empty())
        writer.commit([_file("/b/näme ‮.jpg", "reading-name", status="name_only")], nameless, [], space.empty())
        assert writer.missing([*digests[:3], "new"]) == ["new"], "missing leaves out what has a vector"
        assert writer.files()["/a/bad.txt"] == failed, "a file row comes back as it was written"
        assert "reading-9" in writer.readings()
    paths = set(index.snapshot().items["path"].to_pylist())
    assert "/a/bad.txt" not in paths, "a failed file leads to nothing"
    assert {"/b/copy.txt", "/b/näme ‮.jpg"} <= paths, "a copy, and a file found by its name, are there"


def _change(index: Searched) -> None:
    """Remove, rename, replace."""
    with index.writer() as writer:
        moved = writer.files()["/a/1.txt"]
        writer.commit([_file("/c/moved.txt", moved.reading)], [], [], index.space.empty())
        assert writer.remove(["/a/1.txt", "/a/4.txt", "/a/4.txt", "/nowhere"]) == 2, "remove counts what was there"
        writer.commit([_file("/a/7.txt", "reading-8")], [], [], index.space.empty())
        assert "/a/4.txt" not in writer.files()


def _check_equal(index: Searched, flat: FlatIndex) -> None:
    """The same view, the same answers."""
    ours, truth = index.snapshot(), flat.snapshot()
    assert ours.digests.to_pylist() == truth.digests.to_pylist(), "vector rows: visible digests, sorted"
    assert ours.items.select(truth.items.schema.names).to_pylist() == truth.items.to_pylist(), "item rows"
    assert (ours.vector_row == truth.vector_row).all(), "vector rows of item rows"
    n = len(truth)
    query = _vectors(index.space, 5, 7).concat(truth.vectors(np.arange(3)))
    rng = np.random.default_rng(3)
    few, half, none = rng.random(n) < 0.03, rng.random(n) < 0.5, np.zeros(n, bool)
    for allowed in (None, few, half, none):
        for k in (1, 10, n, n + 50):
            for mine, right in zip(
                index.nearest(query, k, allowed=allowed), flat.nearest(query, k, allowed=allowed), strict=True
            ):
                _same(mine, right, f"nearest, k={k}, {'all' if allowed is None else allowed.sum()} allowed")
    fetched = ours.vectors(np.array([5, 0, 5])).data
    assert (fetched == truth.vectors(np.array([5, 0, 5])).data).all(), "vectors in the order asked for"
    for words in ("lantern", "餐厅", "NAÏVE total", "copy", "not-there", "", "7.txt"):
        _same(ours.words(words, 20), truth.words(words, 20), f"words {words!r}")


def _same(mine: Nearest, right: Nearest, what: str) -> None:
    assert mine.rows.tolist() == right.rows.tolist(), f"{what}: rows {mine.rows[:5]} where {right.rows[:5]} are nearest"
    assert np.allclose(mine.scores, right.scores, rtol=1e-5, atol=1e-6), f"{what}: scores are the exact ones"
    assert (np.diff(mine.scores) <= 0).all(), f"{what}: by falling score"


def _check_refusals(index: Searched, space: Space) -> None:
    """What must be refused, and leave no trace."""
    other = Space("contract/other@1", space.dim, space.metric, "0" * 32)
    _raises(SpaceMismatchError, lambda: index.nearest(_vectors(other, 1, 0), 1))
    _raises(ValueError, lambda: index.nearest(_vectors(space, 1, 0), 0))
    with index.writer() as writer:
        lost: Sequence[tuple[type[Exception], Callable[[Writer], None]]] = (
            (SpaceMismatchError, lambda w: w.commit([], [], ["x"], _vectors(other, 1, 0))),
            (ValueError, lambda w: w.commit([], [], ["x", "y"], _vectors(space, 1, 0))),
            (ValueError, lambda w: w.commit([_file("/x", "r")], [_item(0, "no vector")], [], space.empty())),
        )
        for error, act in lost:
            _raises(error, lambda act=act: act(writer))  # type: ignore[misc]
        assert writer.files() == {} and writer.missing(["x"]) == ["x"], "a refused commit leaves no trace"
        _raises(IndexLockedError, lambda: index.writer().__enter__())
    with index.writer():
        pass  # the lock was given back


def _raises(error: type[Exception], act: Callable[[], object]) -> None:
    try:
        act()
    except error:
        return
    raise AssertionError(f"{error.__name__} was to be raised")


def _vectors(space: Space, n: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, space.dim))
    return space.vectors(rows)


def _digests(n: int) -> list[str]:
    return [blake2b(str(i).encode(), digest_size=16).hexdigest() for i in range(n)]


def _item(i: int, digest: str, reading: str = "", text: str = "") -> ItemRow:
    text = text or " ".join(_WORDS[(i * j + j) % len(_WORDS)] for j in range(1, 2 + i % 5))
    place = Locator(page=i % 3 + 1, chars=(i, i + 9))
    reading = reading or f"reading-{i // 30}"
    return ItemRow(f"item-{i}", reading, digest, "text", "text", "body", place, text, position=i % 30)


def _file(path: str, reading: str, **facts: Any) -> FileRow:
    made = FileRow(path, "/" + path.split("/")[1], 7, 1.5, "content", reading, "indexed", kind="text", language="de")
    meta: dict[str, str | int | float] = {"pages": 3, "author": "Ö 'x'", "seconds": 1.25}
    return replace(replace(made, title="A title", notes=("one", "two"), meta=meta), **facts)
