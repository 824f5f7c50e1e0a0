"""A bulk run: folders or object stores into an Index, by many workers, with one commit at its end.

    walk → ranges of files → workers write fragments → journal → one commit → upkeep

Driver and workers share the index's place and nothing else. What a worker has finished stands in a journal, so that a
killed driver loses nothing that was reported; a killed worker loses the part it was at. The index is locked for the
whole run, and searched meanwhile as it was.

Knows nothing of any model or format. Imports lance.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from samespace.errors import QueryError
from samespace.index.adopt import file_rows_of, is_there
from samespace.index.executor import Executor
from samespace.index.fragment import Embed, Job, Order, Part
from samespace.index.journal import Journal
from samespace.index.lance import LanceIndex
from samespace.index.lance_writer import LanceWriter
from samespace.index.plan import Planner
from samespace.index.progress import Counts, Meter, Progress
from samespace.index.protocol import FileRow
from samespace.index.remote import in_store, is_store, survey_store, url_of
from samespace.index.scan import Found, resolve
from samespace.index.schema import FORMAT
from samespace.index.segments import spread
from samespace.index.survey import Survey, survey
from samespace.index.tables import Tables

__all__ = ["JOURNAL", "bulk", "cut"]

JOURNAL = "bulk.journal"
"""Name of the journal in the folder of an index."""

_FILES = 256  # of a part, at most: what a killed worker costs
_FEWEST = 16  # of a part: below, writing it costs more than reading it
_BYTES = 64 << 20  # of the files of a part, unless it is one
_EACH = 4  # parts a worker at least, so that all end at about the same time


def bulk(
    index: LanceIndex,
    order: Order,
    roots: Sequence[str | os.PathLike[str]],
    *,
    executor: Executor,
    journal: Path | None = None,
    files: int = _FILES,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    forget: bool = False,
    wait: float = 0.0,
    tidy: bool = True,
) -> Counts:
    """Bring an index up to date, as `ingest` does: the same rows, ids and vectors.

    Args:
        index: what to write to.
        order: what holds for all parts; its `options.wants` are the encoder's modalities.
        roots: folders and files, or URLs of object stores; not both.
        executor: who does the parts.
        journal: where to remember what is finished; None = in the index's folder.
        files: of a part, at most.
        progress: is told how it stands.
        stop: set it to end early, in order: the parts in hand are finished and committed.
        forget: take roots that are missing or empty at their word.
        wait: seconds to wait for another writer.
        tidy: collect and compact at the end if anything changed.

    Raises:
        SpaceMismatchError: a worker's encoder is of another Space.
        QueryError: a root does not exist, or is empty where the index knows files, without `forget`.
        IndexLockedError: another process is writing.
        StoreError: the journal is of a run with other settings; or a part kills its workers.
    """
    run = _Run(index, order, stop or threading.Event(), forget, progress)
    path = journal or _journal_of(index)
    places = _places(roots, forget=forget)
    with index.writer(wait=wait) as writer, Journal(path, _job(index, order)) as book:
        parts = run.kept(book)
        found = run.look(places, writer)
        run.meter.begin("read", len(found.work), sum(f.size for f in found.work))
        jobs = cut(found.work, executor.workers, files)
        for part in executor.run(Embed(order), run.until_stopped(jobs)):
            book.add(part.to_dict())
            parts.append(part)
            run.count(part)
        rows = writer.adopt([part.fragments for part in parts])
        if found.blind:
            writer.commit(found.blind, [], [], index.space.empty())
        book.done()
        run.end(writer, found, rows, executor if tidy else None)
    run.meter.begin("done")
    return run.counts


class _Run:
    """One run's state between its steps."""

    def __init__(
        self,
        index: LanceIndex,
        order: Order,
        stop: threading.Event,
        forget: bool,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._order, self._stop, self._forget = order, stop, forget
        self._tables = Tables.open(index.uri)
        self._staged: dict[str, FileRow] = {}
        self._known: Mapping[str, FileRow] = {}
        self.counts = Counts()
        self.meter = Meter(self.counts, progress)

    def kept(self, book: Journal) -> list[Part]:
        """The parts that a run before this one finished, and whose files nobody took away."""
        parts = [Part(**part) for part in book.parts]
        kept = [part for part in parts if is_there(self._tables, part.fragments)]
        self._staged = file_rows_of(self._tables, [part.fragments for part in kept])
        return kept

    def look(self, places: Sequence[Path], writer: LanceWriter) -> Survey:
        """What is to be done: what stands in the journal counts as known."""
        self.meter.begin("scan")
        self._known = {in_store(path): _within(row) for path, row in {**writer.files(), **self._staged}.items()}
        planner = Planner(self._known, self._order.options, retry_failed=self._order.retry_failed)
        walk = survey_store if is_store(url_of(str(places[0]))) else survey
        folder = self._tables.folder
        return walk(
            places, planner, self.counts, own=Path(os.path.realpath(folder)) if folder else None,
            forget=self._forget, look=self.meter.look, stopped=self._stop.is_set,
        )  # fmt: skip

    def until_stopped(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Jobs, until somebody wants it to end."""
        for job in jobs:
            if self._stop.is_set():
                return
            yield job

    def count(self, part: Part) -> None:
        """Count what became of a part."""
        for name, number in part.counts.items():
            setattr(self.counts, name, getattr(self.counts, name) + number)
        for _ in range(part.files):
            self.meter.done(part.at, part.bytes // part.files)

    def end(self, writer: LanceWriter, found: Survey, rows: Mapping[str, FileRow], tidy: Executor | None) -> None:
        """Forget what is gone, unless it was stopped; have it tidied up."""
        self.counts.stopped = self._stop.is_set()
        if self.counts.stopped:
            return
        gone = found.gone(list(self._known))
        files = [row for path in gone if (row := self._known[path]).modified]  # a shut folder's row has none
        new = (row for path, row in rows.items() if not ((old := self._known.get(path)) and old.content == row.content))
        contents = {row.content for row in new} - {""}
        self.counts.moved = sum(row.content in contents for row in files)
        self.counts.removed = len(files) - self.counts.moved
        writer.remove([url_of(path) for path in gone])
        if tidy and (gone or rows):
            self.meter.begin("tidy")
            writer.maintain(spread(tidy) if tidy.workers > 1 else None)


def cut(work: Sequence[Found], workers: int, files: int = _FILES) -> Iterator[Job]:
    """Ranges of files, in order: small enough for a lost one to cost little, large enough to be worth its writing."""
    most = max(1, min(files, max(_FEWEST, -(-len(work) // (_EACH * workers)))))
    part: list[Found] = []
    size = 0
    for found in work:
        if part and (len(part) >= most or size + found.size > _BYTES):
            yield Job(tuple(part))
            part, size = [], 0
        part.append(found)
        size += found.size
    if part:
        yield Job(tuple(part))


def _places(roots: Sequence[str | os.PathLike[str]], *, forget: bool) -> list[Path]:
    """Roots as paths inside the run."""
    texts = [os.fspath(root) for root in roots]
    stores = [text for text in texts if is_store(text)]
    if not stores:
        return resolve(roots, forget=forget)
    if len(stores) < len(texts):
        raise QueryError(
            f"{stores[0]} is in an object store, {next(t for t in texts if t not in stores)} is not",
            "Index them one after the other: two commands, the same --index",
        )
    made = {Path(in_store(text.rstrip("/"))) for text in stores}
    return sorted(path for path in made if made.isdisjoint(path.parents))


def _within(row: FileRow) -> FileRow:
    path, root = in_store(row.path), in_store(row.root)
    return row if path == row.path else replace(row, path=path, root=root)


def _journal_of(index: LanceIndex) -> Path:
    folder = Tables.open(index.uri).folder
    if folder is None:
        raise QueryError(
            f"{index.uri} is no folder, so there is no place in it for the journal", "Say where: --journal FILE"
        )
    return folder / JOURNAL


def _job(index: LanceIndex, order: Order) -> dict[str, Any]:
    """What a journal is bound to. Which files there are is not of it: each is held against its own row."""
    options = json.dumps(asdict(order.options), default=sorted, sort_keys=True).encode()
    return {
        "format": FORMAT,
        "index": order.uri,
        "model": index.model,
        "options": hashlib.blake2b(options, digest_size=8).hexdigest(),
        "space": hashlib.blake2b(index.space.to_json().encode(), digest_size=8).hexdigest(),
    }
