"""Appending by what the writer knows: each key once, whatever failed half-way, at a cost that does not grow."""

from pathlib import Path

import lance
import made_rows as rows
import pytest

from samespace import Space, errors
from samespace.index.durable import Durable
from samespace.index.lance import LanceIndex
from samespace.index.lance_writer import LanceWriter


class Failing(Durable):
    """A disk that fails once, at the n-th time that something is put on it."""

    left = 10**9

    def sync(self, *parts: str) -> int:
        self.left -= 1
        if self.left == -1:
            raise OSError(28, "No space left on device")
        return super().sync(*parts)


def writer_on(index: LanceIndex, medium: Durable) -> LanceWriter:
    return LanceWriter(index._tables, medium, index.previews)


def keys(index: LanceIndex, table: str) -> list[str]:
    made = lance.dataset(str(Path(index.uri) / f"{table}.lance"))
    return made.to_table(columns=[made.schema.names[0]])[0].to_pylist()


@pytest.mark.parametrize("step", range(6))
def test_a_commit_that_failed_anywhere_can_be_made_again_by_the_same_writer(tmp_path, red: Space, step):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    medium = Failing(Path(index.uri))
    writer = writer_on(index, medium)
    rows.commit(writer, red, 1)
    medium.left = step
    with pytest.raises(errors.StoreError, match="No space left"):
        rows.commit(writer, red, 2)
    rows.commit(writer, red, 2)
    rows.commit(writer, red, 3)
    for table, count in (("files", 3), ("items", 9), ("vec_aaaaaaaaaaaa", 9)):
        found = keys(index, table)
        assert len(found) == len(set(found)) == count
    again = writer_on(index, Durable(Path(index.uri)))
    assert set(again.readings()) == {"reading-1", "reading-2", "reading-3"}


def test_rows_that_are_there_are_replaced_and_new_ones_beside_them_put_in(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with index.writer() as writer:
        rows.commit(writer, red, 1, 2)
        made = rows.items(1, 4, "other words")
        writer.commit([rows.file(1, title="new")], made, [r.digest for r in made], rows.vectors(red, 4, 5))
    view = index.snapshot()
    assert view.items["text"].to_pylist() == ["other words"] * 4 and view.items["title"][0].as_py() == "new"
    first = view.digests.to_pylist().index(rows.digest("1-0"))
    assert (view.vectors([first]).data[0] == rows.vectors(red, 2, 1).data[0]).all()  # the vector that was first
    assert sorted(keys(index, "items")) == [f"1-{j}" for j in range(4)] and len(keys(index, "vec_aaaaaaaaaaaa")) == 4


def test_what_a_killed_writer_left_half_is_known_to_the_next(tmp_path, red: Space):
    """Its vectors were written, its items were not: they are not written again."""
    index = LanceIndex.create(tmp_path / "i", red, "m")
    medium = Failing(Path(index.uri))
    medium.left = 2
    with pytest.raises(errors.StoreError):
        rows.commit(writer_on(index, medium), red, 1)
    assert (len(keys(index, "vec_aaaaaaaaaaaa")), len(keys(index, "items"))) == (3, 0)
    with index.writer() as writer:
        assert writer.missing([rows.digest("1-0"), rows.digest("2-0")]) == [rows.digest("2-0")]
        rows.commit(writer, red, 1)
    assert len(keys(index, "vec_aaaaaaaaaaaa")) == 3 and len(index) == 3


def test_a_commit_reads_nothing_of_what_is_there(tmp_path, red: Space, monkeypatch):
    """So its cost does not grow with the table: no merge, no scan, one fragment more in each table."""
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 20)
    with index.writer() as writer:
        for name in ("merge_insert", "to_table", "scanner", "to_batches"):
            monkeypatch.setattr(lance.LanceDataset, name, lambda *_, **__: pytest.fail("it reads"))
        rows.commit(writer, red, 50)
    monkeypatch.undo()
    assert len(index) == 63 and index.status().fragments == 6
