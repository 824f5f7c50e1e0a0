"""Commits behind the encoder: in order, counted when they are on the disk, and never cut off by what happens before."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from ingesting import Recording, every_vector_is_its_own, words, write

from samespace.encode import hashing
from samespace.errors import StoreError
from samespace.index.batch import Batch, Task
from samespace.index.flat import FlatIndex
from samespace.index.ingest import ingest
from samespace.index.progress import Counts
from samespace.index.protocol import FileRow, ItemRow
from samespace.items import Locator, Text

ENCODER = hashing.load("64")
PATIENCE = 60.0  # seconds; only a broken test waits so long


class Watched(FlatIndex):
    """Calls `at_commit(number)` before each commit and notes what was under way when the lock went."""

    def __init__(self, at_commit) -> None:
        super().__init__(ENCODER.space)
        self.at_commit, self.commits, self.under_way = at_commit, 0, 0
        self.cut_off = None

    @contextmanager
    def writer(self, *, wait: float = 0.0):
        with super().writer(wait=wait) as inner:
            plain = inner.commit

            def commit(files, items, digests, vectors):
                self.commits += 1
                self.under_way += 1
                try:
                    self.at_commit(self.commits)
                    plain(files, items, digests, vectors)
                finally:
                    self.under_way -= 1

            inner.commit = commit
            try:
                yield inner
            finally:
                self.cut_off = self.under_way


def note(name: str, number: int, batch: Batch, settled: list[str]) -> None:
    """Put a file of one passage into a batch."""
    text = Text(words(number))
    task = Task(lambda _: FileRow(name, "/r", 1, 1.0, name, name, "indexed"), lambda _, row: settled.append(row.path))
    batch.add(ItemRow(f"{name}-0", name, text.digest(), "text", "text", "body", Locator(), text.text), text, task)
    batch.finish(task)


def test_the_next_batch_is_encoded_while_one_is_committed(tmp_path: Path) -> None:
    second = threading.Event()
    calls = []

    def encoding(texts: list[str]) -> None:
        calls.append(texts)
        if len(calls) == 2:
            second.set()

    index = Watched(lambda number: number > 1 or second.wait(PATIENCE) or pytest.fail("nothing was encoded meanwhile"))
    for i in range(80):
        write(tmp_path, f"{i}.txt", words(i))
    counts = ingest(index, Recording(ENCODER, at_call=encoding), [tmp_path])
    assert (counts.encoded, counts.passages) == (80, 80) and every_vector_is_its_own(index, ENCODER) == 80


def test_what_is_being_committed_is_not_encoded_again_and_not_settled_yet() -> None:
    may, settled = threading.Event(), list[str]()
    index, recording, counts = Watched(lambda number: may.wait(PATIENCE)), Recording(ENCODER), Counts()
    with index.writer() as writer, Batch(writer, recording, counts) as batch:
        note("a", 1, batch, settled)
        batch.send()
        batch.settle()
        assert (settled, counts.passages, batch.busy, index.files()) == ([], 0, True, {})
        note("b", 1, batch, settled)
        threading.Timer(0.1, may.set).start()
        batch.send()  # waits for the first
        assert settled == ["a"] and recording.texts == [words(1)]
        batch.flush()
        assert (settled, counts.passages, batch.busy) == (["a", "b"], 1, False)
    assert set(index.files()) == {"a", "b"} and every_vector_is_its_own(index, ENCODER) == 2


def test_an_error_of_the_store_comes_out_once_and_nothing_after_it_is_written(tmp_path: Path) -> None:
    def refuse(number: int) -> None:
        if number == 2:
            raise StoreError("/x", "no space is left", "Make room")

    for i in range(200):
        write(tmp_path, f"{i:03}.txt", words(i))
    index = Watched(refuse)
    told = []
    with pytest.raises(StoreError, match="no space is left"):
        ingest(index, Recording(ENCODER), [tmp_path], progress=told.append)
    assert index.commits == 2 and 0 < len(index.files()) < 200
    assert max(p.files for p in told) <= len(index.files()) and told[-1].passages <= len(index._vectors)
    index.at_commit = lambda number: None
    assert ingest(index, Recording(ENCODER), [tmp_path]).seen == len(index.files()) == 200


@pytest.mark.parametrize("with_error", [False, True])
def test_the_lock_goes_after_the_last_commit_whatever_ends_it(tmp_path: Path, with_error: bool, monkeypatch) -> None:
    monkeypatch.setattr("samespace.index.batch._MOST", 64)
    begun, ended = threading.Event(), threading.Event()
    stop, calls = threading.Event(), []

    def encoding(texts: list[str]) -> None:
        calls.append(texts)
        if len(calls) == 2:
            assert begun.wait(PATIENCE)
            stop.set()
            ended.set()
            if with_error:
                raise KeyboardInterrupt

    def commit(number: int) -> None:
        begun.set()
        assert ended.wait(PATIENCE)
        threading.Event().wait(0.3)  # long enough for a lock that does not wait to be gone

    for i in range(200):
        write(tmp_path, f"{i:03}.txt", words(i))
    index = Watched(commit)
    recording = Recording(ENCODER, at_call=encoding)
    if with_error:
        with pytest.raises(KeyboardInterrupt):
            ingest(index, recording, [tmp_path])
        assert len(index._vectors) == len(calls[0])
    else:
        counts = ingest(index, recording, [tmp_path], stop=stop)
        assert counts.stopped and counts.encoded == len(index.files()) <= len(recording.texts) < 200
    assert index.cut_off == 0 and every_vector_is_its_own(index, ENCODER) == len(index.files()) > 0


def test_a_reader_that_is_far_ahead_is_let_go_when_the_run_stops(tmp_path: Path, monkeypatch) -> None:
    """It waits for room that nobody makes any more."""
    monkeypatch.setattr("samespace.index.ingest._AHEAD", 2)
    stop = threading.Event()
    for i in range(60):
        write(tmp_path, f"{i:03}.txt", words(i))
    recording = Recording(ENCODER, at_call=lambda texts: stop.set())
    run = threading.Thread(target=ingest, args=(FlatIndex(ENCODER.space), recording, [tmp_path]), kwargs={"stop": stop})
    run.daemon = True
    run.start()
    run.join(PATIENCE)
    assert not run.is_alive() and 0 < len(recording.texts) < 60


FULL = """
import resource, signal, sys
from samespace.encode import hashing
from samespace.errors import SamespaceError
from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
uri, folder = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
encoder = hashing.load("256")
index = LanceIndex.create(uri, encoder.space, "hashing:256")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
told = []
try:
    ingest(index, encoder, [folder], progress=told.append)
except SamespaceError as err:
    print(type(err).__name__, len(str(err).splitlines()), max(p.files for p in told))
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_one_error_and_what_counted_is_there(tmp_path: Path) -> None:
    """The first batch is small and fits; the second makes a file that the system refuses."""
    from samespace.index.lance import LanceIndex

    for i in range(400):
        write(tmp_path / "notes", f"{i:03}.txt", words(i))
    uri, encoder = str(tmp_path / "x.index"), hashing.load("256")
    ran = subprocess.run(
        [sys.executable, "-c", FULL, uri, str(tmp_path / "notes")], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    name, lines, files = ran.stdout.split()
    assert (name, lines) == ("StoreError", "2")
    index = LanceIndex.open(uri)
    assert int(files) <= len(index.snapshot().items) < 400
    counts = ingest(index, encoder, [tmp_path / "notes"])
    assert counts.reused >= int(files) and counts.reused + counts.encoded == 400
    assert every_vector_is_its_own(index, encoder) == 400
