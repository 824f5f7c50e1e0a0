"""One worker process as the pool sees it: start it, ask it, hear why it died, end it.

Knows nothing of formats. Imports wire and the standard library.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from samespace.errors import ReadError, ReaderStartError, SamespaceError
from samespace.read import wire
from samespace.read.leftover import Folder
from samespace.read.protocol import Options
from samespace.read.wire import Job
from samespace.read.worker import READY

__all__ = ["NONSENSE", "READY", "Process", "WorkerLost"]

_START = "import sys, json; sys.path[:] = json.loads(sys.argv[4]); from samespace.read.worker import main; " \
    "main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])"  # fmt: skip
_SECONDS_TO_END = 2.0
_SECONDS_MID_MESSAGE = 30  # a worker that begins a message and does not end it has been taken over
NONSENSE = ReadError("crashed", "its reader answered nonsense", "It is damaged or hostile: leave it out")


class WorkerLost(SamespaceError):
    """The worker died; `failure` says of what, as a ReadError about the file it was at."""

    def __init__(self, failure: ReadError) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Process:
    """One worker process. Not for use by two threads at once.

    Attributes:
        files: how many it was asked to read.
        ready: it has answered once.
        limits: of the file at hand.
    """

    def __init__(self, options: Options, siblings: int = 1) -> None:
        """Start it; it is ready when the first answer can be sent.

        Args:
            options: for all files it will read.
            siblings: how many workers share the machine, itself included.

        Raises:
            ReaderStartError: the system does not let it.
        """
        self.files = 0
        self.ready = False
        self._options, self.limits = options, options.limits
        self._received = 0
        try:
            with contextlib.ExitStack() as failed, contextlib.ExitStack() as anyway:
                self._own = Folder("read")
                failed.callback(self._own.remove)
                self._folder = self._own.path
                ours, theirs = socket.socketpair()
                failed.callback(ours.close)
                anyway.callback(theirs.close)
                life_read, self._life = os.pipe()
                failed.callback(os.close, self._life)
                anyway.callback(os.close, life_read)
                self._process = self._start(theirs.fileno(), life_read, siblings)
                failed.pop_all()
        except OSError as err:
            raise ReaderStartError(str(err)) from err
        self.connection = Connection(ours.detach())
        self._tell(wire.pack(options))

    def _start(self, handle: int, life: int, siblings: int) -> subprocess.Popen[bytes]:
        """Run Python anew: no fork of this process's threads and locks, no second run of the caller's main module."""
        threads = str(max(1, (os.cpu_count() or 1) // siblings))
        environment = {"OMP_NUM_THREADS": threads, **os.environ, "TMPDIR": str(self._folder), "MALLOC_ARENA_MAX": "2"}
        path = [place for place in sys.path if place and Path(place).exists()]
        with (self._folder / "stderr").open("ab") as chatter:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, our own words
                [sys.executable, "-P", "-c", _START, str(handle), str(life), str(self._folder), json.dumps(path)],
                pass_fds=(handle, life),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=chatter,
                env=environment,
                process_group=0,  # Ctrl-C at the terminal is for the caller
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, job: Job) -> None:
        """Give it a job. Raises WorkerLost if it is dead."""
        self.files += 1
        self.limits, self._received = self._options.limits, 0
        self._tell(wire.pack(job))

    def lengthen(self, seconds: float, path: Path) -> float:
        """Allow the file at hand more time, as a recording of so many seconds; by how much. Counts once a file."""
        before = self.limits.wall_seconds
        with contextlib.suppress(OSError):
            self.limits = self._options.limits.lasting(seconds, path.stat().st_size)
        return max(0.0, self.limits.wall_seconds - before)

    def answer(self) -> Any:
        """Its next message, waited for; the first of all is READY. Raises WorkerLost if it dies instead."""
        try:
            data = self._receive()
        except (EOFError, OSError) as err:
            raise self._lost(silent=isinstance(err, TimeoutError)) from err
        self._received += len(data)
        if self._received > self.limits.output_bytes + wire.LONGEST:  # it was to stop by itself before
            raise WorkerLost(NONSENSE)
        try:
            message = wire.unpack(data)
        except Exception as err:  # what a hostile message raises is its choice
            raise WorkerLost(NONSENSE) from err
        self.ready = True
        return message

    def _receive(self) -> bytes:
        """The bytes of a message, as a Connection sends it; once begun, all of them in time, however they drip."""
        self.connection.poll(None)
        ends = time.monotonic() + _SECONDS_MID_MESSAGE
        (length,) = struct.unpack("!i", self._exactly(4, ends))
        if not 0 <= length <= wire.LONGEST:
            raise WorkerLost(NONSENSE)
        return self._exactly(length, ends)

    def _exactly(self, count: int, ends: float) -> bytes:
        handle, data, at = self.connection.fileno(), bytearray(count), 0
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        while at < count:
            if not poller.poll(max(0.0, ends - time.monotonic()) * 1000):
                raise TimeoutError
            got = os.readv(handle, [memoryview(data)[at:]])
            if not got:
                raise EOFError
            at += got
        return bytes(data)

    def _tell(self, data: bytes) -> None:
        try:
            self.connection.send_bytes(data)
        except OSError as err:
            raise self._lost() from err

    def _lost(self, *, silent: bool = False) -> WorkerLost:
        """Why it died, by how it ended and by its last words; `silent` if it lives and does not go on."""
        if not silent:  # its end of the connection is closed: it is about to end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SECONDS_TO_END)
        code = self._process.poll()
        last = self._last_words()
        if not self.ready and code is not None and code > 0:
            raise ReaderStartError(last or f"exit status {code}")
        if code == -signal.SIGXCPU:
            seconds = self.limits.cpu_seconds
            return WorkerLost(
                ReadError("timeout", f"not read after {seconds} seconds of CPU time", "Raise the limit of cpu_seconds")
            )
        if code is None:
            how = "its reader stopped answering"
        elif code < 0:
            how = f"its reader was ended by {_signal_name(-code)}"
        else:
            how = f"its reader ended with status {code}"
        hint = " (the system may have been out of memory)" if code == -signal.SIGKILL else ""
        reason = f"{how}{hint}" + (f": {last}" if last else "")
        return WorkerLost(ReadError("crashed", reason, "It is damaged or hostile: open and save it with its program"))

    def _last_words(self) -> str:
        """The last line of what its libraries said, for a person to search by."""
        with contextlib.suppress(OSError):
            with (self._folder / "stderr").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
                lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
            return lines[-1][:300] if lines else ""
        return ""

    def kill(self) -> None:
        """End it at once; whoever waits for it hears of it."""
        self._process.kill()

    def close(self, *, kill: bool = False) -> None:
        """End it: by closing its connection, or at once. Waits until it is gone, and removes its temporary files."""
        if self.connection.closed:
            return
        self.connection.close()
        if kill:
            self._process.kill()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._life)
            self._own.remove()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
