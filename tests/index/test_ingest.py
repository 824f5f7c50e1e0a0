"""Ingest: nothing is embedded twice, nothing shifts, nothing is lost."""

import json
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingesting import POISON, Recording, every_vector_is_its_own, words, write

from samespace.encode import hashing
from samespace.errors import IndexLockedError, QueryError, SpaceMismatchError
from samespace.index.flat import FlatIndex
from samespace.index.ingest import ingest
from samespace.index.scan import encode_path
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Done, Limits, Options

BAD = {
    "empty": b"",
    "pdf": b"%PDF-1.7\nbroken all over",
    "zip": b"PK\x03\x04" + bytes(range(256)),
    "png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    "unknown": bytes(range(256)) * 8,
    "poison": f"A sentence with {POISON} in it, long enough to be a passage.".encode(),
}


@pytest.fixture
def recording(encoder) -> Recording:
    return Recording(encoder)


@pytest.fixture
def index(encoder) -> FlatIndex:
    return FlatIndex(encoder.space)


def rows(index) -> dict[str, object]:
    return {Path(path).name: row for path, row in index.files().items()}


def balance(counts) -> None:
    assert counts.seen == counts.encoded + counts.named + counts.reused + counts.failed


def test_twice_renamed_changed_deleted(tmp_path: Path, index, recording) -> None:
    """The life of a folder, each step with its cost."""
    for i in range(12):
        write(tmp_path, f"d{i % 3}/n{i}.txt", words(i))
    first = ingest(index, recording, [tmp_path])
    assert (first.seen, first.encoded, first.passages, first.failed) == (12, 12, len(recording.texts), 0)

    recording.texts.clear()
    again = ingest(index, recording, [tmp_path])
    assert (again.seen, again.encoded, again.reused, recording.texts) == (12, 0, 12, [])

    (tmp_path / "d0/n0.txt").rename(tmp_path / "renamed.txt")
    (tmp_path / "d1").rename(tmp_path / "moved")
    moved = ingest(index, recording, [tmp_path])
    assert (moved.encoded, moved.reused, moved.moved, moved.removed, recording.texts) == (0, 12, 5, 0, [])
    assert {Path(p).relative_to(tmp_path).parts[0] for p in index.files()} == {"d0", "d2", "moved", "renamed.txt"}

    write(tmp_path, "d2/n2.txt", words(99))
    changed = ingest(index, recording, [tmp_path])
    assert (changed.encoded, changed.reused, changed.passages) == (1, 11, 1)
    assert [words(99)] == recording.texts

    (tmp_path / "renamed.txt").unlink()
    gone = ingest(index, recording, [tmp_path])
    assert (gone.seen, gone.removed, gone.reused, gone.encoded) == (11, 1, 11, 0)
    assert "renamed.txt" not in rows(index) and words(0) not in index.snapshot().items["text"].to_pylist()
    assert every_vector_is_its_own(index, recording.inner) == 11
    for counts in (first, again, moved, changed, gone):
        balance(counts)


def test_a_changed_sentence_costs_its_own_passages_only(tmp_path: Path, index, recording) -> None:
    paragraphs = [words(i, sentences=8) for i in range(12)]
    write(tmp_path, "long.txt", "\n\n".join(paragraphs))
    whole = ingest(index, recording, [tmp_path]).passages
    assert whole >= 10
    recording.texts.clear()
    paragraphs[-1] += " One more."
    write(tmp_path, "long.txt", "\n\n".join(paragraphs))
    counts = ingest(index, recording, [tmp_path])
    assert 1 <= counts.passages <= 2 and counts.encoded == 1
    assert all("One more" in text for text in recording.texts)
    assert every_vector_is_its_own(index, recording.inner) == len(index.snapshot().items)


