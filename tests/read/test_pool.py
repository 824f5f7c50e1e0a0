"""Worker processes: a bad file harms itself alone, nothing stays behind, nothing gets out."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from samespace.errors import ReadError
from samespace.items import Locator
from samespace.read import process
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Done, Event, Failed, Limits, Options, Some


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("good")
    for i in range(6):
        (folder / f"{i}.txt").write_text(f"words of file {i}")
    return sorted(folder.iterdir())


def endings(events: list[Event]) -> dict[str, str]:
    """How each file ended, by name."""
    return {e.path.name: e.failure if isinstance(e, Failed) else "done" for e in events if not isinstance(e, Some)}


def gone(pid: int, patience: float = 20.0) -> bool:
    """Whether a process ends within some time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            return True
        time.sleep(0.02)
    return False


def text_of(events: list[Event]) -> str:
    return "".join(p.item.text for e in events if isinstance(e, Some) for p in e.passages)


def test_all_files_are_read_and_their_names_survive(good, tmp_path):
    odd = [tmp_path / "new\nline.txt", tmp_path / "\u202ertl.txt", tmp_path / os.fsdecode(b"not\xffutf8.txt")]
    for path in odd:
        path.write_text("odd words")
    with ReaderPool(Options(), workers=2) as pool:
        events = list(pool.read(iter([*good, *odd])))
    done = [e.path for e in events if isinstance(e, Done)]
    assert sorted(done) == sorted([*good, *odd])
    assert {e.path: e.passages[0].item.text for e in events if isinstance(e, Some)}[good[3]] == "words of file 3"


def test_nothing_to_read_starts_nothing():
    with ReaderPool(Options()) as pool:
        assert list(pool.read([])) == []
        assert not pool._all


def test_a_file_that_kills_its_reader_harms_itself_alone(good, tmp_path, unruly):
    bad = [unruly(tmp_path / "die", "die"), unruly(tmp_path / "leave", "leave")]
    with ReaderPool(Options(), workers=1) as pool:
        events = list(pool.read([*good[:3], *bad, *good[3:]]))
    assert endings(events) == {**{p.name: "done" for p in good}, "die": "crashed", "leave": "crashed"}
    reasons = {e.path.name: e.reason for e in events if isinstance(e, Failed)}
    assert "SIGSEGV" in reasons["die"]
    assert "the decoder fell over" in reasons["die"]
    assert "status 3" in reasons["leave"]


def test_a_file_is_tried_again_if_its_reader_was_not_fresh(good, tmp_path, unruly):
    once = unruly(tmp_path / "once", f"die_once {tmp_path / 'mark'}")
    with ReaderPool(Options(), workers=1) as pool:
        events = list(pool.read([good[0], once]))
    assert endings(events)["once"] == "done"
    assert text_of(events).count("second try") == 1


def test_a_file_that_hangs_is_given_up(good, tmp_path, unruly):
    bad = [unruly(tmp_path / "sleep", f"sleep {tmp_path / 'pid'}"), unruly(tmp_path / "spin", "spin")]
    with ReaderPool(Options(limits=Limits(wall_seconds=2.0)), workers=2) as pool:
        events = list(pool.read([*good[:2], *bad, *good[2:]]))
        assert gone(int((tmp_path / "pid").read_text()))
    assert endings(events) == {**{p.name: "done" for p in good}, "sleep": "timeout", "spin": "timeout"}
    assert "wall_seconds" in next(e.mend for e in events if isinstance(e, Failed))


def test_a_slow_caller_is_no_hang_of_the_file(tmp_path, unruly):
    flood = unruly(tmp_path / "flood", f"flood 4 {tmp_path / 'note'}")
    with ReaderPool(Options(limits=Limits(wall_seconds=1.2)), workers=1) as pool:
        events = []
        for event in pool.read([flood]):
            events.append(event)
            if len(events) < 3:
                time.sleep(0.7)
    assert endings(events) == {"flood": "done"}


