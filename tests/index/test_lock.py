"""One writer: the others wait, or are told who it is; a dead one is in nobody's way."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from samespace import errors
from samespace.index.lock import NAME, hold

HOLDER = """
import sys, time
from pathlib import Path
from samespace.index.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_another_process_is_named(tmp_path, holder):
    with pytest.raises(errors.IndexLockedError, match="searching works meanwhile") as caught, hold(tmp_path):
        pass
    assert f"process {holder.pid} on {os.uname().nodename}, since 20" in caught.value.owner


def test_it_is_waited_for(tmp_path, holder):
    threading.Timer(0.2, lambda: (holder.stdin.write(b"\n"), holder.stdin.flush())).start()
    with hold(tmp_path, wait=20) as in_order:
        assert in_order


def test_a_killed_owner_leaves_it_free_and_is_noticed(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with hold(tmp_path) as in_order:
        assert not in_order
    with hold(tmp_path) as in_order:
        assert in_order


def test_one_process_cannot_hold_it_twice(tmp_path):
    with hold(tmp_path), pytest.raises(errors.IndexLockedError, match=str(os.getpid())), hold(tmp_path):
        pass


def test_an_error_inside_is_not_the_end_in_order(tmp_path):
    with pytest.raises(RuntimeError), hold(tmp_path):
        raise RuntimeError
    with hold(tmp_path) as in_order:
        assert not in_order
    with hold(tmp_path):
        pass


def test_waiting_ends(tmp_path):
    with hold(tmp_path):
        started = time.monotonic()
        with pytest.raises(errors.IndexLockedError), hold(tmp_path, wait=0.2):
            pass
        assert time.monotonic() - started >= 0.2


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(errors.StoreError, match="right to write"), hold(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists() and NAME == "writer.lock"


def test_a_stopped_owner_is_said_to_be_stopped(tmp_path, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
    how = f"it is stopped, to let it go on: kill -CONT {holder.pid}"
    with pytest.raises(errors.IndexLockedError, match=how), hold(tmp_path, wait=0.1):
        pass
    os.kill(holder.pid, signal.SIGCONT)
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    with hold(tmp_path, wait=20) as in_order:
        assert in_order


def test_a_dead_owner_whose_number_somebody_else_has_now_is_dead(tmp_path):
    """The text names a living process, this one; what counts is who holds the file."""
    (tmp_path / NAME).write_text(f"process {os.getpid()} on {os.uname().nodename}, since 2020-01-01 00:00:00+00:00")
    with hold(tmp_path) as in_order:
        assert not in_order


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    how = r"gives no locks \(No locks available\)\nPut the index on a local disk"
    with pytest.raises(errors.StoreError, match=how), hold(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes() == b""


def test_a_folder_that_may_not_be_written_to_says_so(tmp_path):
    """In a process that is not allowed everything, as root is."""
    folder = tmp_path / "i"
    folder.mkdir(mode=0o555)
    code = (
        "import os, sys; from pathlib import Path; from samespace.errors import StoreError\n"
        "from samespace.index.lock import hold\n"
        "os.geteuid() or os.setuid(65534)\n"
        "try:\n    hold(Path(sys.argv[1])).__enter__()\n"
        "except StoreError as err: print(err)\n"
    )
    for part in (tmp_path, *list(tmp_path.parents)[:2]):
        part.chmod(0o755)
    told = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True).stdout
    assert "cannot be written to (Permission denied)\nGive yourself the right to write there" in told
    assert list(folder.iterdir()) == []


def test_a_full_disk_does_not_make_a_crash_forgotten(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError), hold(tmp_path):
        raise RuntimeError

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for call in ("pwrite", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(errors.StoreError, match=r"No space left on device.*\n.*room"), hold(tmp_path):
                pass
        assert (tmp_path / "writer.lock").stat().st_size > 0
    with hold(tmp_path) as in_order:
        assert not in_order
    with hold(tmp_path) as in_order:
        assert in_order
