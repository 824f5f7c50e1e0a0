"""What it costs that acknowledged means on disk, and that the disk holds no more than it must.

The same commits on media that differ in one thing: every file synced one after the other (ours), all files of a step
synced at once by threads, nothing synced at all: what an index would cost that loses batches in a power cut.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq

from benchmarks.clock import cpu, race, ratio
from benchmarks.figure import Figure, check
from samespace import durably
from samespace.encode.load import load
from samespace.index.durable import Durable
from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
from samespace.index.lance_writer import LanceWriter
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.tables import Tables
from samespace.items import Locator
from samespace.read.protocol import Options
from samespace.space import Space, Vectors

__all__ = ["durable_figures"]

_SPACE = Space("made/durable@1", 384)
_ROWS, _FILES, _WORDS = 256, 32, 100
_BOUND = 2.2
_FLOOR = 64 << 20  # bytes below which the bound asks for nothing

Batch = tuple[list[FileRow], list[ItemRow], list[str], Vectors]


class _Unsynced(Durable):
    """A folder in which nothing is synced."""

    def sync(self, *parts: str) -> int:
        return 0


class _Together(Durable):
    """A folder in which the files of a step are synced by threads, then their folders one by one."""

    pool: ClassVar = ThreadPoolExecutor(8)

    def sync(self, *parts: str) -> int:
        real = durably.fsync
        waiting: list[Future[int]] = []

        def fsync(path: str | Path) -> int:
            if Path(path).is_dir():
                for done in waiting:
                    done.result()
                return real(path)
            waiting.append(self.pool.submit(real, path))
            return 0

        durably.fsync = fsync
        try:
            return super().sync(*parts)
        finally:
            durably.fsync = real


def durable_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Commits with and without sync, the share of it in a run, cost on a large table, and the disk in use."""
    yield from _sync_figures(5, 4 if quick else 20)
    yield from _share_figures(data, 60 if quick else 600)
    yield from _growth_figures(20_000 if quick else 200_000)
    yield from _disk_figures(150 if quick else 1500)


def _sync_figures(rounds: int, commits: int) -> Iterator[Figure]:
    chance = Random(0)
    with tempfile.TemporaryDirectory() as place:
        media = {"synced": Durable, "unsynced": _Unsynced, "together": _Together}
        writers = {name: _writer(Path(place) / name, kind) for name, kind in media.items()}
        runs = {name: partial(_commits, writer, commits, chance) for name, writer in writers.items()}
        took = race(runs, rounds)
        calls = _calls(writers["synced"], chance)
    rows = commits * _ROWS
    notes = f"commits of {_ROWS} rows of {_WORDS} words, 384 wide; peer = nothing synced; {calls} fsync calls a commit"
    synced, unsynced = took["synced"], took["unsynced"]
    yield Figure("commits with sync, wall", rows / median(t.wall for t in synced), "rows/s",
                 rows / median(t.wall for t in unsynced), n=rounds, notes=notes)  # fmt: skip
    yield Figure("commits with sync, CPU of one", 1e3 * median(t.cpu for t in synced) / commits, "ms",
                 1e3 * median(t.cpu for t in unsynced) / commits, n=rounds,
                 notes="upkeep on the way included")  # fmt: skip
    for wall in (False, True):
        what = "wall" if wall else "CPU"
        yield Figure(f"commits with sync / without, {what}", ratio(synced, unsynced, wall=wall), "x",
                     ratio(took["together"], unsynced, wall=wall), n=rounds,
                     notes="peer = the files of a step synced by eight threads at once")  # fmt: skip


def _share_figures(data: Path, count: int) -> Iterator[Figure]:
    """What part of a whole run the sync is; the writer waits for it in a thread of its own."""
    encoder = load()
    rows = pq.read_table(data / "wiki_passages/corpus.parquet").slice(0, count).to_pylist()
    spent: list[tuple[float, float]] = []
    real = Durable.sync

    def sync(self: Durable, *parts: str) -> int:
        before, began = time.thread_time(), time.perf_counter()
        made = real(self, *parts)
        spent.append((time.thread_time() - before, time.perf_counter() - began))
        return made

    with tempfile.TemporaryDirectory() as place:
        files = Path(place) / "files"
        files.mkdir()
        for row in rows:
            (files / f"{row['id']}.txt").write_text(row["text"])
        index = LanceIndex.create(Path(place) / "index", encoder.space, "m")
        Durable.sync = sync  # type: ignore[method-assign]
        try:
            before, began = cpu(), time.perf_counter()
            ingest(index, encoder, [files], options=Options(wants=encoder.modalities))
            used, passed = cpu() - before, time.perf_counter() - began
        finally:
            Durable.sync = real  # type: ignore[method-assign]
    notes = f"{count} text files with the default model; {len(spent)} steps"
    yield Figure("share of sync in an ingest, CPU", sum(c for c, _ in spent) / used, "", n=count, notes=notes)
    yield Figure("share of sync in an ingest, wall", sum(w for _, w in spent) / passed, "", n=count,
                 notes=notes + "; most of it while the next batch is encoded")  # fmt: skip


