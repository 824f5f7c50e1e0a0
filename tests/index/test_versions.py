"""Named snapshots: what they keep is kept, a restore is whole or has not happened, and what nobody needs goes."""

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import made_rows as rows
import pytest

from samespace import Space, errors
from samespace.index import versions
from samespace.index.durable import Durable
from samespace.index.lance import LanceIndex
from samespace.index.tables import Tables
from samespace.index.upkeep import Upkeep


@pytest.fixture
def index(tmp_path: Path, red: Space) -> LanceIndex:
    made = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(made, 4)
    return made


def state(index: LanceIndex) -> list[tuple[str, str, bytes]]:
    """All that a reader sees: path, passage and vector of each item row."""
    view = LanceIndex.open(index.uri).snapshot()
    items, at = view.items, view.vector_row
    data = view.vectors(at).data
    return [(items["path"][i].as_py(), items["id"][i].as_py(), data[i].tobytes()) for i in range(items.num_rows)]


def change(index: LanceIndex, turn: int = 0, maintain: bool = True) -> None:
    """Two files go, one is replaced, one is new."""
    with index.writer() as writer:
        writer.remove(["/files/0.txt", "/files/1.txt"])
        made = rows.items(f"new{turn}", 5)
        data = rows.vectors(index.space, 5, 99 + turn)
        digests = [row.digest for row in made]
        writer.commit([rows.file(2, f"new{turn}", items=5), rows.file("x", f"new{turn}", items=5)], made, digests, data)
        if maintain:
            writer.maintain()


@pytest.mark.parametrize("maintain", [True, False])
def test_what_was_kept_comes_back(index, maintain):
    before = state(index)
    key = index.previews.put(b"picture")
    with index.writer() as writer:
        writer.commit([rows.file(0, preview=key, items=3)], [], [], index.space.empty())
    versions.save(index.uri, "one")
    change(index, maintain=maintain)
    after = state(index)
    assert after != before and len({path for path, _, _ in after}) == 3
    versions.restore(index.uri, "one")
    assert state(index) == before
    with index.writer() as writer:
        assert writer.files()["/files/0.txt"].preview == key
        assert writer.missing([rows.digest("1-0"), rows.digest("new")]) == [rows.digest("new")]
        writer.maintain()
        assert state(index) == before and index.previews.get(key) == b"picture"
        rows.commit(writer, index.space, 70)  # and it goes on from there
    assert len(LanceIndex.open(index.uri)) == 15
    versions.restore(index.uri, "one")
    assert state(index) == before


def test_a_restore_can_be_taken_back(index):
    versions.save(index.uri, "one")
    before = state(index)
    change(index)
    after = state(index)
    versions.save(index.uri, "two")
    versions.restore(index.uri, "one")
    with index.writer() as writer:
        writer.maintain()
    assert state(index) == before
    versions.restore(index.uri, "two")
    assert state(index) == after


def test_it_is_listed_counted_and_removed(index):
    assert versions.saved(index.uri) == []
    versions.save(index.uri, "b-1")
    change(index)
    versions.save(index.uri, "a_2")
    assert [(one.name, one.files) for one in versions.saved(index.uri)] == [("b-1", 4), ("a_2", 3)]
    status = index.status()
    assert status.kept > 0 and status.live + status.kept <= status.bytes
    assert sum(table["kept"] for table in status.tables.values()) == status.kept
    versions.drop(index.uri, "b-1")
    assert [one.name for one in versions.saved(index.uri)] == ["a_2"]
    with index.writer() as writer:
        writer.maintain()
    assert index.status().kept < status.kept


def test_previews_live_as_long_as_a_snapshot_needs_them(index):
    of_file, of_item = index.previews.put(b"file"), index.previews.put(b"item")
    with index.writer() as writer:
        item = replace(rows.items("p", 1)[0], preview=of_item)
        writer.commit([rows.file("p", preview=of_file)], [item], [item.digest], rows.vectors(index.space, 1))
    versions.save(index.uri, "pictures")
    with index.writer() as writer:
        writer.remove(["/files/p.txt"])
        writer.maintain()
    assert (index.previews.get(of_file), index.previews.get(of_item)) == (b"file", b"item")
    versions.drop(index.uri, "pictures")
    with index.writer() as writer:
        writer.maintain()
    assert (index.previews.get(of_file), index.previews.get(of_item)) == (None, None)


