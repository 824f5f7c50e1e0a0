"""Executors: every job once, whatever dies; errors come through; no process stays behind."""

import multiprocessing
import os

import pytest
from working import Doubling

from samespace.errors import SamespaceError, StoreError
from samespace.index.executor import Loop, Spawned


def pids(folder, what="[0-9]*"):
    return {path.name.split("-")[1] for path in folder.glob(f"{what}-*")}


def test_the_loop_works_here_and_closes(tmp_path):
    assert list(Loop().run(Doubling(str(tmp_path)), range(4))) == [0, 2, 4, 6]
    assert pids(tmp_path) == pids(tmp_path, "closed") == {str(os.getpid())}


def test_the_loop_takes_a_job_when_it_is_its_turn(tmp_path):
    taken = []
    results = Loop().run(Doubling(str(tmp_path)), (taken.append(i) or i for i in range(5)))
    assert next(results) == 0
    assert taken == [0]
    results.close()
    assert pids(tmp_path, "closed")


@pytest.mark.slow
class TestSpawned:
    def test_every_job_once_in_as_many_processes(self, tmp_path):
        made = sorted(Spawned(2).run(Doubling(str(tmp_path)), range(30)))
        assert made == [2 * i for i in range(30)]
        assert len(list(tmp_path.glob("[0-9]*"))) == 30
        assert 1 <= len(pids(tmp_path)) <= 2
        assert str(os.getpid()) not in pids(tmp_path)
        assert pids(tmp_path, "closed") == pids(tmp_path)
        assert not multiprocessing.active_children()

    def test_a_worker_that_dies_costs_its_job_a_second_try(self, tmp_path):
        made = sorted(Spawned(2).run(Doubling(str(tmp_path), deadly=3, deaths=2), range(6)))
        assert made == [2 * i for i in range(6)]
        assert len(list(tmp_path.glob("3-*"))) == 3
        assert len(list(tmp_path.glob("[0-9]*"))) == 8

    def test_a_job_that_kills_all_its_workers_ends_the_run(self, tmp_path):
        with pytest.raises(StoreError, match=r"^3: 3 workers died(.|\n)*--processes"):
            list(Spawned(1).run(Doubling(str(tmp_path), deadly=3, deaths=9), range(9)))
        assert len(list(tmp_path.glob("3-*"))) == 3
        assert not list(tmp_path.glob("4-*"))
        assert not multiprocessing.active_children()

    def test_errors_of_ours_keep_their_words(self, tmp_path):
        with pytest.raises(SamespaceError, match=r"^the fact\nthe mend$"):
            list(Spawned(1).run(Doubling(str(tmp_path), refused=1), range(3)))
        assert not multiprocessing.active_children()

    def test_other_errors_say_what_they_were(self, tmp_path):
        with pytest.raises(RuntimeError, match=r"^ZeroDivisionError: by nought"):
            list(Spawned(1).run(Doubling(str(tmp_path), failing=0), range(3)))

    def test_whoever_stops_listening_leaves_no_process(self, tmp_path):
        results = Spawned(2).run(Doubling(str(tmp_path)), iter(range(10**9)))
        next(results)
        results.close()
        assert not multiprocessing.active_children()


def test_no_worker_is_no_executor():
    with pytest.raises(ValueError, match="workers is 0"):
        Spawned(0)
