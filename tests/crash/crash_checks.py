"""What must hold after any crash: every acknowledged row once and only once, the next run completes, search works."""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ingesting import Recording, words

from samespace.encode.hashing import Hashing, load
from samespace.index import ingest as ingesting_module
from samespace.index.identity import content_hash
from samespace.index.lance import LanceIndex
from samespace.index.protocol import FileRow
from samespace.index.scan import encode_path
from samespace.index.snapshot import Snapshot
from samespace.items import Text
from samespace.read.leftover import sweep
from samespace.read.protocol import Options

Brief = tuple[Any, ...]


@dataclass
class Ledger:
    """What the killed process said: what it acknowledged, and what it was about when it died.

    Attributes:
        files: path to what is acknowledged of it.
        maybe: path to what else may be there, None = nothing.
        digests: acknowledged vectors, less those that a collection was about to drop.
        hits: stages that were under way at the end.
    """

    files: dict[str, Brief] = field(default_factory=dict)
    maybe: dict[str, set[Brief | None]] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    hits: list[str] = field(default_factory=list)
    saved: dict[str, dict[str, Brief]] = field(default_factory=dict)
    created: bool = False
    finished: bool = False
    acknowledged: int = 0

    def hear(self, lines: Iterable[bytes]) -> "Ledger":
        for line in lines:
            self._hear(json.loads(line))
        return self

    def _hear(self, said: dict[str, Any]) -> None:
        rows = {path: tuple(row) for path, row in said.get("files", {}).items()}
        gone = said.get("paths", [])
        if said.get("will") in ("commit", "remove"):
            for path in (*rows, *gone):
                self.maybe.setdefault(path, set()).add(rows.get(path))
        elif said.get("will") == "restore":
            for path in {*self.files, *self.saved[said["name"]]}:
                self.maybe.setdefault(path, set()).add(self.saved[said["name"]].get(path))
        elif said.get("did") == "save":
            self.saved[said["name"]] = dict(self.files)
        elif said.get("did") == "restore":
            self.files = dict(self.saved[said["name"]])
            self.maybe.clear()
        elif said.get("will") == "drop":
            self.digests.difference_update(said.get("digests", []))
        elif "did" in said:
            self.acknowledged += 1
            self.files.update(rows)
            self.digests.update(said.get("digests", []))
            for path in gone:
                self.files.pop(path, None)
            for path in (*rows, *gone):
                self.maybe.pop(path, None)
        elif "known" in said:  # a run that came to its end found what the one before it left in doubt
            self.files = {path: tuple(row) for path, row in said["known"].items()}
            self.maybe.clear()
        elif "stage" in said:
            (self.hits.append if said["now"] == "begin" else self.hits.remove)(said["stage"])
        elif "start" in said:
            self.hits.clear()
        self.created |= "created" in said
        self.finished |= "finish" in said

    @classmethod
    def of(cls, uri: Path) -> "Ledger":
        """What an index holds that nothing happened to."""
        index = LanceIndex.open(uri)
        files = {path: brief(row) for path, row in index.files().items()}
        return cls(files=files, digests=set(index.snapshot().digests.to_pylist()), created=True)

    def allowed(self, path: str) -> set[Brief | None]:
        return {self.files.get(path)} | self.maybe.get(path, set())


