"""Files read in parallel by worker processes, so that a bad one harms itself alone.

A worker that hangs is killed, one that dies is replaced; the file is marked and the rest goes on. Workers push
passages through a pipe of the system's size, so they wait when the caller is slow, and memory here stays small.

Knows nothing of formats. Imports process and wire.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Self

from samespace.errors import ReadError, ReaderStartError
from samespace.items import Locator
from samespace.read.leftover import sweep
from samespace.read.one import out_of_memory
from samespace.read.process import NONSENSE, READY, Process, WorkerLost
from samespace.read.protocol import Done, Event, Failed, Longer, Options, Some
from samespace.read.wire import Job

__all__ = ["ReaderPool"]

_TICK = 0.5  # seconds between looks at the clock
_SECONDS_TO_START = 60.0  # for a machine that is busy
_CLOSED = "this ReaderPool is closed\nUse it inside its with block"
_STILLBORN = 3  # workers in a row that die before they are ready: then no file is to blame
_FILES_PER_WORKER = 2000  # then a fresh one: what a library leaked goes with it


@dataclass
class _Task:
    """One file on its way."""

    path: Path
    process: Process
    deadline: float  # by time.monotonic()
    told: int = 0  # passages of it that went out


class ReaderPool:
    """Worker processes that read files. A context manager; safe to use from several threads."""

    def __init__(self, options: Options, workers: int = 2) -> None:
        """Start nothing yet: workers come with the first files.

        Args:
            options: how to read, and the limits of one file.
            workers: processes at most, at least 1.
        """
        if workers < 1:
            raise ValueError(f"workers is {workers}, it must be at least 1")
        sweep()
        self.options, self.workers = options, workers
        self._free: list[Process] = []
        self._all: set[Process] = set()
        self._starting = 0
        self._stillborn = 0
        self._suspects: set[Path] = set()  # that a worker died at which had read others: they get a fresh one
        self._change = threading.Condition()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, busy ones too. Nothing stays behind."""
        with self._change:
            self._closed = True
            free, self._free = self._free, []
            busy = self._all.difference(free)
            self._change.notify_all()
        for process in busy:
            process.kill()  # whoever uses it sees it end and lets go
        for process in free:
            self._drop(process, kill=False)

    def read(self, paths: Iterable[Path]) -> Iterator[Event]:
        """Read files, several at a time.

        Yields:
            Per file Some*, then Done or Failed. Events of several files are interleaved; `path` is the one given.
        """
        source = iter(paths)
        queue: deque[Path] = deque()  # at most one from the source, and those that get a second try
        tasks: dict[int, _Task] = {}
        try:
            while True:
                while queue or _more(source, queue):
                    process = self._take(block=not tasks)
                    if process is None:
                        break
                    self._begin(tasks, queue.popleft(), process, queue)
                if not tasks and not queue:
                    return
                for event in self._events(tasks, queue):
                    left = time.monotonic()
                    yield event
                    away = time.monotonic() - left  # the caller's time is not the file's
                    for task in tasks.values():
                        task.deadline += away
        finally:
            for task in tasks.values():
                self._drop(task.process)

    def render(self, path: Path, locator: Locator, pixels: int) -> bytes:
        """Show a place of a file: a page of a PDF, a picture, a frame of a film.

        Args:
            path: the file.
            locator: the place.
            pixels: longest side at most.

        Returns:
            WebP.

        Raises:
            ReadError: it cannot be shown.
        """
        process = self._take(block=True)
        assert process is not None
        try:
            process.ask(Job(os.fsencode(path), (locator, pixels)))
            made = self._one_answer(process)
        except WorkerLost as lost:
            self._drop(process)
            raise lost.failure from None
        except BaseException:
            self._drop(process)
            raise
        self._give(process)
        if isinstance(made, ReadError):
            raise made
        return made

    def _one_answer(self, process: Process) -> bytes | ReadError:
        """The answer to a job that has only one."""
        made: object = READY
        while made == READY:
            patience = self.options.limits.wall_seconds + (0 if process.ready else _SECONDS_TO_START)
            if not process.connection.poll(patience):
                raise _timeout(process)
            made = process.answer()
        if not isinstance(made, (bytes, ReadError)):
            raise WorkerLost(NONSENSE)
        return made

    def _begin(self, tasks: dict[int, _Task], path: Path, process: Process, queue: deque[Path]) -> None:
        """Hand a file to a worker."""
        if path in self._suspects and process.files:
            self._drop(process, kill=False)
            queue.append(path)  # the next worker is a fresh one, or this is done again
            return
        try:
            process.ask(Job(os.fsencode(path)))
        except WorkerLost as lost:  # it died while idle, which is not this file's fault
            self._lose(process, lost)
            queue.append(path)
            return
        except BaseException:
            self._drop(process)
            raise
        deadline = time.monotonic() + self.options.limits.wall_seconds
        deadline += 0 if process.ready else _SECONDS_TO_START  # set anew when it is ready
        tasks[process.connection.fileno()] = _Task(path, process, deadline)

    def _events(self, tasks: dict[int, _Task], queue: deque[Path]) -> Iterator[Event]:
        """Wait a moment, then hand on what came, and end what hangs."""
        connections = {t.process.connection: key for key, t in tasks.items()}
        for connection in wait(list(connections), _TICK):
            key = connections[connection]  # type: ignore[index]
            event = self._event(key, tasks, queue)
            if event is not None:
                yield event
        now = time.monotonic()
        for key, task in list(tasks.items()):
            if now > task.deadline and not task.process.connection.poll():
                self._drop(tasks.pop(key).process)
                self._suspects.discard(task.path)
                yield _failed(task.path, _timeout(task.process))

    def _event(self, key: int, tasks: dict[int, _Task], queue: deque[Path]) -> Event | None:
        """The next event of a file whose worker has something to say; None if that is nothing to hand on."""
        task = tasks[key]
        try:
            event = self._heard(task)
        except WorkerLost as lost:
            self._lose(tasks.pop(key).process, lost)
            if self._closed:
                raise RuntimeError(_CLOSED) from None
            if not task.process.ready or (lost.failure.failure == "crashed" and _may_be_anothers(task)):
                self._again(task, queue)
                return None
            event = _failed(task.path, lost.failure)
        else:
            if event is None or isinstance(event, Some):
                return event
            tasks.pop(key)
            if not out_of_memory(event):
                self._give(task.process)
            else:
                self._drop(task.process, kill=False)  # it ends by itself
                if _may_be_anothers(task):
                    self._again(task, queue)
                    return None
        self._suspects.discard(task.path)
        return event

    def _again(self, task: _Task, queue: deque[Path]) -> None:
        """Have a file read once more, in a fresh worker."""
        self._suspects.add(task.path)
        queue.append(task.path)

    def _heard(self, task: _Task) -> Event | None:
        """What a worker says about its file; None if that is between it and us. Raises WorkerLost."""
        process, was_ready = task.process, task.process.ready
        event: object = process.answer()
        if event == READY and not was_ready:
            self._stillborn = 0
            task.deadline = time.monotonic() + process.limits.wall_seconds
            return None
        if isinstance(event, Longer):
            task.deadline += process.lengthen(event.seconds, task.path)
            return None
        if not isinstance(event, (Some, Done, Failed)):
            raise WorkerLost(NONSENSE)
        task.told += len(event.passages) if isinstance(event, Some) else 0
        if task.told > self.options.limits.passages:  # it was to stop by itself before
            raise WorkerLost(NONSENSE)
        return replace(event, path=task.path)

    def _lose(self, process: Process, lost: WorkerLost) -> None:
        """Let go of a worker that died. Raises ReaderStartError if none so much as starts."""
        self._drop(process)
        if not process.ready and not self._closed:
            self._stillborn += 1
            if self._stillborn >= _STILLBORN:
                raise ReaderStartError(lost.failure.reason)

    def _take(self, *, block: bool) -> Process | None:
        """A worker to use, started if there may be one more; None if all are busy and we shall not wait."""
        with self._change:
            while True:
                if self._closed:
                    raise RuntimeError(_CLOSED)
                if self._free:
                    return self._free.pop()
                if len(self._all) + self._starting < self.workers:
                    self._starting += 1
                    break
                if not block:
                    return None
                self._change.wait()
        try:
            process = Process(self.options, self.workers)
            with self._change:
                self._all.add(process)
        finally:
            with self._change:
                self._starting -= 1
                self._change.notify()
        return process

    def _give(self, process: Process) -> None:
        """Put a worker back."""
        with self._change:
            keep = process.files < _FILES_PER_WORKER and not self._closed
            if keep:
                self._free.append(process)
                self._change.notify()
        if not keep:
            self._drop(process, kill=False)

    def _drop(self, process: Process, *, kill: bool = True) -> None:
        """End a worker."""
        with self._change:
            self._all.discard(process)
            self._change.notify()
        process.close(kill=kill)


def _may_be_anothers(task: _Task) -> bool:
    """Whether an earlier file may have broken a file's worker: then the file is tried again in a fresh one."""
    return task.process.files > 1 and not task.told


def _timeout(process: Process) -> ReadError:
    seconds = process.limits.wall_seconds
    return ReadError("timeout", f"not read after {seconds:g} seconds", "Raise the limit of wall_seconds, or ignore it")


def _failed(path: Path, err: ReadError) -> Failed:
    return Failed(path, err.failure, err.reason, err.mend)


def _more(source: Iterator[Path], queue: deque[Path]) -> bool:
    """Move one path to the queue; whether there was one."""
    queue.extend(islice(source, 1))
    return bool(queue)
