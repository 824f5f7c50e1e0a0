"""Watching: what changes is told once there is peace, by the system or by looking."""

import threading
from pathlib import Path

import pytest
from ingesting import write

from samespace.errors import IndexLockedError, QueryError
from samespace.index.watch import changes, follow


@pytest.mark.parametrize("poll", [True, False])
def test_changes_are_told_and_what_is_not_indexed_is_not(tmp_path: Path, poll: bool) -> None:
    own = tmp_path / "store"
    own.mkdir()
    write(tmp_path, "there.txt", "x")
    stop = threading.Event()
    done = threading.Event()

    def touch() -> None:
        for number in range(200):  # until the watcher, which takes a moment to begin, has seen it
            write(tmp_path, "there.txt", f"changed {number}")
            write(own, "data", str(number))
            write(tmp_path, ".hidden", str(number))
            if done.wait(0.1):
                return
        stop.set()

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        told = next(changes([tmp_path], own=own, stop=stop, poll=poll, debounce=0.05), set())
    finally:
        done.set()
        thread.join()
    assert told == {tmp_path / "there.txt"}


@pytest.mark.parametrize("poll", [True, False])
def test_it_ends_when_stopped(tmp_path: Path, poll: bool) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    assert list(changes([tmp_path], own=None, stop=stop, poll=poll, debounce=0.05)) == []
    timer.join()


def test_an_error_that_time_may_mend_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samespace.index.watch.changes", lambda *_, **__: iter([set()] * 5))
    errors = [QueryError("the drive is gone", "mount it"), IndexLockedError("x", "me")]
    told, calls = [], []

    def update(tidy: bool) -> None:
        calls.append(tidy)
        if errors:
            raise errors.pop(0)

    follow(update, [tmp_path], own=None, stop=threading.Event(), tell=told.append, tidy_every=4)
    assert calls == [False, False, False, True, False] and len(told) == 2
    with pytest.raises(OSError, match="disk"):
        follow(
            lambda _: (_ for _ in ()).throw(OSError("disk")), [tmp_path], own=None, stop=threading.Event(), tell=print
        )
