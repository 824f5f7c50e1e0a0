"""Ingest, end to end, beside the plain loop an engineer would write; and how well its parts overlap.

Both sides start cold, read the same files, embed the same passages with the same weights, and end with an index on the
disk. The peer (plain_loop.py) is sentence-transformers and a flat FAISS index in one process; ours is the command.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from benchmarks.clock import Took, race, ratio
from benchmarks.figure import Figure, check
from samespace.encode.engine import stream
from samespace.encode.load import load
from samespace.encode.protocol import Encoder
from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
from samespace.items import Item
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Options, Some

__all__ = ["ingest_figures", "passages"]

MODEL = "all-MiniLM-L6-v2"
_ENOUGH = 1000  # files from which on the start of either side does not decide
_SHORTEST = 40  # characters of a passage that is worth a file
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def passages(data: Path) -> list[tuple[str, str]]:
    """Titles and words of Wikipedia passages, all different, one to a few paragraphs each."""
    table = pq.read_table(data / "wiki_passages/corpus.parquet").to_pydict()
    return [pair for pair in zip(table["title"], table["text"], strict=True) if len(pair[1]) >= _SHORTEST]


def ingest_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """End to end beside the peer, with the start of both and without; then the overlap."""
    with tempfile.TemporaryDirectory(prefix="samespace-bench-") as temporary:
        place = Path(temporary)
        short = sorted(passages(data), key=lambda pair: len(pair[1]))  # all of them would take twenty minutes
        files = _written(short[-200:] if quick else short[:5000], place / "files")
        one = _written(short[:1], place / "one")
        rounds = 1 if quick else 5
        yield from _beside(place, files, one, rounds)
        yield from _overlap(place, _written(passages(data)[: 100 if quick else 600], place / "few"), rounds)


def _written(texts: list[tuple[str, str]], place: Path) -> Path:
    """A folder of text files under names and in folders as people have them."""
    for number, (title, text) in enumerate(texts):
        name = re.sub(r"[^\w ()-]+", "", title)[:60].strip() or "untitled"
        path = place / f"{2000 + number % 17}" / name[0].lower() / f"{name} {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return place


def _beside(place: Path, files: Path, one: Path, rounds: int) -> Iterator[Figure]:
    took = race(
        {
            "ours": partial(_ours, files, place / "ours"),
            "peer": partial(_peer, files, place / "peer"),
            "our start": partial(_ours, one, place / "start"),
            "peer's start": partial(_peer, one, place / "start"),
        },
        rounds,
    )
    count = sum(1 for _ in files.rglob("*.txt"))
    space = LanceIndex.open(str(place / "ours")).space.name
    notes = f"{space}, threads as they come; the same passages, {_likeness(place)}"
    begun = _less(took["ours"], took["our start"]), _less(took["peer"], took["peer's start"])
    for what, (ours, peer) in {"": (took["ours"], took["peer"]), ", imports and model load excluded": begun}.items():
        bar = ">= 2" if what or count >= _ENOUGH else None
        for wall in (False, True):
            value = ratio(peer, ours, wall=wall)
            name = f"ingest of {count:,} text files{what}, {'wall' if wall else 'CPU'}: plain loop / ours"
            told = f"ours {median(t.wall if wall else t.cpu for t in ours):.1f} s; {notes}"
            yield Figure(name, value, "x", 1.0, bar, None if bar is None else check(value, bar), rounds, told)


def _ours(files: Path, index: Path) -> None:
    """The command as a user runs it, into a new index."""
    shutil.rmtree(index, ignore_errors=True)
    command = [sys.executable, "-m", "samespace", "index", str(files), "--index", str(index), "--model", MODEL]
    _run([*command, "--quiet", "--json"])


def _peer(files: Path, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    _run([sys.executable, "-m", "benchmarks.plain_loop", str(files), str(out)])


def _run(command: list[str]) -> None:
    """Run a process with as many threads as its libraries take by themselves."""
    environment = {name: value for name, value in os.environ.items() if name not in _THREADS}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:]}")


def _less(took: list[Took], start: list[Took]) -> list[Took]:
    """What is left without the start of the same round."""
    return [Took(max(a.cpu - b.cpu, 1e-9), max(a.wall - b.wall, 1e-9)) for a, b in zip(took, start, strict=True)]


def _likeness(place: Path) -> str:
    """How like our vectors are to the peer's, passage by passage; raises if a passage is on one side only."""
    import json

    import faiss
    import numpy as np

    texts = json.loads((place / "peer/places.json").read_text())["texts"]
    theirs = dict(zip(texts, faiss.read_index(str(place / "peer/vectors.faiss")).reconstruct_n(), strict=True))
    snapshot = LanceIndex.open(str(place / "ours")).snapshot()
    ours = snapshot.items["text"].to_pylist()
    if sorted(ours) != sorted(texts):
        raise RuntimeError(f"{len(ours)} passages of ours, {len(texts)} of the peer's: they must be the same")
    rows = snapshot.vectors(snapshot.vector_row).data
    cosines = (rows * np.array([theirs[text] for text in ours])).sum(axis=1)
    return f"cosine to the peer's vectors {cosines.mean():.4f} on average, {cosines.min():.4f} at least"


def _overlap(place: Path, files: Path, rounds: int) -> Iterator[Figure]:
    """Wall time of the whole over that of its larger part alone, each with the threads and workers it has in ingest."""
    paths = sorted(files.rglob("*.txt"))
    items = _read(paths)
    for name, bar in ((MODEL, "<= 1.25"), ("hashing:256", None)):
        encoder = load(name)
        parts: dict[str, Callable[[], object]] = {
            "ingest": partial(_ingest, encoder, name, files, place / "overlap"),
            "read": partial(_read, paths),
            "encode": partial(_encode, encoder, items),
        }
        took = race(parts, rounds)
        larger = [max(a, b, key=lambda t: t.wall) for a, b in zip(took["read"], took["encode"], strict=True)]
        value = ratio(took["ingest"], larger, wall=True)
        holds = None if bar is None else check(value, bar)
        told = ", ".join(f"{part} {median(t.wall for t in rows):.2f} s" for part, rows in took.items())
        figure = f"ingest of {len(paths)} files with {name}, wall: whole / larger of (read, encode) alone"
        yield Figure(figure, value, "x", 1.0, bar, holds, rounds, f"{told}; on {os.cpu_count()} cores, 2 workers")


def _ingest(encoder: Encoder, name: str, files: Path, index: Path) -> None:
    shutil.rmtree(index, ignore_errors=True)
    ingest(LanceIndex.create(str(index), encoder.space, name), encoder, [files])


def _read(paths: list[Path]) -> list[Item]:
    """All passages of all files, through the workers."""
    with ReaderPool(Options()) as pool:
        return [p.item for event in pool.read(paths) if isinstance(event, Some) for p in event.passages]


def _encode(encoder: Encoder, items: list[Item]) -> int:
    return sum(len(rows) for rows in stream(encoder, items, window=1024))