def test_passages_keep_their_order_and_their_places(tmp_path: Path, index, recording) -> None:
    text = "\n\n".join(words(i, sentences=6) for i in range(8))
    write(tmp_path, "long.txt", text)
    ingest(index, recording, [tmp_path])
    items = index.snapshot().items
    positions = items["position"].to_pylist()
    assert positions == list(range(len(positions))) and len(positions) > 4
    for passage, locator in zip(items["text"].to_pylist(), items["locator"].to_pylist(), strict=True):
        start, end = json.loads(locator)["chars"]
        assert text[start:end] == passage


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(tmp_path: Path, index, recording, monkeypatch):
    """Its hash would be of other bytes than its passages."""
    file, inner = write(tmp_path, "log.txt", words(1)), ReaderPool.read

    def read(pool, paths):
        for event in inner(pool, paths):
            if isinstance(event, Done):
                file.write_text(words(2) + "more")
            yield event

    with monkeypatch.context() as patched:
        patched.setattr(ReaderPool, "read", read)
        assert ingest(index, recording, [tmp_path]).failed == 1
    assert rows(index)["log.txt"].failure == "vanished" and len(index.snapshot()) == 0
    counts = ingest(index, recording, [tmp_path])
    assert (counts.failed, counts.encoded) == (0, 1)
    assert index.snapshot().items["text"].to_pylist() == [words(2) + "more"]


def test_a_touched_file_is_hashed_and_not_read(tmp_path: Path, index, recording) -> None:
    file = write(tmp_path, "a.txt", words(1))
    ingest(index, recording, [tmp_path])
    os.utime(file, (1_600_000_000, 1_600_000_000))
    counts = ingest(index, recording, [tmp_path])
    assert (counts.reused, counts.encoded) == (1, 0)
    assert rows(index)["a.txt"].modified == 1_600_000_000


def test_an_unchanged_file_is_not_opened(tmp_path: Path, index, recording) -> None:
    file = write(tmp_path, "a.txt", "x" * 100 + words(1))
    os.utime(file, (1_600_000_000, 1_600_000_000))
    ingest(index, recording, [tmp_path])
    file.write_text("y" * 100 + words(1))  # same size, and the time put back: only opening it would tell
    os.utime(file, (1_600_000_000, 1_600_000_000))
    assert ingest(index, recording, [tmp_path]).reused == 1
    assert index.snapshot().items["text"].to_pylist()[0].startswith("x")


def test_a_file_that_changes_in_the_tick_it_was_indexed_in_is_seen_to_change(tmp_path: Path, index, recording) -> None:
    file = write(tmp_path, "a.txt", "x" * 60)
    now = time.time_ns() + 10**9  # as fresh as can be, however slow this machine
    os.utime(file, ns=(now, now))
    ingest(index, recording, [tmp_path])
    file.write_text("y" * 60)
    os.utime(file, ns=(now, now))
    assert ingest(index, recording, [tmp_path]).encoded == 1


def test_copies_are_read_and_encoded_once(tmp_path: Path, index, recording, monkeypatch) -> None:
    for i in range(5):
        write(tmp_path, f"{i}.txt", words(7))
    read, inner = [], ReaderPool.read
    monkeypatch.setattr(ReaderPool, "read", lambda pool, paths: inner(pool, (read.append(p) or p for p in paths)))
    counts = ingest(index, recording, [tmp_path])
    assert read == [tmp_path / "0.txt"]
    assert (counts.encoded, counts.reused, recording.texts) == (1, 4, [words(7)])
    assert len(index.snapshot().items) == 5


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["good", "twin", *BAD]), max_size=12))
def test_any_mix_of_good_and_bad_files_shifts_nothing(tmp_path_factory, encoder, mix: list[str]) -> None:
    """One bad file once shifted every later result by one, for good."""
    folder = tmp_path_factory.mktemp("mix")
    for i, sort in enumerate(mix):
        suffix = {"good": "txt", "twin": "txt", "poison": "txt"}.get(sort, sort)
        content = words(i) if sort == "good" else words(-1) if sort == "twin" else BAD[sort]
        write(folder, f"{i:02}.{suffix}", content)
    write(folder, "last.txt", words(1000))
    index = FlatIndex(encoder.space)
    counts = ingest(index, Recording(encoder), [folder])
    good = sum(sort in ("good", "twin") for sort in mix) + 1
    assert (counts.seen, counts.failed) == (len(mix) + 1, len(mix) + 1 - good)
    balance(counts)
    assert every_vector_is_its_own(index, encoder) == good
    snapshot = index.snapshot()
    by_path = dict(zip(snapshot.items["path"].to_pylist(), snapshot.items["text"].to_pylist(), strict=True))
    for i, sort in enumerate(mix):
        if sort in ("good", "twin"):
            assert by_path[str(folder / f"{i:02}.txt")] == words(i if sort == "good" else -1)