def lines_of(marks: Path) -> list[bytes]:
    """All whole lines."""
    return (
        [line for line in marks.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        if marks.exists()
        else []
    )


def brief(row: FileRow | None) -> Brief | None:
    return (row.content, row.reading, row.status, row.items) if row else None


def check(uri: Path, ledger: Ledger, encoder: Hashing) -> None:
    """Every acknowledged row once and only once, each leading to what it says, with the right vector."""
    if not LanceIndex.exists(uri):
        assert not ledger.created and not ledger.files, "an index that was acknowledged is gone"
        return
    index = LanceIndex.open(uri, encoder.space)
    files = index.files()
    for path in {*files, *ledger.files, *ledger.maybe}:
        assert brief(files.get(path)) in ledger.allowed(path), (
            f"{path}: {files.get(path)} not in {ledger.allowed(path)}"
        )
    tables = {name: index._tables.open_table(name.removesuffix(".lance")).to_table() for name in index._tables.parts()}
    for name, table in tables.items():
        keys = table[0].to_pylist()
        assert len(keys) == len(set(keys)), f"rows of {name} are repeated"
    items = tables["items.lance"].select(["reading", "digest", "text", "position"]).to_pylist()
    stored = dict(zip(*(tables[index._tables.parts()[0]][c].to_pylist() for c in ("digest", "vector")), strict=True))
    assert ledger.digests <= set(stored), f"{len(ledger.digests - set(stored))} acknowledged vectors are gone"
    for row in files.values():
        if row.status == "failed":
            continue
        mine = [item for item in items if item["reading"] == row.reading]
        assert sorted(item["position"] for item in mine) == list(range(row.items)), f"{row.path}: items are missing"
        for item in mine:
            if item["digest"]:
                text = Text(item["text"])
                assert item["digest"] == text.digest()
                assert np.array_equal(np.float32(stored[item["digest"]]), encoder.encode([text]).data[0]), row.path
    index.ram_rows = index.word_rows = index.cold_rows = 10  # search by what Lance indexed, as a large index does
    view = index.snapshot()
    find(view, encoder)
    assert (view.vector_row >= 0).sum() == sum(bool(d) for d in view.items["digest"].to_pylist())


def go_on(
    uri: Path, roots: list[Path], ledger: Ledger, encoder: Hashing, *, retry_failed: bool = False, **options: Any
) -> None:
    """The next run: it completes, embeds nothing that was acknowledged, and what is in the folder is found."""
    recording = Recording(encoder)
    index = LanceIndex.create(uri, encoder.space, model="hashing:8")
    made = Options(ocr=False, speech=False, **options)
    counts = ingesting_module.ingest(index, recording, roots, options=made, retry_failed=retry_failed)
    again = {Text(text).digest() for text in recording.texts} & ledger.digests
    assert not again, f"{len(again)} acknowledged passages were embedded again"
    assert not counts.failed and not counts.stopped
    whole(uri, roots, encoder)
    more = ingesting_module.ingest(index, encoder, roots, options=Options(ocr=False, speech=False, **options))
    assert more.reused == more.seen == counts.seen and not more.passages


def whole(uri: Path, roots: list[Path], encoder: Hashing) -> None:
    """The index is what the folder is: each file once with its bytes, found by its words and by its vector."""
    index = LanceIndex.open(uri)
    there = {encode_path(p.resolve()): p for root in roots for p in root.rglob("*") if p.is_file()}
    rows = index.files()
    assert rows.keys() == there.keys()
    assert all(rows[name].content == content_hash(path) for name, path in there.items())
    check(uri, Ledger(files={path: brief(row) for path, row in rows.items()}), encoder)


def find(view: Snapshot, encoder: Hashing) -> None:
    """Some passages are found by their vector and by a word that only they have."""
    paths, texts = view.items["path"].to_pylist(), view.items["text"].to_pylist()
    at = [i for i, row in enumerate(view.vector_row) if row >= 0]
    for i in at[:: max(1, len(at) // 3)]:
        (found,) = view.nearest(encoder.encode([Text(texts[i])]), 3)
        assert paths[i] in [paths[int(j)] for row in found.rows for j in view.items_of(row)], (
            f"{paths[i]} by its vector"
        )
        word = max(texts[i].split(), key=len).strip(".")
        assert paths[i] in [paths[int(j)] for j in view.words(word, 50).rows], f"{paths[i]} by the word {word}"


def free(uri: Path) -> bool:
    """Whether nobody holds the lock."""
    handle = os.open(uri / "writer.lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


def nobody_left(temporary: Path, patience: float = 30.0) -> None:
    """No process of the killed one lives on; they get a moment to end."""
    until = time.monotonic() + patience
    while (left := processes(temporary)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


@contextmanager
def cleaned(temporary: Path) -> Iterator[None]:
    """The block's run uses this folder for temporary files; then nothing is in it that a later one does not sweep."""
    before, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        yield
        for left in temporary.iterdir():
            os.utime(left, (0, 0))  # what is younger than a minute is left alone
        sweep()
    finally:
        tempfile.tempdir = before
    assert not [path.name for path in temporary.iterdir()]


def processes(temporary: Path) -> list[str]:
    """Processes that name this folder on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(temporary) in line and path.parent.name != str(os.getpid()):
            found.append(f"process {path.parent.name}")
    return found


def folder_of(place: Path, files: int, first: int = 0) -> Path:
    """Notes with words that no other has."""
    place.mkdir(exist_ok=True)
    for number in range(first, first + files):
        (place / f"note {number}.txt").write_text(words(number, 2 + number % 5))
    return place


def hashing() -> Hashing:
    return load("8")
