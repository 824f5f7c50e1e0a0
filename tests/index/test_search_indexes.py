"""Lance's search indexes: on the disk before they are named, in few segments, thrown away when they are damaged."""

from pathlib import Path

import lance
import made_rows as rows
import numpy as np
import pytest

from samespace import Space
from samespace.index.durable import Durable
from samespace.index.lance import LanceIndex
from samespace.index.search_indexes import SearchIndexes
from samespace.index.upkeep import Upkeep

SPACE = Space("t/x@1", 16, "cosine", "ab" * 16)
VECTORS = f"vec_{'ab' * 6}"


@pytest.fixture
def index(tmp_path: Path) -> LanceIndex:
    made = LanceIndex.create(tmp_path / "i", SPACE, "m")
    grow(made, 0, 600)
    return made


def grow(index: LanceIndex, f: int, n: int) -> None:
    with index.writer() as writer:
        rows.commit(writer, SPACE, f, n)


def keep(index: LanceIndex) -> Upkeep:
    """Maintenance of an index that is searched through Lance whatever its size."""
    made = Upkeep(index._tables, Durable(Path(index.uri)))
    made.ram_rows = made.word_rows = 1
    made.run()
    return made


def segments(index: LanceIndex, table: str, name: str) -> list[set[int]]:
    made = lance.dataset(str(Path(index.uri) / f"{table}.lance"))
    return [set(s.fragment_ids) for i in made.describe_indices() if i.name == name for s in i.segments]


def fragments(index: LanceIndex, table: str) -> set[int]:
    return {f.fragment_id for f in lance.dataset(str(Path(index.uri) / f"{table}.lance")).get_fragments()}


@pytest.mark.slow
@pytest.mark.parametrize(("table", "name"), [("items", "terms"), (VECTORS, "vector")])
def test_few_new_rows_wait_more_get_a_segment_and_many_a_new_start(index, table, name):
    keep(index)
    assert segments(index, table, name) == [fragments(index, table)]
    grow(index, 1, 30)  # less than a tenth
    keep(index)
    assert segments(index, table, name) == [{0}] and len(fragments(index, table)) == 2
    grow(index, 2, 100)
    keep(index)
    assert segments(index, table, name) == [{0}, {1, 2}]
    for f in (3, 4):
        grow(index, f, 120 * f)
        keep(index)
    assert len(segments(index, table, name)) == 4
    grow(index, 5, 200)
    keep(index)
    assert segments(index, table, name) == [fragments(index, table)]
    grow(index, 6, 6000)  # three times what it was trained on
    keep(index)
    assert segments(index, table, name) == [fragments(index, table)]


def test_each_file_is_synced_before_the_index_is_named(index, monkeypatch):
    named: list[tuple[str, int]] = []
    medium = Durable(Path(index.uri))
    medium.sync()
    real = lance.LanceDataset.commit_existing_index_segments

    def commit(table, name, *rest):
        before = medium.written
        left = Durable(Path(index.uri)).sizes(f"{Path(table.uri).stem}.lance/_indices")
        assert left
        named.append((name, medium.sync(f"{Path(table.uri).stem}.lance/_indices")))
        assert medium.written == before
        return real(table, name, *rest)

    monkeypatch.setattr(lance.LanceDataset, "commit_existing_index_segments", commit)
    upkeep = Upkeep(index._tables, medium)
    upkeep.ram_rows = upkeep.word_rows = 1
    upkeep.run()
    assert named == [("terms", 0), ("vector", 0)]
    assert medium.sync() == 0


def test_what_is_found_is_the_same_in_segments_and_in_one(index):
    keep(index)
    grow(index, 1, 200)
    keep(index)
    assert len(segments(index, VECTORS, "vector")) == len(segments(index, "items", "terms")) == 2
    exact = index.snapshot()
    again = LanceIndex.open(index.uri)
    again.ram_rows = again.word_rows = 1
    view = again.snapshot()
    for seed in (0, 1):
        query = rows.vectors(SPACE, 200, seed)[7]
        assert view.nearest(query, 5)[0].rows.tolist()[0] == exact.nearest(query, 5)[0].rows.tolist()[0]
    right, found = exact.words("copper", 20), view.words("copper", 20)
    assert np.allclose(right.scores, found.scores, rtol=1e-3) and len(found.rows) == 20


@pytest.mark.parametrize("how", ["gone", *(pytest.param(how, marks=pytest.mark.slow) for how in ("half", "zeros"))])
def test_while_they_are_damaged_all_rows_are_looked_at(tmp_path, how):
    """As a power cut leaves them: who reads gets what is right, and the next writer throws them away at once."""
    index = LanceIndex.create(tmp_path / "many", SPACE, "m")
    made = [row for f in range(45) for row in rows.items(f, 1000)]
    with index.writer() as writer:
        files = [rows.file(f, items=1000) for f in range(45)]
        writer.commit(files, made, [row.digest for row in made], rows.vectors(SPACE, len(made)))
    keep(index)
    exact = index.snapshot()
    for path in [p for p in Path(index.uri).rglob("_indices/*/*") if p.is_file()]:
        data = path.read_bytes()
        path.unlink() if how == "gone" else path.write_bytes(
            data[: len(data) // 3] if how == "half" else bytes(len(data))
        )
    again = LanceIndex.open(index.uri)
    again.ram_rows = again.word_rows = 1
    view, query = again.snapshot(), rows.vectors(SPACE, 1, 3)
    assert type(view.finder).__name__ == "Disk" and view.body is not None
    assert view.nearest(query, 9)[0].rows.tolist() == exact.nearest(query, 9)[0].rows.tolist()
    right, found = exact.words("copper number2", 50), view.words("copper number2", 50)
    assert np.allclose(right.scores, found.scores, rtol=1e-5) and right.rows.tolist() == found.rows.tolist()
    (Path(index.uri) / "writer.lock").write_text("a writer that was killed")
    with again.writer():
        assert segments(again, VECTORS, "vector") == segments(again, "items", "terms") == []


@pytest.mark.parametrize(("table", "name"), [("items", "terms"), (VECTORS, "vector")])
@pytest.mark.parametrize("how", ["half", "zeros", "gone", "longer"])
def test_a_damaged_one_is_thrown_away_and_built_anew(index, table, name, how):
    keep(index)
    files = sorted((Path(index.uri) / f"{table}.lance" / "_indices").rglob("*.*"))
    path = max((f for f in files if f.is_file()), key=lambda f: f.stat().st_size)
    data = path.read_bytes()
    broken = {"half": data[: len(data) // 2], "zeros": bytes(len(data)), "longer": data + b"x", "gone": b""}[how]
    path.unlink() if how == "gone" else path.write_bytes(broken)
    search = SearchIndexes(index._tables, Durable(Path(index.uri)))
    search.mend()
    assert segments(index, table, name) == []
    other = ("items", "terms") if name == "vector" else (VECTORS, "vector")
    assert len(segments(index, *other)) == 1
    keep(index)
    assert segments(index, table, name) == [fragments(index, table)]
    search.mend()
    assert segments(index, table, name) == [fragments(index, table)]