def test_failures_are_listed_with_class_reason_and_mend(tmp_path: Path, index, recording) -> None:
    for name, content in BAD.items():
        write(tmp_path, f"{name}.txt" if name == "poison" else f"f.{name}", content)
    ingest(index, recording, [tmp_path])
    found = {name: row.failure for name, row in rows(index).items()}
    assert found == {
        "f.empty": "empty",
        "f.pdf": "decode",
        "f.zip": "unsupported",
        "f.png": "decode",
        "f.unknown": "unsupported",
        "poison.txt": "decode",
    }
    assert all(row.reason and row.mend and row.status == "failed" for row in rows(index).values())
    assert "stumbled over a passage" in rows(index)["poison.txt"].reason


def test_a_file_that_went_bad_is_not_found_by_its_old_words(tmp_path: Path, index, recording) -> None:
    write(tmp_path, "a.txt", words(1))
    ingest(index, recording, [tmp_path])
    write(tmp_path, "a.txt", BAD["zip"])
    assert ingest(index, recording, [tmp_path]).failed == 1
    assert (rows(index)["a.txt"].status, index.snapshot().items.num_rows) == ("failed", 0)


def test_a_failure_is_tried_again_when_it_changes_or_is_asked_for(tmp_path: Path, index, encoder) -> None:
    write(tmp_path, "a.txt", BAD["poison"])
    ingest(index, Recording(encoder), [tmp_path])
    healthy = Recording(encoder)
    healthy.encode = encoder.encode  # it has learnt the word
    assert ingest(index, healthy, [tmp_path]).failed == 1, "nothing changed, nothing is tried"
    assert ingest(index, healthy, [tmp_path], retry_failed=True).encoded == 1
    write(tmp_path, "b.pdf", BAD["pdf"])
    assert ingest(index, healthy, [tmp_path]).failed == 1
    write(tmp_path, "b.pdf", words(5))
    assert (counts := ingest(index, healthy, [tmp_path])).encoded == 1 and counts.failed == 0


def test_other_options_read_again_and_a_higher_limit_retries(tmp_path: Path, index, recording) -> None:
    write(tmp_path, "a.txt", words(1, sentences=12))
    write(tmp_path, "b.txt", words(2, sentences=90))
    small = Options(limits=Limits(file_bytes=2000))
    assert ingest(index, recording, [tmp_path], options=small).failed == 1
    assert rows(index)["b.txt"].failure == "too_big"
    counts = ingest(index, recording, [tmp_path])
    assert (counts.failed, counts.encoded, counts.reused) == (0, 1, 1), "a higher limit touches only what failed"
    shorter = Options(passage_chars=200, overlap_chars=20)
    assert ingest(index, recording, [tmp_path], options=shorter).encoded == 2
    assert ingest(index, recording, [tmp_path], options=shorter).encoded == 0


def test_a_broken_encoder_is_not_taken_for_broken_files(tmp_path: Path, index, encoder) -> None:
    def fail(texts):
        raise RuntimeError("no memory on the device")

    for i in range(6):
        write(tmp_path, f"{i}.txt", words(i))
    with pytest.raises(RuntimeError, match="no memory on the device"):
        ingest(index, Recording(encoder, at_call=fail), [tmp_path])
    assert index.files() == {}


def test_an_interrupted_run_keeps_what_it_committed_and_the_next_goes_on(tmp_path: Path, index, encoder) -> None:
    for i in range(100):
        write(tmp_path, f"{i:03}.txt", words(i))
    calls = []

    def interrupt(texts):
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt

    first = Recording(encoder, at_call=interrupt)
    with pytest.raises(KeyboardInterrupt):
        ingest(index, first, [tmp_path])
    assert 0 < len(index.files()) < 100
    assert every_vector_is_its_own(index, encoder) == len(index.files())
    second = Recording(encoder)
    counts = ingest(index, second, [tmp_path])
    assert sorted(first.texts + second.texts) == sorted(words(i) for i in range(100)), "each once"
    assert counts.seen == 100 and every_vector_is_its_own(index, encoder) == 100