def test_it_outlives_clean_ups_that_spare_nothing(index):
    versions.save(index.uri, "one")
    before = state(index)
    for turn in range(3):
        change(index, turn)
        Upkeep(index._tables, Durable(Path(index.uri)), age=timedelta(0), floor=0).run()
    assert {table["versions"] for table in index.status().tables.values()} <= {1, 2}
    versions.restore(index.uri, "one")
    assert state(index) == before


def test_names(index):
    for name in ("", "a b", "../x", "-x", "x.lock", "ü", "a" * 65):
        with pytest.raises(errors.QueryError, match="Use letters, digits"):
            versions.save(index.uri, name)
    versions.save(index.uri, "a" * 64)
    with pytest.raises(errors.StoreError, match=r"already\nTake another name, or remove that one"):
        versions.save(index.uri, "a" * 64)
    versions.save(index.uri, "monday")
    for act in (versions.restore, versions.drop):
        with pytest.raises(errors.UnknownNameError, match="Did you mean 'monday'"):
            act(index.uri, "mondy")


def test_half_a_snapshot_is_none_and_goes(index):
    """What a killed `save` leaves: tags of vectors and items, none of the files."""
    tables = Tables.open(index.uri)
    for part in (tables.card.vector_table, "items"):
        table = tables.open_table(part)
        table.tags.create("half", table.version)
    change(index)
    assert versions.saved(index.uri) == [] and index.status().kept == 0
    with pytest.raises(errors.UnknownNameError):
        versions.restore(index.uri, "half")
    versions.save(index.uri, "half")
    after = state(index)
    change(index, 1)
    versions.restore(index.uri, "half")
    assert state(index) == after
    versions.drop(index.uri, "half")
    assert all(tables.open_table(part).tags.list() == {} for part in (tables.card.vector_table, "items", "files"))


def test_it_needs_the_lock_and_readers_need_not_wait(index):
    versions.save(index.uri, "one")
    with index.writer():
        for act in (versions.save, versions.restore, versions.drop):
            with pytest.raises(errors.IndexLockedError):
                act(index.uri, "two" if act is versions.save else "one")
        assert [one.name for one in versions.saved(index.uri)] == ["one"]


def test_tags_and_what_a_restore_adds_are_on_the_disk_first(index, monkeypatch):
    """Each table's change is synced before the next table is touched; the files come last."""
    order: list[str] = []
    real = Durable.sync

    def sync(self: Durable, *parts: str) -> int:
        made = real(self, *parts)
        order.extend(part.split("/")[0].split("_")[0] for part in parts[:1] if made)
        return made

    monkeypatch.setattr(Durable, "sync", sync)
    versions.save(index.uri, "one")
    assert order == ["vec", "items.lance", "files.lance"]
    change(index)
    order.clear()
    versions.restore(index.uri, "one")
    assert order == ["vec"] * 2 + ["items.lance"] * 2 + ["files.lance"]
    assert Durable(Path(index.uri), clean=Tables.open(index.uri).parts()).written == 0


@pytest.mark.slow
def test_a_restore_killed_anywhere_has_happened_or_not(index):
    """kill -9 before each step that puts something on the disk; readers see one state or the other, and it goes on."""
    before = state(index)
    versions.save(index.uri, "one")
    change(index)
    after = state(index)
    helper = Path(__file__).parent / "snapshot_restoring.py"
    seen = []
    for step in range(30):
        ended = subprocess.run([sys.executable, helper, index.uri, "one", str(step)], capture_output=True, text=True)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        seen.append(state(index))
        assert seen[-1] in (before, after)
        with index.writer() as writer:
            writer.maintain()
        assert state(index) == seen[-1]
        if ended.returncode == 0:
            break
        versions.restore(index.uri, "one")
        assert state(index) == before
        change(index)
        assert state(index) == after
    assert "done" in ended.stdout and step >= 5
    assert after in seen and seen[-1] == before
