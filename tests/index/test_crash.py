"""Several processes: a writer killed at any moment, readers beside it, two writers at once."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import lance
import made_rows as rows
import pytest

from samespace import Space, errors
from samespace.index.lance import LanceIndex

WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
import made_rows as rows
from samespace.index.lance import LanceIndex
index = LanceIndex.open(sys.argv[1])
first, maintain = int(sys.argv[3]), sys.argv[4] == "maintain"
with index.writer(wait=60) as writer:
    print("ready", flush=True)
    for f in range(first, first + 100_000):
        rows.commit(writer, index.space, f, 5)
        print(f, flush=True)
        if maintain and f % 7 == 6:
            writer.remove([f"/files/{f - 1}.txt"])
            print(-(f - 1), flush=True)
            writer.maintain()
"""


@contextmanager
def started(index: LanceIndex, first: int, how: str = "") -> Iterator[subprocess.Popen[str]]:
    here = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, index.uri, here, str(first), how], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def check(index: LanceIndex, there: set[int], maybe: set[int]) -> None:
    """Each acknowledged file is wholly there, once, with its own vectors; of the others none or all."""
    view = LanceIndex.open(index.uri).snapshot()
    found = [int(p.removeprefix("/files/").removesuffix(".txt")) for p in view.items["path"].to_pylist()]
    assert there <= set(found) <= there | maybe
    assert all(found.count(f) == 5 for f in set(found))
    for name in ("files", "items", "vec_aaaaaaaaaaaa"):
        table = lance.dataset(str(Path(index.uri) / f"{name}.lance"))
        keys = table.to_table(columns=[table.schema.names[0]])[0].to_pylist()
        assert len(keys) == len(set(keys)), f"repeated rows in {name}"
    for f in random.Random(0).sample(sorted(set(found)), min(5, len(set(found)))):
        at = view.digests.to_pylist().index(rows.digest(f"{f}-3"))
        assert (view.vectors([at]).data[0] == rows.vectors(index.space, 5, f).data[3]).all()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["", "maintain"])
def test_what_was_acknowledged_survives_kill_9(tmp_path, red: Space, how: str):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    there: set[int] = set()
    first, chance = 0, random.Random(1)
    for _ in range(5):
        with started(index, first, how) as process:
            threading.Timer(chance.uniform(0.05, 0.8), process.send_signal, [signal.SIGKILL]).start()
            told = [int(line) for line in process.stdout.read().split()]
        there |= {f for f in told if f >= 0}
        there -= {-f for f in told if f < 0}
        last = max([abs(f) for f in told], default=first - 1)
        leaving = {last - 1} if how and last % 7 == 6 else set()  # its removal may be done and not yet told
        check(index, there - leaving, {last + 1} | leaving)
        with index.writer() as writer:  # the lock is free, and the next writer goes on
            there -= {f for f in leaving if f"/files/{f}.txt" not in writer.files()}
            rows.commit(writer, red, last + 1, 5)
        there.add(last + 1)
        first = last + 2
    assert len(there) > 10
    with index.writer() as writer:
        writer.maintain()
    check(index, there, set())


@pytest.mark.slow
def test_a_reader_beside_a_writer_sees_whole_commits_and_none_lost(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    sizes: list[int] = []
    with started(index, 0, "maintain") as process:
        until = time.monotonic() + 3
        while time.monotonic() < until or len(set(sizes)) <= 3:
            view = index.snapshot()
            assert len(view) % 5 == 0 and view.items.num_rows == len(view)
            assert (view.vector_row >= 0).all()
            assert len(view.nearest(rows.vectors(red, 1), 3)[0].rows) == min(3, len(view))
            sizes.append(len(view))
        process.kill()
        told = process.stdout.read().split()
    assert len(set(sizes)) > 3 and len(told) > 5
    assert min(after - before for before, after in pairwise(sizes)) >= -5  # a removal, never a commit undone


@pytest.mark.slow
def test_the_second_writer_is_told_or_waits(tmp_path, red: Space):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    with started(index, 0) as process:
        with pytest.raises(errors.IndexLockedError, match=rf"process {process.pid} .*\n.*--wait"), index.writer():
            pass
        assert index.status().space == red  # reading goes on
        threading.Timer(0.3, process.kill).start()
        with index.writer(wait=30) as writer:
            rows.commit(writer, red, 10**6, 5)
        told = {int(line) for line in process.stdout.read().split()}
    check(index, told | {10**6}, {max(told, default=-1) + 1})


def test_threads_share_an_index(tmp_path, red: Space):
    """As a server does: searches while another thread writes."""
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 3)
    failed: list[BaseException] = []

    def search() -> None:
        try:
            for _ in range(30):
                assert len(index.nearest(rows.vectors(red, 1), 1)[0].rows) == 1
                index.snapshot().words("river", 3)
        except BaseException as err:
            failed.append(err)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    with index.writer() as writer:
        for f in range(100, 106):
            rows.commit(writer, red, f)
    for thread in threads:
        thread.join()
    assert not failed and len(index) == 27
