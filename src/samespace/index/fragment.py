"""One part of a bulk job: a range of files, read and encoded, written as Lance fragments that no version names yet.

It goes the way of an ordinary ingest (Planner, Intake, Batch), with a Writer that keeps the rows of the part and, at
its end, writes those that a file of the part leads to: three fragments, one a table, on the disk before it is reported.
Whoever holds the index's lock commits them (adopt.py). Nothing else is shared between parts, so any machine that
sees the index and the files can do one.

Knows nothing of who runs it. Imports lance; a model by the name of its loader.
"""

import importlib
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from samespace.encode.protocol import Encoder
from samespace.errors import SpaceMismatchError
from samespace.index.adopt import write_table
from samespace.index.batch import Batch
from samespace.index.channel import Channel
from samespace.index.check import check_commit
from samespace.index.intake import Intake
from samespace.index.keys import Keys
from samespace.index.plan import Planner, Read, Step, Write
from samespace.index.previews import Previews
from samespace.index.progress import Counts, Meter
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.remote import Fetcher
from samespace.index.scan import Found
from samespace.index.schema import Card, file_rows, file_table, item_table, schemas, vector_table
from samespace.index.tables import Tables
from samespace.index.trouble import reading
from samespace.items import weight
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Done, Event, Failed, Options, Some
from samespace.space import Vectors

__all__ = ["Embed", "FragmentWriter", "Job", "Order", "Part"]

_AHEAD = 4096  # steps and events between reading and encoding
_AHEAD_BYTES = 32 << 20
_PATIENCE = 60.0


@dataclass(frozen=True)
class Order:
    """What holds for all parts of a bulk job.

    Attributes:
        uri: of the index, as every worker sees it.
        loader: "module:function" that makes the encoder of an index from its uri.
        options: how to read; `wants` is the encoder's.
        readers: reading processes of each worker.
        retry_failed: read again what failed before, although nothing about it changed.
    """

    uri: str
    loader: str
    options: Options
    readers: int = 1
    retry_failed: bool = False


@dataclass(frozen=True)
class Job:
    """A range of files."""

    files: tuple[Found, ...]

    def __str__(self) -> str:
        return f"{self.files[0].path} and {len(self.files) - 1} more files"


@dataclass(frozen=True)
class Part:
    """What became of a Job.

    Attributes:
        fragments: table → its fragments, as Lance's JSON.
        counts: of its files, as in Counts.
        files: how many there are; bytes: of them.
        at: one of its files, for people.
    """

    fragments: Mapping[str, list[dict[str, Any]]]
    counts: Mapping[str, int]
    files: int
    bytes: int
    at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass
class FragmentWriter:
    """A Writer that keeps what it is given.

    Args:
        card: of the index.
        known: rows of the index, by path.
        digests: of vectors that the index has.
        lasting: makes a row as the index is to keep it.
    """

    card: Card
    known: Mapping[str, FileRow]
    digests: Container[str]
    lasting: Callable[[FileRow], FileRow] = lambda row: row
    _new: set[str] = field(default_factory=set)
    _rows: dict[str, FileRow] = field(default_factory=dict)
    _made: dict[str, list[pa.Table]] = field(default_factory=lambda: {"items": [], "vectors": []})

    def files(self) -> dict[str, FileRow]:
        """All file rows by path."""
        return {**self.known, **self._rows}

    def readings(self) -> frozenset[str]:
        """Readings whose items are wholly there."""
        return frozenset(row.reading for row in self.files().values() if row.status != "failed")

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that have no vector yet, in order, without repeats."""
        return [d for d in dict.fromkeys(digests) if d and d not in self._new and d not in self.digests]

    def commit(
        self, files: Sequence[FileRow], items: Sequence[ItemRow], digests: Sequence[str], vectors: Vectors
    ) -> None:
        """Keep rows."""
        made = schemas(self.card)
        check_commit(items, digests, vectors, self.card.space, _Either(self._new, self.digests))
        self._made["vectors"].append(vector_table(digests, vectors, made[self.card.vector_table]))
        self._made["items"].append(item_table(items, made["items"]))
        self._new.update(digests)
        self._rows.update({row.path: row for row in files})

    def remove(self, paths: Sequence[str]) -> int:
        """Not here: a part only adds."""
        raise NotImplementedError(
            "a part of a bulk job removes nothing\nLet the driver do it: its writer.remove(paths)"
        )

    def maintain(self) -> None:
        """Nothing: the driver's."""

    def tables(self) -> dict[str, pa.Table]:
        """By table, the rows that a file of the part leads to, each once."""
        made = schemas(self.card)
        name = self.card.vector_table
        items = pa.concat_tables([made["items"].empty_table(), *self._made["items"]])
        vectors = pa.concat_tables([made[name].empty_table(), *self._made["vectors"]])
        good = {row.reading for row in self._rows.values() if row.status != "failed"}
        items = items.filter(pc.is_in(items["reading"], value_set=pa.array(sorted(good), pa.string())))
        vectors = vectors.filter(pc.is_in(vectors["digest"], value_set=pc.unique(items["digest"])))
        rows = [self.lasting(row) for row in self._rows.values()]
        return {name: vectors, "items": items, "files": file_table(rows, made["files"])}


