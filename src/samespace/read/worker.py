"""The worker process: reads one file after the other for a ReaderPool, inside limits, until the pool is gone.

It is started by `python -c`, never forked and never through the caller's main module. What it may cost is bounded
here (memory, CPU time, no core file, low priority); its wall time is bounded by the pool, and by a watchdog of its own
in case the pool is gone. It may not reach the network: connecting, sending and looking up names are refused to all
Python code; native code is not held back by this.

Knows nothing of models or indexes. Imports one, wire; a format's libraries only when a file of that kind comes.
"""

import contextlib
import faulthandler
import os
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from samespace.errors import ReadError
from samespace.read import one, wire
from samespace.read.protocol import Failed, Options
from samespace.read.wire import Job

__all__ = ["READY", "main"]

READY = "ready"  # the first message of a worker

_GRACE = 10.0  # seconds over the wall limit after which the worker ends itself
_NICE = 10
_OUTWARD = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"})
_NAMES = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})


def main(handle: int, life: int, folder: str) -> None:
    """Serve jobs from the connection `handle` until it closes.

    Args:
        handle: descriptor of the connection to the pool; the Options come first.
        life: descriptor of a pipe nobody writes to; it ends when the pool's process does.
        folder: of temporary files; removed if the pool's process dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch_life(life, folder)
    sys.addaudithook(_refuse_network)
    connection = Connection(handle)
    options: Options = wire.unpack(connection.recv_bytes())
    _limit(options)
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
        clock = _Clock(options.limits.wall_seconds)
        _limit_cpu(options.limits.cpu_seconds)
        _forget_chatter()
        with clock:
            answer = _render if job.render else _read
            exhausted = answer(job, options, partial(_send, connection, clock))
        if exhausted:
            return  # memory ran out once: a fresh process is surer than this one


def _read(job: Job, options: Options, send: Callable[[object], None]) -> bool:
    """Read a file and send its events; whether memory ran out."""
    path = Path(os.fsdecode(job.path))
    exhausted = False
    for event in one.read_file(path, options):
        exhausted = isinstance(event, Failed) and event.failure == "too_big" and "of memory" in event.reason
        try:
            send(event)
        except OSError:
            raise  # the pool is gone
        except Exception as err:  # a passage that cannot travel
            send(one.failed(path, err, options))
            break
    return exhausted


def _render(job: Job, options: Options, send: Callable[[object], None]) -> bool:
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

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.since = 0.0

    def __enter__(self) -> "_Clock":
        self.since = time.monotonic()
        faulthandler.dump_traceback_later(max(self.left, 0) + _GRACE, exit=True)
        return self

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.left -= time.monotonic() - self.since


def _send(connection: Connection, clock: _Clock, message: object) -> None:
    data = wire.pack(message)
    if len(data) > wire.LONGEST:
        raise ReadError("too_big", f"one passage of {len(data):,} bytes", "Cut the file into parts")
    clock.__exit__()
    connection.send_bytes(data)
    clock.__enter__()


def _limit(options: Options) -> None:
    """Bound what the process may take. A limit the system refuses is left as it was: the parent's may be lower."""
    for which, soft in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, options.limits.memory_bytes)):
        _, hard = resource.getrlimit(which)
        wanted = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (wanted, hard))
    with contextlib.suppress(OSError):
        os.nice(_NICE)


def _limit_cpu(seconds: int) -> None:
    """Allow the next file so much CPU time: the limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


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


def _refuse_network(event: str, args: tuple[Any, ...]) -> None:
    """Audit hook: no Python code in this process reaches another machine."""
    if event in _NAMES or (event in _OUTWARD and getattr(args[0], "family", None) != socket.AF_UNIX):
        raise PermissionError(f"{event} is refused: a reader has no business on the network")