def _growth_figures(rows: int) -> Iterator[Figure]:
    """A commit to a large table beside one to an empty one."""
    chance = Random(1)
    with tempfile.TemporaryDirectory() as place:
        small, large = (_writer(Path(place) / name, Durable) for name in ("small", "large"))
        while rows > 0:
            large.commit(*_batch(chance, 4096))
            rows -= 4096
        took = race({name: partial(_commits, one, 8, chance) for name, one in (("small", small), ("large", large))}, 5)
        count = large._tables.open_table("items").count_rows()
    notes = "8 commits of 256 rows a round, sync and upkeep included"
    yield Figure(f"commit to a table of {count:,} rows / to one of few, CPU", ratio(took["large"], took["small"]), "x",
                 n=5, notes=notes)  # fmt: skip


def _disk_figures(commits: int) -> Iterator[Figure]:
    """The most that lay on the disk after any commit of a run that only commits, changes and removes."""
    chance, worst, spent = Random(2), 0.0, 0
    with tempfile.TemporaryDirectory() as place:
        writer = _writer(Path(place) / "index", Durable)
        for turn in range(commits):
            batch = _batch(chance, _ROWS)
            writer.commit(*batch)
            if turn % 5 == 4:
                writer.remove([row.path for row in batch[0][::2]])
            if turn % 10 == 9:
                used = writer._upkeep.usage().values()
                live, total = sum(u.live for u in used), sum(u.bytes for u in used)
                worst, spent = max(worst, (total - _FLOOR) / live, 0.0), max(spent, total)
        whole = total / live
    bar = f"<= {_BOUND}"
    yield Figure("disk in use above 64 MB / live bytes, the worst of a run", worst, "x", None, bar, check(worst, bar),
                 commits, f"looked at after every tenth commit; up to {spent / 1e6:,.0f} MB")  # fmt: skip
    yield Figure("disk in use / live bytes at the end of the run, no maintenance called", whole, "x", None, bar,
                 check(whole, bar), commits)  # fmt: skip


def _writer(place: Path, kind: type[Durable]) -> LanceWriter:
    """A writer on a new index, without the lock: nobody else is there."""
    index = LanceIndex.create(place, _SPACE, "m")
    tables = Tables.open(str(place))
    return LanceWriter(tables, kind(place, clean=tables.parts()), index.previews)


def _commits(writer: LanceWriter, count: int, chance: Random) -> None:
    for _ in range(count):
        writer.commit(*_batch(chance, _ROWS))


def _calls(writer: LanceWriter, chance: Random) -> int:
    """Calls of fsync in one commit."""
    calls, real = [], durably.fsync
    durably.fsync = lambda path: calls.append(path) or real(path)  # type: ignore[func-returns-value]
    try:
        writer.commit(*_batch(chance, _ROWS))
    finally:
        durably.fsync = real
    return len(calls)


_VOCABULARY = [f"word{i}" for i in range(5000)]


def _batch(chance: Random, rows: int) -> Batch:
    """New rows: eight passages a file, made of words by chance."""
    files, items = [], []
    for _ in range(rows // (_ROWS // _FILES)):
        reading = chance.randbytes(16).hex()
        count = _ROWS // _FILES
        files.append(FileRow(f"/made/{reading}.txt", "/made", 5, 1.0, reading, reading, "indexed", "text", items=count))
        for j in range(count):
            words = " ".join(chance.choices(_VOCABULARY, k=_WORDS))
            key, digest = chance.randbytes(16).hex(), chance.randbytes(16).hex()
            items.append(
                ItemRow(key, reading, digest, "text", "text", "body", Locator(chars=(j, j + 1)), words, position=j)
            )
    data = np.random.default_rng(chance.randrange(2**32)).standard_normal((len(items), 384), np.float32)
    return files, items, [item.digest for item in items], _SPACE.vectors(data)