def test_a_reader_waits_for_a_slow_caller(tmp_path, unruly):
    flood = unruly(tmp_path / "flood", f"flood 40 {tmp_path / 'note'}")
    with ReaderPool(Options(), workers=1) as pool:
        stream = pool.read([flood])
        assert isinstance(next(stream), Some)
        time.sleep(0.5)
        assert int((tmp_path / "note").read_text()) <= 4, "megabytes read ahead"
        assert len(list(stream)) == 40


def test_too_much_memory_is_too_big(good, tmp_path, unruly):
    big = unruly(tmp_path / "big", f"eat {3 << 30}")
    with ReaderPool(Options(limits=Limits(memory_bytes=1 << 30)), workers=1) as pool:
        events = list(pool.read([big, good[0]]))
    assert endings(events) == {"big": "too_big", good[0].name: "done"}


@pytest.mark.slow
def test_too_much_cpu_time_is_a_timeout(good, tmp_path, unruly):
    with ReaderPool(Options(limits=Limits(cpu_seconds=1)), workers=1) as pool:
        events = list(pool.read([unruly(tmp_path / "spin", "spin"), good[0]]))
    assert endings(events) == {"spin": "timeout", good[0].name: "done"}
    assert "CPU" in next(e.reason for e in events if isinstance(e, Failed))


def test_a_reader_cannot_reach_the_network(tmp_path, unruly):
    bad = [unruly(tmp_path / "call", "call"), unruly(tmp_path / "name", "ask_name")]
    with ReaderPool(Options(), workers=1) as pool:
        reasons = [e.reason for e in pool.read(bad) if isinstance(e, Failed)]
    assert len(reasons) == 2
    assert all("no business on the network" in reason for reason in reasons)


def test_what_a_taken_over_reader_sends_is_not_carried_out(tmp_path, unruly):
    with ReaderPool(Options(), workers=1) as pool:
        events = list(pool.read([unruly(tmp_path / "lie", f"lie {tmp_path / 'owned'}")]))
    assert endings(events) == {"lie": "crashed"}
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
def test_half_a_message_does_not_hold_the_pool(good, tmp_path, unruly, monkeypatch):
    monkeypatch.setattr(process, "_SECONDS_MID_MESSAGE", 1)
    with ReaderPool(Options(), workers=1) as pool:
        events = list(pool.read([unruly(tmp_path / "half", "half"), good[0]]))
    assert endings(events) == {"half": "crashed", good[0].name: "done"}
    assert "stopped answering" in next(e.reason for e in events if isinstance(e, Failed))


def test_a_passage_that_cannot_travel_fails_its_file_alone(good, tmp_path, unruly):
    with ReaderPool(Options(), workers=1) as pool:
        assert endings(list(pool.read([unruly(tmp_path / "lock", "lock"), good[0]]))) == {
            "lock": "decode",
            good[0].name: "done",
        }


@pytest.mark.slow
def test_a_passage_too_large_to_travel_fails_its_file_alone(good, tmp_path, unruly):
    huge = unruly(tmp_path / "huge", f"huge {(256 << 20) + 1}")
    with ReaderPool(Options(), workers=1) as pool:
        assert endings(list(pool.read([huge, good[0]]))) == {"huge": "too_big", good[0].name: "done"}


def test_closing_leaves_no_process_and_no_file(tmp_path, unruly):
    with ReaderPool(Options(), workers=1) as pool:
        pid, folder, nice = text_of(list(pool.read([unruly(tmp_path / "pid", "pid")]))).split()
        assert Path(folder).is_dir()
        assert int(nice) >= 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert not Path(folder).exists()
    with pytest.raises(RuntimeError, match="with block"):
        list(pool.read([tmp_path / "pid"]))


def test_leaving_in_the_middle_ends_the_reader_and_the_pool_goes_on(good, tmp_path, unruly):
    with ReaderPool(Options(), workers=1) as pool:
        stream = pool.read([unruly(tmp_path / "sleep", "sleep")])
        pid = int(next(stream).passages[0].item.text)
        stream.close()
        assert gone(pid)
        assert endings(list(pool.read(good[:1]))) == {good[0].name: "done"}