@pytest.mark.slow
def test_stop_ends_in_order_and_forgets_nothing(tmp_path: Path, index, encoder) -> None:
    for i in range(100):
        write(tmp_path, f"{i:03}.txt", words(i))
    stop = threading.Event()
    first = Recording(encoder, at_call=lambda texts: stop.set())
    write(tmp_path, "gone.txt", words(-5))
    ingest(index, Recording(encoder), [tmp_path / "gone.txt"])
    (tmp_path / "gone.txt").unlink()
    counts = ingest(index, first, [tmp_path], stop=stop)
    assert counts.stopped and counts.removed == 0 and "gone.txt" in rows(index)
    assert 0 < counts.encoded == len(index.files()) - 1 < 100
    second = Recording(encoder)
    assert ingest(index, second, [tmp_path]).removed == 1
    assert len(first.texts + second.texts) == 100


@pytest.mark.slow
def test_a_long_file_is_committed_in_pieces_and_shows_when_it_is_whole(tmp_path: Path, index, encoder) -> None:
    """Its passages are there before its row is; the next run embeds only what is missing."""
    write(tmp_path, "long.txt", "\n\n".join(words(i, sentences=2) for i in range(700)))
    short = Options(passage_chars=120, overlap_chars=0)
    calls = []

    def interrupt(texts):
        calls.append(len(texts))
        if len(calls) == 3:
            assert index._vectors and len(index.snapshot()) == 0, "pieces are kept and not shown"
            raise KeyboardInterrupt

    first = Recording(encoder, at_call=interrupt)
    with pytest.raises(KeyboardInterrupt):
        ingest(index, first, [tmp_path], options=short)
    second = Recording(encoder)
    assert ingest(index, second, [tmp_path], options=short).encoded == 1
    assert not set(first.texts) & set(second.texts)
    assert every_vector_is_its_own(index, encoder) == len(first.texts + second.texts)


def test_reading_and_encoding_overlap_in_two_threads(tmp_path: Path, index, encoder) -> None:
    """While the first batch is encoded, reading goes on: everything is read before the second batch."""
    for i in range(80):
        write(tmp_path, f"{i:03}.txt", words(i))
    seen = []
    recording = Recording(encoder, at_call=lambda texts: seen.append(threading.active_count()))
    ingest(index, recording, [tmp_path])
    assert len(seen) > 1 and seen[0] > 1
    assert recording.threads == {threading.get_ident()}, "a model is used from the caller's thread only"


def test_an_empty_folder_is_nothing_and_no_error(tmp_path: Path, index, recording) -> None:
    counts = ingest(index, recording, [tmp_path])
    assert (counts.seen, counts.failed, counts.stopped) == (0, 0, False)


def test_an_emptied_folder_may_be_a_drive_that_is_not_mounted(tmp_path: Path, index, recording) -> None:
    folder = tmp_path / "drive"
    file = write(folder, "a.txt", words(1))
    ingest(index, recording, [folder])
    file.unlink()
    with pytest.raises(QueryError, match=r"knows 1 files in it\n.*--forget"):
        ingest(index, recording, [folder])
    assert len(index.files()) == 1
    folder.rmdir()
    with pytest.raises(QueryError, match=r"no such file or folder\n.*--forget"):
        ingest(index, recording, [folder])
    assert ingest(index, recording, [folder], forget=True).removed == 1
    assert index.files() == {}


def test_only_what_is_under_the_roots_is_forgotten(tmp_path: Path, index, recording) -> None:
    for name in ("a/1.txt", "a/2.txt", "ab/3.txt"):
        write(tmp_path, name, words(hash(name) % 97))
    ingest(index, recording, [tmp_path])
    (tmp_path / "a/1.txt").unlink()
    (tmp_path / "ab/3.txt").unlink()
    assert ingest(index, recording, [tmp_path / "a"]).removed == 1
    assert set(rows(index)) == {"2.txt", "3.txt"}, "ab is not under a"


