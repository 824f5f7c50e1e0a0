"""What a reader may not do, native code included; and what it may take."""

import subprocess
import sys

import pytest

from samespace.read import sandbox
from samespace.read.pool import ReaderPool
from samespace.read.process import Process
from samespace.read.protocol import Failed, Limits, Options, Some

# Native calls, so that Python's own refusal is passed by. Each line prints the C library's result and errno.
_NATIVE = """
import ctypes, os, threading
from samespace.read import sandbox
libc = ctypes.CDLL(None, use_errno=True)
late = threading.Event()
said = {}

def call(name, *args):
    ctypes.set_errno(0)
    said[name + str(args[:1])] = (getattr(libc, name)(*args), ctypes.get_errno())

def wait():
    late.wait()
    call("socket", 2, 1, 0)

thread = threading.Thread(target=wait)
thread.start()
held = sandbox.close_in()
late.set()
thread.join()
call("socket", 10, 2, 0)
call("socket", 1, 1, 0)
call("connect", 0, b"", 0)
call("execve", b"/bin/true", None, None)
call("fork")
call("ptrace", 0, 0, 0, 0)
call("kill", os.getppid(), 0)
call("kill", os.getpid(), 0)
after = threading.Thread(target=said.__setitem__, args=("thread", (0, 0)))
after.start()
after.join()
print(held, said)
"""


def native() -> tuple[bool, dict[str, tuple[int, int]]]:
    done = subprocess.run([sys.executable, "-c", _NATIVE], capture_output=True, text=True, check=True)
    held, _, said = done.stdout.partition(" ")
    return held == "True", eval(said)


def test_native_code_cannot_leave_its_process():
    held, said = native()
    if not held:
        pytest.skip("this system has no filter of system calls")
    refused = {name: result for name, result in said.items() if result != (0, 0)}
    assert set(said) - set(refused) == {f"kill({said and own(said)},)", "thread"}
    assert len(refused) == 8
    assert set(refused.values()) == {(-1, 1)}, "EPERM, each"


def own(said: dict[str, tuple[int, int]]) -> str:
    return next(name for name, result in said.items() if name.startswith("kill") and result == (0, 0))[5:-2]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_jumps_within_itself(machine):
    program = sandbox._program(machine)
    for at, (code, yes, no, _) in enumerate(program):
        assert code == sandbox._RETURN or at + 1 + max(yes, no) < len(program)
    assert program[-1] == (sandbox._RETURN, 0, 0, sandbox._ALLOW)
    assert len(program) < 4096


def failure(tmp_path, unruly, words, **limits) -> Failed:
    with ReaderPool(Options(limits=Limits(**limits)), workers=1) as pool:
        ends = [e for e in pool.read([unruly(tmp_path / "file", words)]) if not isinstance(e, Some)]
    assert len(ends) == 1
    assert isinstance(ends[0], Failed), ends
    return ends[0]


def test_a_reader_runs_no_program(tmp_path, unruly):
    assert "runs no other program" in failure(tmp_path, unruly, "program").reason


def test_a_reader_writes_no_large_file(tmp_path, unruly):
    assert failure(tmp_path, unruly, "write", written_bytes=1 << 20).failure == "decode"


def test_a_reader_opens_no_thousand_files(tmp_path, unruly):
    assert failure(tmp_path, unruly, "open", open_files=64).failure == "decode"


def test_a_file_of_too_many_passages_is_too_big(tmp_path, unruly):
    told = failure(tmp_path, unruly, "many 1000", passages=500)
    assert (told.failure, "500 passages" in told.reason) == ("too_big", True)


def test_a_file_that_gives_too_many_bytes_is_too_big(tmp_path, unruly):
    told = failure(tmp_path, unruly, f"flood 8 {tmp_path / 'note'}", output_bytes=4 << 20)
    assert (told.failure, "output_bytes" in told.mend) == ("too_big", True)


@pytest.mark.slow
def test_a_message_that_drips_does_not_hold_the_pool(tmp_path, unruly, monkeypatch):
    from samespace.read import process

    monkeypatch.setattr(process, "_SECONDS_MID_MESSAGE", 2)
    assert "stopped answering" in failure(tmp_path, unruly, "drip").reason


def test_saying_ready_again_gains_no_time(tmp_path, unruly):
    assert failure(tmp_path, unruly, "ready").failure == "crashed"


def test_memory_that_an_earlier_file_took_is_not_held_against_the_next(tmp_path, unruly):
    files = [unruly(tmp_path / "1", f"keep {500 << 20}"), unruly(tmp_path / "2", f"eat {400 << 20}")]
    with ReaderPool(Options(limits=Limits(memory_bytes=1 << 30)), workers=1) as pool:
        ends = [e for e in pool.read(files) if not isinstance(e, Some)]
    assert not [e for e in ends if isinstance(e, Failed)], ends


def test_readers_that_cannot_start_are_one_clear_error(tmp_path, monkeypatch):
    from samespace.errors import ReaderStartError

    monkeypatch.setattr("samespace.read.process._START", "raise SystemExit('no such library')")
    (tmp_path / "a.txt").write_text("words")
    with ReaderPool(Options(), workers=1) as pool, pytest.raises(ReaderStartError, match="reinstall") as err:
        list(pool.read([tmp_path / "a.txt"]))
    assert "no such library" in str(err.value)


def test_a_recording_may_take_as_long_as_it_lasts(tmp_path):
    limits = Limits(wall_seconds=10, cpu_seconds=10, seconds=7200)
    assert limits.lasting(3600, 1 << 30).cpu_seconds == 10 + 3600
    assert limits.lasting(1e9, 1 << 40).wall_seconds == 10 + 2 * 7200
    assert limits.lasting(3600, 4000).cpu_seconds == 20, "so few bytes hold ten seconds at most"
    process = Process(Options(limits=limits))
    try:
        (tmp_path / "a").write_bytes(bytes(400_000))
        assert [process.lengthen(100, tmp_path / "a") for _ in range(2)] == [200.0, 0.0]
    finally:
        process.close()
