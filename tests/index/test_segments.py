"""A search index that several workers build finds what one that was built in one go finds."""

from pathlib import Path

import made_rows as rows
import numpy as np
import pytest

from samespace import Space
from samespace.index import segments
from samespace.index.disk import Disk
from samespace.index.durable import Durable
from samespace.index.executor import Loop, Spawned
from samespace.index.lance import LanceIndex
from samespace.index.recall import recall_at_k
from samespace.index.search_indexes import whole
from samespace.index.segments import spread
from samespace.index.upkeep import Upkeep

FILES, EACH = 20, 400


class Two(Loop):
    """A loop that says it is two."""

    workers = 2

    def __init__(self) -> None:
        self.jobs = []

    def run(self, work, jobs):
        self.jobs += (jobs := list(jobs))
        return super().run(work, jobs)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanceIndex:
    """An index in four fragments."""
    monkeypatch.setattr(segments, "_ROWS", 500)
    space = Space("t/x@1", 32, "cosine", "ab" * 16)
    made = LanceIndex.create(tmp_path / "i", space, "m")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((50, 32))
    with made.writer() as writer:
        for part in range(4):
            files = range(part * FILES // 4, (part + 1) * FILES // 4)
            items = [row for f in files for row in rows.items(f, EACH)]
            data = centres[rng.integers(0, 50, len(items))] + 0.6 * rng.standard_normal((len(items), 32))
            files = [rows.file(f, items=EACH) for f in files]
            writer.commit(files, items, [r.digest for r in items], space.vectors(data))
    return made


def built(index: LanceIndex, executor, **limits: int) -> None:
    upkeep = Upkeep(index._tables, Durable(Path(index.uri)))
    upkeep.__dict__.update({"ram_rows": 10, "word_rows": 10} | limits)
    upkeep.run(spread(executor))
    index.ram_rows, index.word_rows, index._held = 10, 10, None


def test_neighbours_and_words_are_found_in_parts(index, monkeypatch):
    exact = index.snapshot()
    before = exact.words("copper", 10)
    executor = Two()
    built(index, executor)
    assert sorted(map(sorted, executor.jobs)) == [[0, 2], [0, 2], [1, 3], [1, 3]]
    view = index.snapshot()
    assert isinstance(view.finder, Disk)
    for table, name in ((view.finder.table, "vector"), (index._tables.open_table("items"), "terms")):
        (made,) = [i for i in table.describe_indices() if i.name == name]
        assert made.num_rows_indexed == FILES * EACH
        assert len(made.segments) == 1  # each would cost every search
    assert recall_at_k(view, 10, queries=20).recall > 0.95
    after = view.words("copper", 10)
    np.testing.assert_allclose(after.scores, before.scores, rtol=1e-4)


def test_few_rows_are_indexed_in_one_go(index, monkeypatch):
    monkeypatch.setattr(segments, "_ROWS", 5000)
    executor = Two()
    built(index, executor)
    assert executor.jobs == []
    assert index._tables.open_table("items").stats.index_stats("terms")["num_unindexed_rows"] == 0


def test_groups_are_of_about_as_many_rows(index):
    table = index._tables.open_table("items")
    assert segments._groups(table, [0, 1, 2, 3], 2) == [[0, 2], [1, 3]]
    assert segments._groups(table, [1, 3], 9) == [[1], [3]]
    assert segments._groups(table, [2], 9) == [[2]]


@pytest.mark.slow
def test_other_processes_build_it(index):
    built(index, Spawned(2))
    view = index.snapshot()
    assert view.finder.table.stats.index_stats("vector")["num_unindexed_rows"] == 0
    assert recall_at_k(view, 10, queries=20).recall > 0.95


def test_a_worker_that_dies_leaves_the_rows_as_they_were(index):
    class Dying(Two):
        def run(self, work, jobs):
            results = super().run(work, jobs)
            next(results)
            raise KeyboardInterrupt

    before = index.snapshot()
    with pytest.raises(KeyboardInterrupt):
        built(index, Dying())
    assert not index._tables.open_table("items").describe_indices()
    after = index.snapshot()
    assert after.items.equals(before.items)
    built(index, Loop())  # one worker: in one go
    assert index._tables.open_table("items").describe_indices()


def test_the_whole_is_one_segment_that_nobody_names(index):
    table = index._tables.open_table("items")
    made = whole(table, "terms", [0, 1], {"index_type": "INVERTED", "base_tokenizer": "whitespace"})
    assert set(made.fragment_ids) == {0, 1}
    assert not index._tables.open_table("items").describe_indices()