@pytest.fixture
def locked():
    """A folder that the superuser, who may read everything, looks at as nobody."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    superuser = os.geteuid() == 0
    if superuser:
        os.chown(root, 65534, -1)

    @contextmanager
    def nobody():
        if superuser:
            os.seteuid(65534)
        try:
            yield
        finally:
            if superuser:
                os.seteuid(0)

    yield root, nobody
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o755)
    shutil.rmtree(root)


def test_a_folder_that_cannot_be_looked_at_is_not_taken_for_empty(index, recording, locked) -> None:
    root, nobody = locked
    write(root, "shut/a.txt", words(1))
    ingest(index, recording, [root])
    write(root, "new.txt", words(3)).chmod(0)
    (root / "shut").chmod(0)
    with nobody():
        counts = ingest(index, recording, [root])
    assert (counts.removed, counts.failed) == (0, 2)
    assert {n: r.failure for n, r in rows(index).items()} == {
        "a.txt": "",
        "new.txt": "permission",
        "shut": "permission",
    }
    (root / "shut").chmod(0o755)
    (root / "new.txt").chmod(0o644)
    recording.texts.clear()
    after = ingest(index, recording, [root])
    assert (after.failed, after.seen, after.removed, recording.texts) == (0, 2, 0, [words(3)])
    assert set(rows(index)) == {"a.txt", "new.txt"}


def test_what_is_known_of_a_file_stays_while_it_cannot_be_read(index, recording, locked) -> None:
    root, nobody = locked
    file = write(root, "b.txt", words(2))
    ingest(index, recording, [root])
    os.utime(file, (1, 1))
    file.chmod(0)
    with nobody():
        assert ingest(index, recording, [root]).failed == 1
    row = rows(index)["b.txt"]
    assert (row.status, row.failure) == ("indexed", "permission")
    assert index.snapshot().items["text"].to_pylist() == [words(2)], "the old words are still found"
    file.chmod(0o644)
    recording.texts.clear()
    counts = ingest(index, recording, [root])
    assert (counts.failed, counts.reused, recording.texts, rows(index)["b.txt"].failure) == (0, 1, [], "")


def test_names_of_every_sort_are_indexed_and_reused(tmp_path: Path, index, recording) -> None:
    odd = [b"two\nlines.txt", "right\u202eto.txt".encode(), b"caf\xe9.txt"]
    for i, raw in enumerate(odd):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw)).write_text(words(i))
    assert ingest(index, recording, [tmp_path]).encoded == 3
    assert ingest(index, recording, [tmp_path]).reused == 3
    assert {encode_path(os.fsdecode(raw)) for raw in odd} == set(rows(index))


def test_the_index_itself_is_not_indexed(tmp_path: Path, recording) -> None:
    index = FlatIndex(recording.space)
    index.uri = str(tmp_path / "store")
    write(tmp_path, "store/data.txt", words(1))
    write(tmp_path, "a.txt", words(2))
    assert ingest(index, recording, [tmp_path]).seen == 1
    with pytest.raises(QueryError, match="is the index itself"):
        ingest(index, recording, [tmp_path / "store"])


def test_another_model_is_refused_and_so_is_a_second_writer(tmp_path: Path, index) -> None:
    with pytest.raises(SpaceMismatchError, match="hashing-64"):
        ingest(index, hashing.load("64"), [tmp_path])
    with index.writer(), pytest.raises(IndexLockedError):
        ingest(index, hashing.load("256"), [tmp_path])


def test_progress_tells_rate_and_time_left_and_ends_with_done(tmp_path: Path, index, recording) -> None:
    for i in range(60):
        write(tmp_path, f"{i}.txt", words(i))
    told = []
    ingest(index, recording, [tmp_path], progress=told.append)
    assert [p.stage for p in told if p.stage != "read"] == ["scan", "tidy", "done"]
    last = told[-1]
    assert (last.files, last.total, last.seen, last.passages) == (60, 60, 60, 60)
    assert all(p.files <= p.total and (p.eta is None or p.eta >= 0) for p in told if p.stage == "read")
