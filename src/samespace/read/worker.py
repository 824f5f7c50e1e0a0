"""The worker process: reads one file after the other for a ReaderPool, inside limits, until the pool is gone.

It is started by `python -c`, never forked and never through the caller's main module. What it may cost and do is
bounded by `sandbox`; its wall time is bounded by the pool, and by a watchdog of its own in case the pool is gone.

Knows nothing of models or indexes. Imports one, sandbox, wire; a library of a format when a file of its kind comes.
"""

import contextlib
import faulthandler
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from samespace.errors import ReadError
from samespace.read import one, sandbox, wire
from samespace.read.protocol import Failed, Limits, Longer, Options
from samespace.read.wire import Job

__all__ = ["READY", "main"]

READY = "ready"  # the first message of a worker

_GRACE = 10.0  # seconds over the wall limit after which the worker ends itself


def main(handle: int, life: int, folder: str) -> None:
    """Serve jobs from the connection `handle` until it closes.

    Args:
        handle: descriptor of the connection to the pool; the Options come first.
        life: descriptor of a pipe nobody writes to; it ends when the pool's process does.
        folder: of temporary files; removed if the pool's process dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch_life(life, folder)
    sandbox.close_in()
    connection = Connection(handle)
    options: Options = wire.unpack(connection.recv_bytes())
    sandbox.limit(options.limits)
    connection.send_bytes(wire.pack(READY))
    with contextlib.suppress(OSError):  # the pool is gone, or has given this up
        serve(connection, options)
    shutil.rmtree(folder, ignore_errors=True)  # the pool does so too, if it is still there
    os._exit(0)  # without the leisurely end of big libraries


def serve(connection: Connection, options: Options) -> None:
    """Answer jobs until the connection closes."""
    while True:
        try:
            job: Job = wire.unpack(connection.recv_bytes())
        except EOFError:
            return
        clock, line = _Clock(options.limits), _Line(connection, options.limits)
        sandbox.allow_cpu(options.limits.cpu_seconds)
        _forget_chatter()
        with clock:
            answer = _render if job.render else _read
            exhausted = answer(job, options, clock, partial(line.send, clock))
        if exhausted:
            return  # memory ran out once: a fresh process is surer than this one


def _read(job: Job, options: Options, clock: "_Clock", send: Callable[[object], None]) -> bool:
    """Read a file and send its events; whether memory ran out."""
    path = Path(os.fsdecode(job.path))
    exhausted = False

    def lasting(seconds: float, limits: Limits) -> None:
        sandbox.allow_cpu(limits.cpu_seconds)
        clock.left += limits.wall_seconds - options.limits.wall_seconds
        send(Longer(seconds))  # which sets the watchdog anew

    for event in one.read_file(path, options, lasting):
        exhausted = one.out_of_memory(event)
        try:
            send(event)
        except OSError:
            raise  # the pool is gone
        except Exception as err:  # a passage that cannot travel
            send(one.failed(path, err, options))
            break
    return exhausted


def _render(job: Job, options: Options, clock: "_Clock", send: Callable[[object], None]) -> bool:
    """Render a place of a file and send the WebP, or the ReadError."""
    path = Path(os.fsdecode(job.path))
    assert job.render is not None
    locator, pixels = job.render
    try:
        from samespace.read.render import render
        from samespace.read.sniff import sniff

        send(render(path, sniff(path), locator, pixels, options.limits))
    except Exception as err:
        fault = one.failed(path, err, options)
        send(ReadError(fault.failure, fault.reason, fault.mend))
        return isinstance(err, MemoryError)
    return False


class _Clock:
    """A watchdog over the time spent working, not waiting for the pool to take a message.

    The watchdog is a C thread: it also ends a worker whose Python is stuck.
    """

    def __init__(self, limits: Limits) -> None:
        self.left = limits.wall_seconds
        self.since = 0.0

    def __enter__(self) -> "_Clock":
        self.since = time.monotonic()
        faulthandler.dump_traceback_later(max(self.left, 0) + _GRACE, exit=True)
        return self

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.left -= time.monotonic() - self.since


@dataclass
class _Line:
    """The way to the pool; it takes so much about one file and no more."""

    connection: Connection
    limits: Limits
    sent: int = 0

    def send(self, clock: _Clock, message: object) -> None:
        """Send a message; the time that the pool takes to accept it is not counted. Raises ReadError if it is over."""
        data = wire.pack(message)
        if len(data) > wire.LONGEST:
            raise ReadError("too_big", f"one passage of {len(data):,} bytes", "Cut the file into parts")
        self.sent += len(data)
        if self.sent > self.limits.output_bytes and not isinstance(message, Failed):
            limit = f"{self.limits.output_bytes:,}"
            raise ReadError("too_big", f"it gives more than {limit} bytes", "Cut it into parts, or raise output_bytes")
        clock.__exit__()
        self.connection.send_bytes(data)
        clock.__enter__()


def _forget_chatter() -> None:
    """Empty the file that libraries' complaints go to, so that it tells about this job alone and never fills a disk."""
    with contextlib.suppress(OSError):
        os.ftruncate(2, 0)


def _watch_life(life: int, folder: str) -> None:
    """End with the pool's process, however that ends."""

    def wait() -> None:
        while os.read(life, 1):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=wait, name="life", daemon=True).start()
