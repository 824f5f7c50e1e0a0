"""Who does the jobs of a bulk run: this process, or processes beside it. (On a cluster: ray.py.)

A worker that dies costs the job it was at, which another does again; a job whose workers die time and again ends
the run. Processes are spawned, never forked: Lance and the models' engines have threads.

Knows nothing of what a job is. Imports the standard library only.
"""

import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol, TypeVar

from samespace.errors import SamespaceError, StoreError

__all__ = ["Executor", "Loop", "Spawned", "Work", "lost"]

J = TypeVar("J")
J_contra = TypeVar("J_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

TRIES = 3
"""So many workers may die of one job."""
_SECONDS_TO_END = 10.0


class Work(Protocol[J_contra, R_co]):
    """What is done to each job; it can be pickled, and keeps what is costly for the next job of its process."""

    def __call__(self, job: J_contra, /) -> R_co:
        """Do one job."""

    def close(self) -> None:
        """Let go of what was kept in this process."""


class Executor(Protocol):
    """Does jobs."""

    @property
    def workers(self) -> int:
        """How many jobs are done at a time."""

    def run(self, work: Work[J, R], jobs: Iterable[J]) -> Iterator[R]:
        """The results as they come, in any order; jobs are taken from their source when there is somebody to do them.

        Raises:
            Exception: what a job raised; the others are given up.
            StoreError: a job kills its workers.
        """


class Loop:
    """One after another, in this process."""

    workers = 1

    def run(self, work: Work[J, R], jobs: Iterable[J]) -> Iterator[R]:
        """See Executor."""
        try:
            yield from map(work, jobs)
        finally:
            work.close()


class Spawned:
    """Processes of this machine.

    Args:
        workers: how many; the cores are divided among them.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}, it must be at least 1")
        self.workers = workers

    def run(self, work: Work[J, R], jobs: Iterable[J]) -> Iterator[R]:
        """See Executor."""
        source = iter(jobs)
        again: deque[tuple[J, int]] = deque()
        busy: dict[Connection, tuple[SpawnProcess, J, int]] = {}
        idle: list[tuple[Connection, SpawnProcess]] = []

        def give() -> None:
            while len(busy) < self.workers:
                if not again and not (more := list(islice(source, 1))):
                    return
                job, tried = again.popleft() if again else (more[0], 0)
                connection, process = idle.pop() if idle else _start(work, self.workers)
                busy[connection] = (process, job, tried)
                with suppress(OSError):  # it died while idle: its end is heard below
                    connection.send(job)

        try:
            give()
            while busy:
                results: list[R] = []
                for connection in wait(list(busy)):
                    assert isinstance(connection, Connection)
                    process, job, tried = busy.pop(connection)
                    try:
                        made, failure = connection.recv()
                    except (EOFError, OSError):
                        _end([(connection, process)])
                        if tried + 1 >= TRIES:
                            raise lost(job) from None
                        again.append((job, tried + 1))
                        continue
                    idle.append((connection, process))
                    if failure is not None:
                        raise failure
                    results.append(made)
                give()  # before the caller takes its time
                yield from results
        finally:
            _end([*idle, *((connection, process) for connection, (process, _, _) in busy.items())])


def lost(job: object) -> StoreError:
    """The error for a job that nobody survives."""
    return StoreError(
        str(job),
        f"{TRIES} workers died of this part of the job, one after another",
        "Look for a machine short of memory (fewer --processes); what is finished is kept: the same command goes on",
    )


def _start(work: Work[Any, Any], siblings: int) -> tuple[Connection, SpawnProcess]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    with _threads(max(1, (os.cpu_count() or 1) // siblings)):
        process = context.Process(target=_serve, args=(theirs, work), name="samespace-bulk")
        process.start()
    theirs.close()
    return ours, process


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let what is started meanwhile use so many threads, unless the user has said how many."""
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(number)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


def _end(workers: "list[tuple[Connection, SpawnProcess]]") -> None:
    """Have workers end: in order where they listen, by force where they do not."""
    for connection, process in workers:
        connection.close()
        process.terminate()
    for _, process in workers:
        process.join(_SECONDS_TO_END)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _serve(connection: Connection, work: Work[Any, Any]) -> None:
    """The life of a worker: jobs until the driver closes the connection, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the driver's to hear
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            connection.send(_outcome(work, connection.recv()))
    except (EOFError, OSError):
        pass
    finally:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it comes with the end of the pipe: closing goes on
        finally:
            work.close()


def _outcome(work: Work[Any, Any], job: Any) -> tuple[Any, Exception | None]:
    try:
        return work(job), None
    except SamespaceError as err:
        return None, SamespaceError(str(err))  # its message is all that a pipe surely carries
    except Exception as err:
        return None, RuntimeError(
            f"{type(err).__name__}: {err}\nA worker process raised it. Run it with --processes left away to see where"
        )
