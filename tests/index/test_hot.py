"""The hot index: what it may miss is measured, what it gives is exact, and it keeps up with its index."""

import builtins

import made_rows as made
import numpy as np
import pyarrow as pa
import pytest

from samespace import Space, SpaceMismatchError, Vectors
from samespace.errors import MissingExtraError
from samespace.index import hot
from samespace.index.exact import Exact
from samespace.index.flat import FlatIndex
from samespace.index.hot import Cells, Hot, HotIndex
from samespace.index.lance import LanceIndex
from samespace.index.ram import Ram
from samespace.index.recall import shared

pytest.importorskip("faiss")
METRICS = ["cosine", "dot", "euclidean"]


def clustered(space: Space, n: int, seed: int = 0) -> np.ndarray:
    """Rows in heaps, with a common part and lengths of their own."""
    rng = np.random.default_rng(seed)
    heaps = rng.standard_normal((60, space.dim)) + 2
    rows = heaps[rng.integers(0, 60, n)] + 0.7 * rng.standard_normal((n, space.dim))
    return space.vectors(rows * rng.uniform(0.8, 1.2, (n, 1))).data.astype(np.float32)


def near(exact: Ram, n: int) -> Vectors:
    """Queries about as far from the rows as these are from each other."""
    rng = np.random.default_rng(5)
    return exact.space.vectors(exact.data[rng.integers(0, len(exact.data), n)] + rng.standard_normal((n, 24)))


def names(n: int) -> pa.Array:
    return pa.array([f"{i:05d}" for i in range(n)])


@pytest.fixture(params=METRICS)
def exact(request) -> Ram:
    space = Space("t/hot@1", 24, request.param)
    return Ram(clustered(space, 1500), space)


def test_it_finds_what_it_says_and_scores_exactly(exact):
    cells = Cells.of(names(1500), exact, recall=0.9)
    queries = near(exact, 200)
    found = Hot(exact, cells, np.arange(1500)).nearest(queries, 10)
    truth = Exact(exact.data, exact.space).nearest(queries, 10)
    assert cells.recall >= 0.9 and cells.probes < cells.index.nlist
    assert shared(found, truth) > 0.7  # chance: .003; of other queries than those it was measured with
    for mine, right in zip(found, truth, strict=True):
        assert len(mine.rows) == 10 and (np.diff(mine.scores) <= 0).all()
        same = np.flatnonzero(np.isin(mine.rows, right.rows))
        theirs = dict(zip(right.rows.tolist(), right.scores.tolist(), strict=True))
        assert [theirs[r] for r in mine.rows[same].tolist()] == mine.scores[same].tolist()


def test_it_looks_further_until_it_finds_enough(exact):
    little, much = (Cells.of(names(1500), exact, recall=r) for r in (0.3, 0.999))
    assert little.probes < much.probes and little.recall < much.recall
    assert much.recall >= 0.999
    assert Cells.of(names(1500), exact, recall=2.0).probes == much.index.nlist  # no more can be done


def test_more_rows_are_looked_for_in_more_cells(exact):
    cells = Cells.of(names(1500), exact, recall=0.7)
    finder, queries = Hot(exact, cells, np.arange(1500)), near(exact, 100)
    few, many = (shared(finder.nearest(queries, k), exact.nearest(queries, k)) for k in (10, 100))
    assert many > few - 0.15


def test_rows_that_came_are_found_and_rows_that_went_are_not(exact):
    cells = Cells.of(names(1500), exact, recall=2.0)  # all cells: nothing but int8 is lost
    kept = np.flatnonzero(np.arange(1500) % 3 > 0)
    data = np.concatenate([exact.data[kept], clustered(exact.space, 40, seed=9)])
    rows = np.full(1500, -1)
    rows[kept] = np.arange(len(kept))
    new = Hot(Ram(data, exact.space), cells, rows)
    queries = exact.space.vectors(np.concatenate([data[-40:], exact.data[:30]]))
    found, truth = new.nearest(queries, 10), Exact(data, exact.space).nearest(queries, 10)
    assert shared(found, truth) > 0.98
    assert shared(new.nearest(queries, 10, allowed=np.arange(len(data)) < 450), truth) < 0.9  # it can be told
    assert any(len(kept) <= row for one in found[:40] for row in one.rows)


def test_filters_and_great_ks_are_exact(exact):
    cells = Cells.of(names(1500), exact, recall=0.3)
    lossy, oracle = Hot(exact, cells, np.arange(1500)), Exact(exact.data, exact.space)
    queries = exact.space.vectors(clustered(exact.space, 20, seed=3))
    allowed = np.random.default_rng(0).random(1500) < 0.4
    for k, mask in ((10, allowed), (101, None), (1500, None), (4000, None), (5, ~allowed & False)):
        for mine, right in zip(
            lossy.nearest(queries, k, allowed=mask), oracle.nearest(queries, k, allowed=mask), strict=True
        ):
            assert mine.rows.tolist() == right.rows.tolist() and mine.scores.tobytes() == right.scores.tobytes()
    assert shared(lossy.nearest(queries, 10), oracle.nearest(queries, 10)) < 1  # so the above says something
    with pytest.raises(ValueError, match="at least 1"):
        lossy.nearest(queries, 0)
    with pytest.raises(SpaceMismatchError):
        lossy.nearest(Space("t/other@1", 24).vectors(np.ones(24)), 3)


def test_where_cells_give_too_little_all_rows_are_asked(exact):
    cells = Cells.of(names(1500), exact, recall=0.3)
    gone = np.full(1500, -1)
    gone[1490:] = np.arange(10)
    left = exact.data[1490:]
    found = Hot(Ram(left, exact.space), cells, gone).nearest(exact.space.vectors(left[:3]), 8)
    truth = Exact(left, exact.space).nearest(exact.space.vectors(left[:3]), 8)
    assert [f.rows.tolist() for f in found] == [t.rows.tolist() for t in truth]


def test_the_copy_follows_its_index(red, tmp_path, monkeypatch):
    monkeypatch.setattr(hot, "_WORTH", 200)
    index = LanceIndex.create(tmp_path / "i", red, model="none")
    made.fill(index, 40, 10)
    served = HotIndex(index)
    assert isinstance(served.snapshot().finder, Ram)  # until the copy is there
    cells = served.wait()
    assert cells is not None and len(cells.data) == 400
    view = served.snapshot()
    assert isinstance(view.finder, Hot) and served.snapshot() is view
    assert served.space == index.space and served.uri == index.uri
    with index.writer() as writer:
        made.commit(writer, red, "new", 5)
    view = served.snapshot()
    assert isinstance(view.finder, Hot) and len(view.finder.fresh) == 5 and view.finder.cells is cells
    row = view.digests.to_pylist().index(made.digest("new-3"))
    assert view.nearest(view.vectors(np.array([row])), 1)[0].rows.tolist() == [row]
    with index.writer() as writer:
        made.commit(writer, red, "many", 60)
    assert len(served.snapshot()) == 465
    again = served.wait()
    assert again is not cells and len(again.data) == 465
    assert len(served.snapshot().finder.fresh) == 0


def test_a_small_index_is_left_as_it_is(red):
    index = FlatIndex(red)
    made.fill(index, 3)
    served = HotIndex(index)
    assert served.snapshot() is index.snapshot() and served.wait() is None


def test_without_faiss_it_says_what_to_install(exact, red, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="pip install 'samespace\\[fast\\]'"):
        Cells.of(names(1500), exact)
    with pytest.raises(MissingExtraError, match="pip install 'samespace\\[fast\\]'"):
        HotIndex(FlatIndex(red))  # at once, not in a thread
