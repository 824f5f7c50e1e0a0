"""The journal: what was added is there after a crash, a torn tail is not, another job's is refused."""

import os
from pathlib import Path

import pytest

from samespace.errors import StoreError
from samespace.index.journal import Journal

JOB = {"index": "/i", "options": "a"}


def made(path, *parts):
    with Journal(path, JOB) as journal:
        for part in parts:
            journal.add(part)
    return path


def test_a_new_journal_is_empty_and_makes_its_folder(tmp_path):
    with Journal(tmp_path / "deep" / "j", JOB) as journal:
        assert journal.parts == []


def test_parts_come_back_in_order(tmp_path):
    path = made(tmp_path / "j", {"n": 1}, {"n": "zwei\n"})
    made(path, {"n": 3})
    with Journal(path, JOB) as journal:
        assert journal.parts == [{"n": 1}, {"n": "zwei\n"}, {"n": 3}]


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_a_torn_last_line_was_never_written_and_the_next_goes_in_its_place(tmp_path, cut):
    path = made(tmp_path / "j", {"n": 1}, {"n": 2})
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(path, JOB) as journal:
        assert journal.parts == [{"n": 1}]
        journal.add({"n": 3})
    with Journal(path, JOB) as journal:
        assert journal.parts == [{"n": 1}, {"n": 3}]


def test_what_stands_after_a_damaged_line_is_done_again(tmp_path):
    path = made(tmp_path / "j", {"n": 1}, {"n": 2}, {"n": 3})
    path.write_bytes(path.read_bytes().replace(b'"n": 2', b'"n": 7'))
    with Journal(path, JOB) as journal:
        assert journal.parts == [{"n": 1}]


def test_a_torn_first_line_is_a_new_journal(tmp_path):
    path = made(tmp_path / "j")
    path.write_bytes(path.read_bytes()[:5])
    made(path, {"n": 1})
    with Journal(path, JOB) as journal:
        assert journal.parts == [{"n": 1}]


def test_the_journal_of_another_job_is_refused_and_left_alone(tmp_path):
    path = made(tmp_path / "j", {"n": 1})
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"other: options\)\n.*rm '.*/j'"):
        Journal(path, {**JOB, "options": "b"})
    assert path.read_bytes() == before


def test_each_line_is_synced_before_add_returns(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(handle):
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr("os.fsync", fsync)
    with Journal(tmp_path / "j", JOB) as journal:
        assert str(tmp_path) in synced  # its name
        synced.clear()
        journal.add({"n": 1})
        assert synced == [str(tmp_path / "j")]


def test_a_finished_job_leaves_nothing(tmp_path):
    with Journal(tmp_path / "j", JOB) as journal:
        journal.add({"n": 1})
        journal.done()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "j").mkdir()
    with pytest.raises(StoreError, match="--journal FILE"):
        Journal(tmp_path / "j", JOB)
