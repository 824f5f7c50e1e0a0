"""The process that is killed: `samespace.index.ingest` as it is, that says what it does while it does it.

    python crash_driver.py '{"index": …, "marks": …, "steps": [["ingest"], …]}'

Each mark is one line of JSON in one write: a stage begins or ends, a change is about to be made or is acknowledged.
What the product does is not changed; thresholds are lowered so that small tables get indexes and are compacted, and a
stage can be slowed down so that it can be hit. The steps: ["ingest", {options}], ["write", path, text], ["unlink",
path], ["save", name], ["restore", name].
"""

import ctypes
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

HOW: dict[str, Any] = json.loads(sys.argv[1]) if __name__ == "__main__" else {}
_MARKS = os.open(HOW["marks"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if HOW else -1


def record() -> None:
    """Record every change below the index folder from here on; children get what they need to live with it."""
    how = HOW["record"]
    os.environ["LD_PRELOAD"] = how["library"]
    start = ctypes.CDLL(how["library"]).start
    start.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_long]
    failed = start(
        *(os.fsencode(p) for p in (HOW["index"], HOW["marks"], how["journal"])), how.get("events", 0)
    )  # fmt: skip
    if failed:
        sys.exit(f"no recording: {os.strerror(-failed)}")


if HOW.get("record"):
    record()

import lance  # noqa: E402

from samespace.encode.hashing import Hashing, load  # noqa: E402
from samespace.errors import SamespaceError  # noqa: E402
from samespace.index import batch, ingest, intake, lance_writer, survey, tables, upkeep, versions  # noqa: E402
from samespace.index.lance import LanceIndex  # noqa: E402
from samespace.index.protocol import FileRow  # noqa: E402
from samespace.read.protocol import Limits, Options  # noqa: E402


def mark(**facts: Any) -> None:
    os.write(_MARKS, (json.dumps(facts | {"at": time.monotonic()}) + "\n").encode())


def staged(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with marks around it; slowed down by what HOW says."""

    @wraps(function)
    def run(*args: Any, **how: Any) -> Any:
        mark(stage=name, now="begin")
        time.sleep(HOW.get("slow", {}).get(name, 0.0))
        try:
            return function(*args, **how)
        finally:
            mark(stage=name, now="end")

    return run


def brief(row: FileRow) -> list[Any]:
    """What is acknowledged of a file."""
    return [row.content, row.reading, row.status, row.items]


def watch_commits() -> None:
    commit, remove, delete = (
        lance_writer.LanceWriter.commit,
        lance_writer.LanceWriter.remove,
        tables.Tables.delete,
    )

    def told_commit(self: Any, files: Any, items: Any, digests: Any, vectors: Any) -> None:
        facts = {"files": {f.path: brief(f) for f in files}, "digests": list(digests), "items": [i.id for i in items]}
        mark(will="commit", **facts)
        commit(self, files, items, digests, vectors)
        mark(did="commit", **facts)

    def told_remove(self: Any, paths: Any) -> int:
        mark(will="remove", paths=list(paths))
        gone = remove(self, paths)
        mark(did="remove", paths=list(paths))
        return gone

    def told_delete(self: Any, name: str, keys: Any, *args: Any, **how: Any) -> None:
        if name == self.card.vector_table:
            mark(will="drop", digests=keys.to_pylist())
        if name == "items":
            mark(will="drop", items=keys.to_pylist())
        delete(self, name, keys, *args, **how)

    lance_writer.LanceWriter.commit = staged("commit", told_commit)
    lance_writer.LanceWriter.remove = staged("remove", told_remove)
    tables.Tables.delete = told_delete


def watch_stages() -> None:
    ingest.survey = staged("scan", ingest.survey)
    ingest._Pipe._feed = staged("read", ingest._Pipe._feed)
    Hashing.encode = staged("encode", Hashing.encode)
    lance_writer.LanceWriter._collect = staged("collect", lance_writer.LanceWriter._collect)
    lance_writer.LanceWriter.maintain = staged("maintain", lance_writer.LanceWriter.maintain)
    build = lance.LanceDataset.create_index_uncommitted

    def built(self: Any, column: str, *args: Any, **how: Any) -> Any:
        return staged("words" if column == "terms" else "neighbours", build)(self, column, *args, **how)

    lance.LanceDataset.create_index_uncommitted = built
    name_segments = lance.LanceDataset.commit_existing_index_segments
    lance.LanceDataset.commit_existing_index_segments = staged("index", name_segments)
    lance.LanceDataset.cleanup_old_versions = staged("clean", lance.LanceDataset.cleanup_old_versions)
    upkeep.Upkeep._join = staged("compact", upkeep.Upkeep._join)
    walk = survey.scan

    def slow_walk(*args: Any, **how: Any) -> Iterator[Any]:
        for entry in walk(*args, **how):
            time.sleep(HOW.get("slow", {}).get("entry", 0.0))
            yield entry

    survey.scan = slow_walk
    put = intake.Previews.put
    intake.Previews.put = staged("preview", put)


def lower_thresholds() -> None:
    batch._MOST = batch._FEWEST = HOW.get("batch", 4)
    made = batch.Batch.__init__

    def batch_init(self: Any, *args: Any, **how: Any) -> None:
        made(self, *args, **how)
        self.target = batch._MOST

    batch.Batch.__init__ = batch_init
    first = upkeep.Upkeep.__init__

    def init(self: Any, *args: Any, **how: Any) -> None:
        first(self, *args, **how)
        self.ram_rows = self.word_rows = HOW.get("rows", 10)
        self.age = timedelta(seconds=HOW.get("age", 0))
        self.floor = HOW.get("floor", 0)
        self._bound = self._due = float(self.floor)

    upkeep.Upkeep.__init__ = init
    upkeep._FRAGMENTS, upkeep._COMMITS = HOW.get("fragments", 2), HOW.get("commits", 3)


def main() -> None:
    watch_commits()
    watch_stages()
    lower_thresholds()
    if HOW.get("no_sync"):
        os.fsync = lambda handle: None
    mark(start=True)
    encoder, stop = load(HOW.get("model", "8")), threading.Event()
    index = LanceIndex.create(HOW["index"], encoder.space, model="hashing:8")
    mark(created=True)
    for name, *rest in HOW["steps"]:
        if name == "ingest":
            options = dict(rest[0]) if rest else {}
            limits = Limits(**options.pop("limits", {}))
            roots = options.pop("roots", HOW["roots"])
            made = Options(ocr=False, speech=False, limits=limits, **options)
            counts = ingest.ingest(index, encoder, roots, options=made, stop=stop, workers=HOW.get("workers", 2))
            mark(counts=counts.to_dict(), known={path: brief(row) for path, row in index.files().items()})
        elif name == "write":
            Path(rest[0]).write_text(rest[1])
        elif name == "unlink":
            Path(rest[0]).unlink()
        elif name == "save":
            mark(will="save", name=rest[0])
            staged("save", versions.save)(HOW["index"], rest[0])
            mark(did="save", name=rest[0])
        elif name == "restore":
            mark(will="restore", name=rest[0])
            staged("restore", versions.restore)(HOW["index"], rest[0])
            mark(did="restore", name=rest[0])
    mark(finish=True)


if __name__ == "__main__":
    if "file_bytes" in HOW:
        resource.setrlimit(resource.RLIMIT_FSIZE, (HOW["file_bytes"],) * 2)
    if "user" in HOW:
        os.setuid(HOW["user"])
    try:
        main()
    except SamespaceError as err:
        sys.exit(f"{type(err).__name__}: {err}")