def test_closing_from_another_thread_ends_a_reading(tmp_path, unruly):
    pool = ReaderPool(Options(), workers=1)
    stream = pool.read([unruly(tmp_path / "sleep", "sleep")])
    pid = int(next(stream).passages[0].item.text)
    timer = threading.Timer(0.2, pool.close)
    timer.start()
    with pytest.raises(RuntimeError, match="closed"):
        list(stream)
    timer.join()
    assert gone(pid)


def test_several_threads_share_a_pool(good):
    results: list[dict[str, str]] = []
    with ReaderPool(Options(), workers=2) as pool:
        threads = [threading.Thread(target=lambda: results.append(endings(list(pool.read(good))))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(pool._all) <= 2
    assert results == [{p.name: "done" for p in good}] * 3


_PARENT = """
import sys
from pathlib import Path
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Options, Some
sys.path.insert(0, sys.argv[2])
with ReaderPool(Options(), workers=1) as pool:
    for event in pool.read([Path(sys.argv[1])]):
        print(event.passages[0].item.text, flush=True)
"""


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_readers_end_with_their_parent(tmp_path, unruly, blow):
    sleep = unruly(tmp_path / "sleep", "sleep")
    place = next(p for p in sys.path if (Path(p) / "unruly_reader.py").exists())
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(sleep), place],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        os.killpg(parent.pid, blow)  # as a terminal does for Ctrl-C
        assert parent.wait(20) != 0
    assert gone(pid)
    assert not list(Path(tempfile.gettempdir()).glob(f"samespace-read-{parent.pid}-*"))


_CARELESS = """
import sys
from pathlib import Path
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Options
pool = ReaderPool(Options(), workers=1)
list(pool.read([Path(sys.argv[1])]))
print(*(process.pid for process in pool._all))
"""


def test_a_pool_that_nobody_closed_ends_with_its_process(good):
    with subprocess.Popen([sys.executable, "-c", _CARELESS, str(good[0])], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.read())
    assert gone(pid)
    assert not list(Path(tempfile.gettempdir()).glob(f"samespace-read-{parent.pid}-*"))


@pytest.mark.slow
def test_a_stuck_reader_ends_without_its_parent_too(tmp_path, unruly):
    """Its Python is stuck in one endless match, so no thread of it hears that the parent is gone."""
    stuck = unruly(tmp_path / "stuck", "stick")
    place = next(p for p in sys.path if (Path(p) / "unruly_reader.py").exists())
    words = _PARENT.replace("Options()", "Options(limits=Limits(wall_seconds=1.0))").replace("Some", "Limits")
    parent = subprocess.Popen([sys.executable, "-c", words, str(stuck), place], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        time.sleep(0.5)  # until it is stuck
        parent.kill()
        parent.wait()
    assert gone(pid, 40)


def test_a_reader_of_text_loads_nothing_heavy():
    words = "import sys, samespace.read.worker, samespace.read.text; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "samespace.read.text" in loaded
    heavy = {
        "lxml",
        "bs4",
        "openpyxl",
        "PIL",
        "av",
        "pypdfium2",
        "onnxruntime",
        "torch",
        "charset_normalizer",
        "asyncio",
    }
    assert not loaded & heavy


def test_a_place_is_shown_as_webp(tmp_path):
    from PIL import Image

    Image.new("RGB", (300, 200), "red").save(tmp_path / "a.png")
    with ReaderPool(Options(), workers=1) as pool:
        made = pool.render(tmp_path / "a.png", Locator(), 100)
    assert (made[:4], made[8:12]) == (b"RIFF", b"WEBP")


def test_a_place_that_cannot_be_shown_is_an_error_and_no_end(good):
    with ReaderPool(Options(), workers=1) as pool:
        with pytest.raises(ReadError):
            pool.render(good[0], Locator(), 100)
        with pytest.raises(ReadError) as err:
            pool.render(good[0].with_name("gone"), Locator(), 100)
        assert err.value.failure == "vanished"
        assert endings(list(pool.read(good[:1]))) == {good[0].name: "done"}


def test_a_pool_needs_a_worker():
    with pytest.raises(ValueError, match="at least 1"):
        ReaderPool(Options(), workers=0)
