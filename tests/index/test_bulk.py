"""A bulk run gives what an ingest gives: the same rows once, whatever was copied, changed, killed or taken away."""

import threading
from collections.abc import Iterator

import made_rows
import pytest
from bulking import data_files, fill, new, order, rows_of
from ingesting import every_vector_is_its_own, words, write

from samespace.encode.hashing import load
from samespace.errors import QueryError, SpaceMismatchError, StoreError
from samespace.index.bulk import JOURNAL, bulk, cut
from samespace.index.executor import Loop, Spawned
from samespace.index.fragment import FragmentWriter
from samespace.index.ingest import ingest
from samespace.index.scan import Found

ENCODER = load("64")


class Counting(Loop):
    """A loop that knows how many jobs were done, and is killed or stopped after some."""

    def __init__(self, killed_after: int = 10**9, stop: threading.Event | None = None) -> None:
        self.done, self._left, self._stop = 0, killed_after, stop

    def run(self, work, jobs) -> Iterator:
        for made in super().run(work, jobs):
            yield made
            self.done += 1
            if self._stop:
                self._stop.set()
            if self.done >= self._left:
                raise KeyboardInterrupt


def run(index, folder, executor=None, **settings):
    return bulk(index, order(index, ENCODER), [folder], executor=executor or Loop(), **{"files": 16} | settings)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """A folder that stays as it is, and what an ingest makes of it."""
    place = tmp_path_factory.mktemp("ordinary")
    folder = fill(place / "folder")
    index = new(place / "index", ENCODER)
    counts = ingest(index, ENCODER, [folder])
    return folder, rows_of(index), counts


def test_the_same_rows_each_once(ordinary, tmp_path):
    folder, rows, counts = ordinary
    index, loop = new(tmp_path / "bulk", ENCODER), Counting()
    made = run(index, folder, loop)
    assert loop.done == 3
    assert rows_of(index) == rows
    assert (made.seen, made.failed, made.ignored) == (counts.seen, counts.failed, counts.ignored) == (45, 3, 0)
    assert made.encoded + made.reused + made.named == made.seen - made.failed
    assert every_vector_is_its_own(index, ENCODER) > 40
    assert not (tmp_path / "bulk" / JOURNAL).exists()


@pytest.mark.slow
def test_the_same_rows_from_other_processes(ordinary, tmp_path):
    folder, rows, _ = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    run(index, folder, Spawned(2))
    assert rows_of(index) == rows


def test_again_does_nothing(ordinary, tmp_path):
    folder, rows, _ = ordinary
    index, loop = new(tmp_path / "bulk", ENCODER), Counting()
    run(index, folder)
    made = run(index, folder, loop)
    assert (loop.done, made.passages, made.reused) == (0, 0, 42)
    assert rows_of(index) == rows


def test_an_index_that_is_there_is_brought_up_to_date(tmp_path):
    folder = fill(tmp_path / "folder")
    index, other = new(tmp_path / "bulk", ENCODER), new(tmp_path / "other", ENCODER)
    ingest(index, ENCODER, [folder])
    (folder / "0" / "000.txt").rename(folder / "renamed.txt")
    (folder / "1" / "001.txt").unlink()
    write(folder, "1/004.txt", words(4) + " " + words(700))
    write(folder, "new.txt", words(9))  # words that are there
    made = run(index, folder)
    assert (made.moved, made.removed, made.passages) == (1, 1, 1)
    ingest(other, ENCODER, [folder])
    index_rows, other_rows = rows_of(index), rows_of(other)
    assert index_rows == other_rows


def test_a_killed_driver_goes_on_from_its_journal(ordinary, tmp_path):
    folder, rows, _ = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    with pytest.raises(KeyboardInterrupt):
        run(index, folder, Counting(2))
    assert (tmp_path / "bulk" / JOURNAL).exists()
    assert len(index) == 0
    assert index.files() == {}
    again = Counting()
    made = run(index, folder, again)
    assert again.done == 1
    assert made.passages < 40
    assert rows_of(index) == rows
    assert not (tmp_path / "bulk" / JOURNAL).exists()


def test_parts_that_an_ordinary_run_cleaned_away_are_done_again(ordinary, tmp_path):
    folder, rows, _ = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    with pytest.raises(KeyboardInterrupt):
        run(index, folder, Counting(2))
    left = data_files(index)
    with index.writer() as writer:
        writer.maintain()
    assert data_files(index) < left
    again = Counting()
    run(index, folder, again)
    assert again.done == 3
    assert rows_of(index) == rows