@dataclass(frozen=True)
class _Either:
    one: Container[str]
    other: Container[str]

    def __contains__(self, key: object) -> bool:
        return key in self.one or key in self.other


@dataclass(frozen=True)
class Embed:
    """The work of a bulk job: Job → Part. What is costly (model, readers, what the index knows) stays for the next."""

    order: Order

    def __call__(self, job: Job) -> Part:
        """Read, encode and write one range of files."""
        bench = _BENCHES.get(self.order)
        if bench is None:
            bench = _BENCHES[self.order] = _Bench(self.order)
        return bench.do(job)

    def close(self) -> None:
        """End the readers, forget the model."""
        if bench := _BENCHES.pop(self.order, None):
            bench.close()


class _Bench:
    """What a worker process keeps from job to job."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._tables = Tables.open(order.uri)
        self._encoder = _load(order, self._tables.card)
        folder = self._tables.folder
        self._previews = Previews(folder / "previews" if folder else None)
        with reading(order.uri):
            self._known = file_rows(self._tables.open_table("files").to_table())
            view = self._tables.open_table(self._tables.card.vector_table)
            self._digests = Keys([view.to_table(columns=["digest"])["digest"]])
        self._over = threading.Event()
        self._pool = ReaderPool(order.options, order.readers)

    def close(self) -> None:
        self._pool.close()

    def do(self, job: Job) -> Part:
        order, counts = self._order, Counts()
        with Fetcher(order.options.limits) as fetcher:
            known = fetcher.known(self._known, job.files)
            writer = FragmentWriter(self._tables.card, known, self._digests, fetcher.lasting)
            planner = Planner(known, order.options, retry_failed=order.retry_failed)
            with Batch(writer, self._encoder, counts) as batch:
                intake = Intake(batch, planner, self._previews, counts, Meter(counts, None))
                self._take_in(job.files, batch, intake, planner, fetcher)
        self._previews.sync()
        fragments = {name: write_table(self._tables, name, rows) for name, rows in writer.tables().items()}
        numbers = {name: getattr(counts, name) for name in ("encoded", "named", "reused", "failed", "passages")}
        size = sum(found.size for found in job.files)
        return Part(fragments, numbers, len(job.files), size, str(job.files[-1].path))

    def _take_in(
        self, files: Sequence[Found], batch: Batch, intake: Intake, planner: Planner, fetcher: Fetcher
    ) -> None:
        """Encode in this thread what another one has read meanwhile."""
        channel: Channel[Step | Event | _End] = Channel(_AHEAD, _AHEAD_BYTES)
        self._over.clear()
        thread = threading.Thread(target=self._feed, args=(files, planner, fetcher, channel), daemon=True)
        thread.start()
        try:
            while not isinstance(message := channel.get(_PATIENCE), _End):
                if message is None:
                    continue
                intake.take(message)
                if (path := _read_through(message)) is not None:
                    fetcher.spent(path)
                if batch.full():
                    batch.flush()
                    fetcher.sweep()
        finally:
            self._over.set()
            channel.close()
            thread.join()
        if message.error is not None:
            raise message.error
        while batch.busy:  # a file that is settled may let its copies go
            batch.flush()

    def _feed(self, files: Sequence[Found], planner: Planner, fetcher: Fetcher, channel: "Channel[Any]") -> None:
        """Decide file by file, have read what needs reading, and pass everything on."""
        error: BaseException | None = None
        try:
            for event in self._pool.read(self._paths(files, planner, fetcher, channel)):
                channel.put(event, _weight(event))
        except BaseException as err:
            error = err
        channel.put(_End(error))

    def _paths(
        self, files: Sequence[Found], planner: Planner, fetcher: Fetcher, channel: "Channel[Any]"
    ) -> Iterator[Path]:
        for given in files:
            if self._over.is_set():
                return
            found, failed = fetcher.fetch(given)
            step = planner.step(found) if failed is None else Write(found, planner.refused(failed))
            channel.put(step)
            if isinstance(step, Read) and not step.copy:
                yield found.path


def _read_through(message: Step | Event) -> Path | None:
    """The file that nobody needs any more after a message."""
    if isinstance(message, Done | Failed):
        return message.path
    if isinstance(message, Some) or (isinstance(message, Read) and not message.copy):
        return None
    return message.found.path


def _weight(event: Event) -> int:
    """About how many bytes an event holds."""
    return sum(weight(passage.item) for passage in event.passages) if isinstance(event, Some) else 0


@dataclass(frozen=True)
class _End:
    """Reading is over, well or with an error."""

    error: BaseException | None


_BENCHES: dict[Order, _Bench] = {}


def _load(order: Order, card: Card) -> Encoder:
    """The encoder of an index. Raises SpaceMismatchError: here it gives another Space."""
    module, _, name = order.loader.partition(":")
    encoder: Encoder = getattr(importlib.import_module(module), name)(order.uri)
    if encoder.space != card.space:
        raise SpaceMismatchError(str(encoder.space), str(card.space))
    return encoder
