"""Ingest: folders into an Index. Scan, read, encode and commit as one pipeline.

Reading goes on in worker processes while the encoder works, and one batch is committed while the next is encoded;
bounded queues stand between. What is committed is kept whatever happens next, and the next run goes on from there.

Knows nothing of any model or format. Imports the reader pool.
"""

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from samespace.encode.protocol import Encoder
from samespace.errors import SpaceMismatchError
from samespace.index.batch import Batch
from samespace.index.channel import Channel
from samespace.index.intake import Intake
from samespace.index.plan import Planner, Read, Step
from samespace.index.previews import Previews
from samespace.index.progress import Counts, Meter, Progress
from samespace.index.protocol import Index
from samespace.index.scan import Found, resolve
from samespace.index.survey import survey
from samespace.items import weight
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Done, Event, Options, Some

__all__ = ["Counts", "Progress", "Target", "ingest"]

_AHEAD = 4096  # steps and events between reading and encoding: the next batch is there when one is encoded
_AHEAD_BYTES = 32 << 20
_TICK = 0.2  # seconds between looks at the stop event


class Target(Index, Protocol):
    """An Index that also keeps previews."""

    previews: Previews


def ingest(
    index: Target,
    encoder: Encoder,
    roots: Iterable[str | os.PathLike[str]],
    *,
    options: Options | None = None,
    workers: int = 2,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    retry_failed: bool = False,
    forget: bool = False,
    wait: float = 0.0,
    tidy: bool = True,
) -> Counts:
    """Bring an index up to date with folders.

    Args:
        index: what to write to; it must be of the encoder's Space.
        encoder: what makes the vectors.
        roots: folders or files. What the index knows under them and is gone is forgotten; the rest of it stays.
        options: how to read; `wants` is taken from the encoder.
        workers: reading processes.
        progress: is told how it stands, from this thread.
        stop: set it to end early, in order: what is finished is committed.
        retry_failed: read again what failed before, although nothing about it changed.
        forget: take roots that are missing or empty at their word, and forget what was under them.
        wait: seconds to wait for another writer.
        tidy: collect and compact at the end if anything changed.

    Raises:
        SpaceMismatchError: the index is of another Space.
        QueryError: a root does not exist, or is empty where the index knows files, without `forget`.
        IndexLockedError: another process is writing.
    """
    if index.space != encoder.space:
        raise SpaceMismatchError(str(encoder.space), str(index.space))
    places = resolve(roots, forget=forget)
    made = replace(options or Options(), wants=encoder.modalities)
    stop = stop or threading.Event()
    counts = Counts()
    meter = Meter(counts, progress)
    with index.writer(wait=wait) as writer, Batch(writer, encoder, counts) as batch:
        planner = Planner(writer.files(), made, retry_failed=retry_failed)
        meter.begin("scan")
        found = survey(
            places, planner, counts, own=_own(index), forget=forget, look=meter.look, stopped=stop.is_set
        )  # fmt: skip
        gone = [] if stop.is_set() else found.gone(list(planner.known))
        lost = [row.content for path in gone if (row := planner.known[path]).modified]  # a shut folder's row has none
        intake = Intake(batch, planner, index.previews, counts, meter, frozenset(lost) - {""})
        for row in found.blind:
            intake.write(row)
        meter.begin("read", len(found.work) + len(found.blind), sum(f.size for f in found.work))
        if found.work:
            _Pipe(intake, batch, planner, meter, stop).run(found.work, ReaderPool(made, workers))
        while batch.busy:  # a file that is settled may let its copies go
            batch.flush()
        counts.stopped = stop.is_set()
        if not counts.stopped:
            counts.moved = sum(content in intake.again for content in lost)
            counts.removed = len(lost) - counts.moved
            writer.remove(gone)
            if tidy and (gone or intake.rows):
                meter.begin("tidy")
                writer.maintain()
    meter.begin("done")
    return counts


class _End:
    """Reading is over, well or with an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Pipe:
    """Deciding and reading in a thread of their own, taking in and encoding in the caller's."""

    def __init__(self, intake: Intake, batch: Batch, planner: Planner, meter: Meter, stop: threading.Event) -> None:
        self._intake, self._batch, self._planner, self._meter, self._stop = intake, batch, planner, meter, stop
        self._over = threading.Event()
        self._channel: Channel[Step | Event | _End] = Channel(_AHEAD, _AHEAD_BYTES)

    def run(self, work: deque[Found], pool: ReaderPool) -> None:
        """All of the work, or as much as is done when it is stopped."""
        thread = threading.Thread(target=self._feed, args=(work, pool), name="samespace-read", daemon=True)
        with pool:
            thread.start()
            try:
                self._drain()
            finally:
                self._over.set()
                self._channel.close()
                pool.close()
                thread.join()

    def _feed(self, work: deque[Found], pool: ReaderPool) -> None:
        """Decide file by file, have read what needs reading, and pass everything on."""
        end = _End()
        try:
            for event in pool.read(self._paths(work)):
                self._channel.put(event, _weight(event))
        except InterruptedError:
            pass
        except BaseException as err:
            end = _End(err)
        self._channel.put(end)

    def _paths(self, work: deque[Found]) -> Iterator[Path]:
        while work and not self._stopped():
            found = work.popleft()
            step = self._planner.step(found, self._stopped)
            self._channel.put(step)
            if isinstance(step, Read) and not step.copy:
                yield found.path

    def _drain(self) -> None:
        """Take what comes until its end or a stop."""
        while not self._stop.is_set():
            message = self._channel.get(_TICK)
            if isinstance(message, _End):
                if message.error:
                    raise message.error
                return
            if message is None:
                self._meter.look()
            else:
                self._intake.take(message)
            if self._batch.full():
                self._batch.send()
            self._batch.settle()

    def _stopped(self) -> bool:
        return self._over.is_set() or self._stop.is_set()


def _weight(event: Event) -> int:
    """About how many bytes an event holds."""
    if isinstance(event, Some):
        return sum(weight(passage.item) + len(passage.preview or b"") for passage in event.passages)
    return len(event.facts.preview or b"") if isinstance(event, Done) else 0


def _own(index: object) -> Path | None:
    """The folder of an index, if it is one."""
    uri = str(getattr(index, "uri", "")).removeprefix("file://")
    if not uri or re.match(r"[a-z][a-z0-9+.-]+://", uri):
        return None
    return Path(os.path.realpath(uri))