def test_what_changed_or_went_while_nobody_drove_is_not_taken_from_the_journal(tmp_path):
    folder = fill(tmp_path / "folder")
    index, other = new(tmp_path / "bulk", ENCODER), new(tmp_path / "other", ENCODER)
    with pytest.raises(KeyboardInterrupt):
        run(index, folder, Counting(2))
    (folder / "0" / "000.txt").unlink()
    write(folder, "0/003.txt", words(800))
    run(index, folder)
    ingest(other, ENCODER, [folder])
    assert rows_of(index) == rows_of(other)


@pytest.mark.parametrize("table", ["vec", "items", "files"])
def test_a_driver_killed_in_the_commit_leaves_the_old_index_and_ends_well(ordinary, tmp_path, monkeypatch, table):
    folder, rows, _ = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    write(tmp_path / "old", "old.txt", words(77))
    ingest(index, ENCODER, [tmp_path / "old"])
    before = list(index.files())

    import lance

    real = lance.LanceDataset.commit

    def dies(base, *args, **settings):
        if f"/{table}" in str(getattr(base, "uri", base)):
            raise KeyboardInterrupt
        return real(base, *args, **settings)

    monkeypatch.setattr(lance.LanceDataset, "commit", staticmethod(dies))
    with pytest.raises(KeyboardInterrupt):
        run(index, folder)
    monkeypatch.undo()
    assert list(index.files()) == before
    assert len(index) == 1
    again = Counting()
    run(index, folder, again)
    assert again.done == 0
    found = rows_of(index)
    assert [row for row in found["files"] if "/old/" not in row["path"]] == rows["files"]
    assert len(found["items"]) == len(rows["items"]) + 1
    assert len(found["vectors"][0]) == len(rows["vectors"][0]) + 1


def test_a_run_that_is_stopped_keeps_what_is_finished(ordinary, tmp_path):
    folder, rows, _ = ordinary
    index, stop = new(tmp_path / "bulk", ENCODER), threading.Event()
    made = run(index, folder, Counting(stop=stop), stop=stop)
    assert made.stopped
    assert len(index.files()) == 16
    run(index, folder)
    assert rows_of(index) == rows


def test_other_settings_do_not_finish_a_run(ordinary, tmp_path):
    from dataclasses import replace

    folder, _, _ = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    with pytest.raises(KeyboardInterrupt):
        run(index, folder, Counting(1))
    first = order(index, ENCODER)
    other = replace(first, options=replace(first.options, ocr=False))
    with pytest.raises(StoreError, match="other: options"):
        bulk(index, other, [folder], executor=Loop())


def test_a_worker_with_another_model_is_refused(ordinary, tmp_path):
    from dataclasses import replace

    folder, _, _ = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    wrong = replace(order(index, ENCODER), loader="bulking:wrong_encoder")
    with pytest.raises(SpaceMismatchError):
        bulk(index, wrong, [folder], executor=Loop())


def test_a_folder_beside_a_store_is_refused(tmp_path):
    index = new(tmp_path / "bulk", ENCODER)
    with pytest.raises(QueryError, match="two commands"):
        bulk(index, order(index, ENCODER), [tmp_path, "s3://bucket/prefix"], executor=Loop())


def test_ranges_hold_every_file_once_in_order(tmp_path):
    work = [Found(tmp_path / f"{i}", tmp_path, 1 << 20 if i % 50 else 70 << 20, 0.0) for i in range(500)]
    parts = list(cut(work, 2))
    assert [found for part in parts for found in part.files] == work
    assert max(len(part.files) for part in parts) == 49  # one large file in fifty goes alone
    assert all(sum(f.size for f in part.files) <= 64 << 20 or len(part.files) == 1 for part in parts)
    small = [Found(tmp_path / f"{i}", tmp_path, 100, 0.0) for i in range(500)]
    assert [len(part.files) for part in cut(small, 2)] == [63] * 7 + [59]
    assert [len(part.files) for part in cut(small, 100)] == [16] * 31 + [4]
    assert next(len(part.files) for part in cut(small * 10, 1)) == 256


def test_a_part_writes_nothing_that_no_file_leads_to(tmp_path):
    index = new(tmp_path / "bulk", ENCODER)
    writer = FragmentWriter(index.card, {}, {made_rows.digest("known")})
    good, bad = made_rows.items("good", 2), made_rows.items("bad", 2)
    digests = [row.digest for row in (*good, *bad)]
    writer.commit([], [*good, *bad], digests, made_rows.vectors(index.space, 4))
    assert writer.missing([digests[0], made_rows.digest("known"), "new", "new", ""]) == ["new"]
    rows = [made_rows.file("good"), made_rows.file("bad", status="failed")]
    writer.commit(rows, [], [], index.space.empty())
    tables = writer.tables()
    assert tables["items"]["id"].to_pylist() == ["good-0", "good-1"]
    assert tables[index.card.vector_table]["digest"].to_pylist() == digests[:2]
    assert tables["files"]["path"].to_pylist() == ["/files/good.txt", "/files/bad.txt"]
