"""Maintenance: nothing visible changes, what nobody leads to goes, disk and versions stay bounded."""

from datetime import timedelta
from pathlib import Path

import lance
import made_rows as rows
import numpy as np
import pyarrow as pa
import pytest

from samespace import Space
from samespace.index import upkeep as module
from samespace.index.disk import Disk
from samespace.index.durable import Durable
from samespace.index.lance import LanceIndex
from samespace.index.recall import recall_at_k
from samespace.index.upkeep import Upkeep


def upkeep(index: LanceIndex, **how) -> Upkeep:
    made = Upkeep(index._tables, Durable(Path(index.uri)), age=timedelta(0))
    made.__dict__.update(how)
    return made


def size(index: LanceIndex) -> int:
    return sum(p.stat().st_size for p in Path(index.uri).rglob("*") if p.is_file())


def test_what_no_file_leads_to_goes(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 6)
    with index.writer() as writer:
        kept, lost = index.previews.put(b"kept"), index.previews.put(b"lost")
        writer.commit([rows.file(0, preview=kept), rows.file("copy", 1)], [], [], red.empty())
        writer.commit([], rows.items("orphan", 2), [r.digest for r in rows.items("orphan", 2)], rows.vectors(red, 2))
        writer.remove(["/files/1.txt", "/files/2.txt"])
        assert writer.missing([rows.digest("2-0"), rows.digest("orphan-1")]) == []
        writer.maintain()
        assert writer.missing([rows.digest(x) for x in ("0-0", "1-0", "2-0", "orphan-1")]) == [
            rows.digest("2-0"), rows.digest("orphan-1"),
        ]  # fmt: skip
        assert (index.previews.get(kept), index.previews.get(lost)) == (b"kept", None)
    tables = Path(index.uri)
    assert lance.dataset(str(tables / "items.lance")).count_rows() == 15
    assert lance.dataset(str(tables / "vec_aaaaaaaaaaaa.lance")).count_rows() == len(index) == 15


