"""An index on an object store: a local server that speaks S3, real writers and readers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import made_rows as rows
import pytest

from samespace import Space, errors
from samespace.index.lance import LanceIndex
from samespace.index.lease import store_at

WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
import made_rows as rows
from samespace.index import lease
from samespace.index.lance import LanceIndex
lease.TTL = 3.0
index = LanceIndex.open(sys.argv[1])
with index.writer(wait=60) as writer:
    print("ready", flush=True)
    for f in range(int(sys.argv[3]), int(sys.argv[4])):
        rows.commit(writer, index.space, f, 5)
        print(f, flush=True)
    writer.maintain()
"""
READER = """
import sys, time
from samespace.index.lance import LanceIndex
index = LanceIndex.open(sys.argv[1])
sizes = []
while len(sizes) < 400 and (not sizes or sizes[-1] < int(sys.argv[2])):
    view = index.snapshot()
    assert len(view) % 5 == 0 and view.items.num_rows == len(view) and (view.vector_row >= 0).all()
    sizes.append(len(view))
    time.sleep(0.05)
assert sizes == sorted(sizes), sizes
print(sizes[0], sizes[-1], len(set(sizes)))
"""


def started(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_create_write_search_maintain(bucket: str, red: Space):
    index = LanceIndex.create(bucket, red, "m")
    assert LanceIndex.create(bucket, red, "m").space == red
    with index.writer() as writer:
        for f in range(3):
            rows.commit(writer, red, f)
        key = index.previews.put(b"picture")
        with pytest.raises(errors.IndexLockedError, match="process"), LanceIndex.open(bucket).writer():
            pass
    there = LanceIndex.open(bucket)
    view = there.snapshot()
    assert len(view) == 9 and len(view.words("river", 5).rows) == 3
    assert view.nearest(rows.vectors(red, 3, 1), 1)[1].scores[0] == pytest.approx(1.0)
    with index.writer() as writer:
        writer.remove(["/files/1.txt"])
        writer.maintain()
    assert len(there) == 6
    status = there.status()
    assert status.vectors == 6 and status.bytes > 0 and status.uri == bucket
    assert there.previews.get(key) is None  # no row leads to it


def test_a_place_with_other_things_is_refused(bucket: str, red: Space):
    store_at(bucket).put("holiday.jpg", b"x")
    with pytest.raises(errors.StoreError, match=r"holds other things \('holiday.jpg'\)"):
        LanceIndex.create(bucket, red, "m")


def test_a_create_that_was_killed_is_done_again_unless_there_are_rows(bucket: str, red: Space):
    LanceIndex.create(bucket, red, "m")
    store = store_at(bucket)
    files = [one["path"] for chunk in store.list("files.lance/") for one in chunk]
    store.delete(files)
    assert not LanceIndex.exists(bucket)
    index = LanceIndex.create(bucket, red, "m")
    rows.fill(index, 2)
    assert len(index) == 6
    store.delete([one["path"] for chunk in store.list("files.lance/") for one in chunk])
    with pytest.raises(errors.IndexDamagedError, match="'files' is gone"):
        LanceIndex.create(bucket, red, "m")


@pytest.mark.slow
def test_two_readers_beside_a_writer_and_one_that_is_killed(bucket: str, red: Space):
    index = LanceIndex.create(bucket, red, "m")
    with started(WRITER, bucket, Path(__file__).parent, 0, 12) as writer:
        readers = [started(READER, bucket, 60) for _ in range(2)]
        assert writer.stdout.readline() == "ready\n"
        with pytest.raises(errors.IndexLockedError, match=f"process {writer.pid} "), index.writer():
            pass
        told = writer.stdout.read().split()
    assert told == [str(f) for f in range(12)]
    for reader in readers:
        first, last, _ = reader.communicate(timeout=60)[0].split()
        assert reader.returncode == 0 and int(first) < 60 and int(last) == 60
    with started(WRITER, bucket, Path(__file__).parent, 20, 10_000) as writer:
        writer.stdout.readline()
        threading.Timer(1.5, writer.send_signal, [signal.SIGKILL]).start()
        told = [int(line) for line in writer.stdout.read().split()]
    with started(WRITER, bucket, Path(__file__).parent, 10_000, 10_002) as writer:  # waits for the lease to end
        assert [int(line) for line in writer.stdout.read().split()[1:]] == [10_000, 10_001]
    view = LanceIndex.open(bucket).snapshot()
    paths = view.items["path"].to_pylist()
    for f in [*range(12), *told, 10_000, 10_001]:
        assert paths.count(f"/files/{f}.txt") == 5
    assert len(set(paths)) - 14 - len(told) in (0, 1)  # one more, if it was committed and not yet told


@pytest.mark.slow
def test_a_writer_that_slept_too_long_commits_nothing_more(bucket: str, red: Space):
    LanceIndex.create(bucket, red, "m")
    with started(WRITER, bucket, Path(__file__).parent, 0, 10_000) as sleeper:
        for _ in range(3):
            sleeper.stdout.readline()
        sleeper.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        with started(WRITER, bucket, Path(__file__).parent, 10_000, 10_003) as other:
            assert len(other.stdout.read().split()) == 4
        sleeper.send_signal(signal.SIGCONT)
        told = {int(line) for line in sleeper.stdout.read().split()}
        assert sleeper.wait(60) != 0
    there = set(LanceIndex.open(bucket).snapshot().items["path"].to_pylist())
    assert {f"/files/{f}.txt" for f in {0, *told, 10_000, 10_001, 10_002}} <= there
    assert len(there) - len(told) - 5 <= 1


@pytest.mark.slow
def test_the_command_line_indexes_and_searches(bucket: str, tmp_path: Path):
    for name, text in (("a", "The kite flew over the hill."), ("b", "Copper prices fell on Monday.")):
        (tmp_path / f"{name}.txt").write_text(text)

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "samespace", *words, "--index", bucket]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    counts = json.loads(run("index", str(tmp_path), "--model", "hashing:64", "--json", "--quiet"))
    assert counts["encoded"] == 2 and counts["failed"] == 0
    assert json.loads(run("index", str(tmp_path), "--json", "--quiet"))["reused"] == 2
    assert "a.txt" in run("search", "kite hill").splitlines()[0]
    assert json.loads(run("status", "--json"))["vectors"] == 2