def test_many_small_commits_become_few_files(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with index.writer() as writer:
        for f in range(15):
            rows.commit(writer, red, f, 2)
    before = index.snapshot()
    status = index.status()
    upkeep(index).run()
    after = LanceIndex.open(index.uri)
    assert after.snapshot().items.to_pylist() == before.items.to_pylist()
    assert np.array_equal(after.snapshot().vectors(np.arange(30)).data, before.vectors(np.arange(30)).data)
    assert (status.fragments, after.status().fragments) == (45, 3)
    assert status.versions == 16 and after.status().versions == 1


def test_disk_stays_bounded_over_many_changes(tmp_path, red: Space):
    """The same file again and again, each time with another content."""
    index = LanceIndex.create(tmp_path / "i", red, "m")
    sizes = []
    for turn in range(4):
        with index.writer() as writer:
            for change in range(4):
                name = f"{turn}-{change}"
                made = rows.items(name, 30)
                writer.commit([rows.file("one", name)], made, [r.digest for r in made], rows.vectors(red, 30))
            writer._collect()
        upkeep(index).run()
        sizes.append(size(index))
    assert len(index) == 30
    assert max(sizes[1:]) < 1.5 * sizes[0]


def bounded(writer, floor: int, index: LanceIndex) -> None:
    """Give a writer an upkeep whose floor is small."""
    writer._upkeep = Upkeep(index._tables, writer._medium, floor=floor)


@pytest.mark.parametrize("turns", [25, pytest.param(90, marks=pytest.mark.slow)])
def test_disk_stays_bounded_after_each_commit_of_a_long_run(tmp_path, turns: int):
    """Commits, changes of what is there, removals; nobody calls for maintenance. Live bytes are counted apart."""
    space = Space("t/wide@1", 256, "cosine", "cd" * 16)
    index = LanceIndex.create(tmp_path / "i", space, "m")
    floor, over, files = 50_000, 0.0, {}
    with index.writer() as writer:
        bounded(writer, floor, index)
        for turn in range(turns):
            rows.commit(writer, space, turn, 20)
            writer.commit([rows.file(turn // 2, turn, items=20)], [], [], space.empty())
            files |= {turn: turn, turn // 2: turn}
            if turn % 9 == 8:
                writer.remove([f"/files/{turn - 3}.txt"])
                files.pop(turn - 3, None)
            live = sum(named(index, name) for name in writer._upkeep.names)
            over = max(over, size(index) - 2.2 * live)
            if turn % 10 == 9:
                assert all(used.versions < 200 and used.fragments < 80 for used in writer._upkeep.usage().values())
        assert writer._medium.written > 10 * floor
    assert over < 4 * floor
    assert len(index) == 20 * len(set(files.values()))
    with index.writer() as writer:
        writer.maintain()
    assert len(index) == 20 * len(set(files.values()))


def test_versions_stay_few_where_there_is_room_for_all(tmp_path, red: Space, monkeypatch):
    monkeypatch.setattr(module, "_COMMITS", 8)
    monkeypatch.setattr(module, "_VERSIONS", 20)
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with index.writer() as writer:
        bounded(writer, 1 << 30, index)
        for f in range(40):
            rows.commit(writer, red, f)
            counts = [used.versions for used in writer._upkeep.usage().values()]
            assert f < 7 or 7 < min(counts) <= max(counts) <= 20 + 8 + 3
    assert len(index) == 120


def test_joining_much_is_done_in_pieces_and_each_makes_room_for_the_next(tmp_path, red: Space, monkeypatch):
    """Old files go between two pieces, and with them the version that the first was planned for."""
    monkeypatch.setattr(module, "_SIZES", (50, 200))
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with index.writer() as writer:
        for f in range(40):
            rows.commit(writer, red, f, 10)
        before = index.snapshot().items.to_pylist()
        joined = []
        real = Upkeep._join
        monkeypatch.setattr(Upkeep, "_join", lambda self, *how: joined.append(len(how[1])) or real(self, *how))
        writer._upkeep = Upkeep(index._tables, writer._medium, floor=0)
        writer.maintain()
        assert len(joined) > 12 and max(joined) < 4
        assert all(used.fragments <= 9 for used in writer._upkeep.usage().values())
    assert LanceIndex.open(index.uri).snapshot().items.to_pylist() == before


def named(index: LanceIndex, table: str) -> int:
    """Bytes that the newest version of a table names, found by opening it, without a look at our own count."""
    made = lance.dataset(str(Path(index.uri) / f"{table}.lance"))
    folder = Path(made.uri.removeprefix("file://"))
    manifest = min((folder / "_versions").glob("*.manifest"))
    data = [folder / "data" / file.path for f in made.get_fragments() for file in f.data_files()]
    holes = [f.metadata.deletion_file.path(f.fragment_id) for f in made.get_fragments() if f.metadata.deletion_file]
    return sum(p.stat().st_size for p in [manifest, *data, *(folder / hole for hole in holes)])


def test_usage_is_what_the_newest_version_names(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 9)
    with index.writer() as writer:
        writer.commit([rows.file(1, 2)], [], [], red.empty())
        writer.remove(["/files/3.txt"])
        for name, used in writer._upkeep.usage().items():
            assert used.live == named(index, name)
            assert used.bytes == sum(p.stat().st_size for p in (tmp_path / "i" / f"{name}.lance").rglob("*.*"))
            assert used.waste == used.bytes - used.live and used.kept == 0
    assert {n: u["versions"] for n, u in index.status().tables.items()} == {
        "vec_aaaaaaaaaaaa": 2, "items": 2, "files": 4,
    }  # fmt: skip


@pytest.mark.slow
def test_rows_are_joined_by_sizes_so_that_few_are_written_twice(tmp_path):
    """Over 150 commits the fragments stay few, and a row is written about twice: once as it comes, once joined."""
    space = Space("t/wide@1", 256, "cosine", "cd" * 16)
    index = LanceIndex.create(tmp_path / "i", space, "m")
    with index.writer() as writer:
        bounded(writer, 1 << 30, index)  # never for room, only for their number
        for f in range(150):
            rows.commit(writer, space, f, 60)
            if f % 30 == 29:
                assert all(used.fragments <= 12 + 64 for used in writer._upkeep.usage().values())
        live = sum(used.live for used in writer._upkeep.usage().values())
        assert writer._medium.written < 3.5 * live
    assert len(index) == 9_000


def test_a_full_disk_in_the_upkeep_after_a_commit_does_not_undo_the_commit(tmp_path, red: Space, monkeypatch):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with index.writer() as writer:
        bounded(writer, 0, index)
        monkeypatch.setattr(Upkeep, "_compact", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        for f in range(5):
            rows.commit(writer, red, f)
    assert len(index) == 15


def test_a_reader_whose_version_was_cleaned_up_takes_a_newer_one(tmp_path, red: Space):
    """The files of its view go between opening and reading: it reads the next one, and never half of both."""
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with index.writer() as writer:
        for f in range(15):
            rows.commit(writer, red, f)
        views = []

        def read(view):
            views.append((view.items.version, view.items.count_rows()))
            if len(views) < 3:
                rows.commit(writer, red, 100 + len(views))
                Upkeep(index._tables, writer._medium, age=timedelta(0)).run()
                for _ in range(15):
                    rows.commit(writer, red, 0)
                Upkeep(index._tables, writer._medium, age=timedelta(0)).run()
            return view.items.to_table().num_rows, view.files.to_table().num_rows

        assert index._tables.consistent(read) == (51, 17)
    assert len(views) == 3 and views[0][1] == 45


def test_damage_is_told_from_a_version_that_is_gone(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 2)
    next((tmp_path / "i" / "items.lance" / "data").glob("*")).unlink()
    calls = []
    with pytest.raises((OSError, pa.ArrowException)):
        index._tables.consistent(lambda view: calls.append(1) or view.items.to_table())
    assert len(calls) == 1


def test_after_no_change_nothing_is_written(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 20)
    with index.writer() as writer:
        writer.maintain()
    files = sorted(Path(index.uri).rglob("*"))
    with index.writer() as writer:
        writer.maintain()
    assert sorted(Path(index.uri).rglob("*")) == files


def test_what_killed_writers_left_goes(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 2)
    orphan = Path(index.uri) / "items.lance" / "data" / "0123456789.lance"
    orphan.write_bytes(b"half a file")
    upkeep(index).run()
    assert not orphan.exists() and len(index) == 6


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_the_index_of_neighbours_finds_them(tmp_path, metric: str):
    """IVF_RQ: few are missed, the scores are exact, filters hold, new rows are found."""
    space = Space("t/x@1", 64, metric, "ab" * 16)
    index = LanceIndex.create(tmp_path / "i", space, "m")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 64))
    data = space.vectors(centres[rng.integers(0, 200, 30_000)] + 0.6 * rng.standard_normal((30_000, 64)))
    made = [row for f in range(30) for row in rows.items(f, 1000)]
    with index.writer() as writer:
        writer.commit([rows.file(f) for f in range(30)], made, [r.digest for r in made], data)
    upkeep(index, ram_rows=10, word_rows=10**9).run()
    exact = index.snapshot()
    index.ram_rows, index._held = 10, None
    view = index.snapshot()
    assert isinstance(view.finder, Disk)
    assert any(i.name == "vector" for i in view.finder.table.describe_indices())
    measured = recall_at_k(view, 10, queries=30)
    assert 0.95 < measured.recall <= 1 and (measured.queries, measured.rows) == (30, 30_000)
    assert recall_at_k(exact, 10, queries=30).recall == 1

    query = space.vectors(rng.standard_normal((4, 64)) + centres[:4])
    allowed = rng.random(30_000) < 0.8
    for mask in (None, allowed):
        common = 0
        for mine, right in zip(
            view.nearest(query, 20, allowed=mask), exact.nearest(query, 20, allowed=mask), strict=True
        ):
            common += len(np.intersect1d(mine.rows, right.rows))
            scores = dict(zip(right.rows.tolist(), right.scores.tolist(), strict=True))
            assert all(
                scores[r] == s for r, s in zip(mine.rows.tolist(), mine.scores.tolist(), strict=True) if r in scores
            )
            assert mask is None or allowed[mine.rows].all()
        assert common >= 72  # of 80; Lance trains by chance
    assert len(view.nearest(query[0], 29_000)[0].rows) == 29_000
    with index.writer() as writer:
        new = rows.items("new", 1)
        writer.commit([rows.file("new")], new, [new[0].digest], query[0])
        writer.remove(["/files/0.txt"])
    view = index.snapshot()
    assert view.digests[int(view.nearest(query[0], 1)[0].rows[0])].as_py() == new[0].digest
    gone = {rows.digest(f"0-{j}") for j in range(1000)}
    hits = view.digests.take(view.nearest(query[0], 200)[0].rows).to_pylist()
    assert not gone & set(hits)
