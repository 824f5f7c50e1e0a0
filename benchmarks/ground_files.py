"""Figures of whole runs over files: indexing twice, recordings found by what is said, receipts by what is on them."""

import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from benchmarks.figure import Figure, check
from samespace.encode.load import load
from samespace.encode.protocol import Encoder
from samespace.index.ingest import Counts, ingest
from samespace.index.lance import LanceIndex
from samespace.index.protocol import Hits
from samespace.index.query import Query
from samespace.index.search import Searcher
from samespace.read.protocol import Options

# (file, asked, a second that lies within what is said)
ASKED = (
    ("jfk.flac", "serve your nation instead of expecting favours from it", 7.0),
    ("LJ050-0131.wav", "nobody regularly checks what is being done under the rules", 3.0),
    ("spk1_snt1.wav", "a kid nearly injured a little puppy", 1.5),
    ("spk1_snt2.wav", "leave out the 2 when you sum the numbers", 1.5),
    ("spk1_snt3.wav", "so high up the atmosphere is clean", 1.5),
    ("spk1_snt4.wav", "a narrow line goes along the centre", 1.5),
    ("spk1_snt5.wav", "my favourite day is the one after Saturday", 1.5),
    ("spk1_snt6.wav", "somebody has already written with every pencil", 1.0),
)
NEVER_SAID = (
    "how to bake a chocolate cake",
    "the football team lost the final",
    "repairing a diesel engine",
    "photosynthesis in green plants",
    "stock market prices fell sharply",
    "怎样种西红柿",
    "hotel booking confirmation for two nights",
    "the mitochondria of a cell",
)


@dataclass(frozen=True)
class Collection:
    """Files, their index, and what they cost."""

    index: LanceIndex
    searcher: Searcher
    counts: Counts
    cpu_seconds: float


def cpu() -> float:
    """CPU seconds of this process and of the children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in uses)


@contextmanager
def collection(fill: Path, encoder: Encoder) -> Iterator[Collection]:
    """Index a folder in a place of its own."""
    with tempfile.TemporaryDirectory() as place:
        index = LanceIndex.create(str(Path(place) / "index"), encoder.space, "multilingual-e5-small")
        before = cpu()
        counts = ingest(index, encoder, [fill], options=Options(wants=encoder.modalities))
        yield Collection(index, Searcher(index, encoder), counts, cpu() - before)


def start_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """What it costs to start: CPU seconds of `samespace --help`, beside a Python that does nothing."""

    def seconds(*args: str) -> float:
        runs = []
        for _ in range(3 if quick else 7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *args], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            runs.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        return median(runs)

    value, bar = seconds("-m", "samespace", "--help"), "<= 0.3"
    yield Figure(
        "samespace --help", value, "CPU s", seconds("-c", "pass"), bar, check(value, bar), 7, "peer = python -c pass"
    )


def twice_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Indexing again embeds nothing; renaming nothing; changing one file only what changed."""
    encoder = load()
    with tempfile.TemporaryDirectory() as place:
        files = Path(place)
        rows = pq.read_table(data / "wiki_passages/corpus.parquet").slice(0, 50).to_pylist()
        for row in rows:
            (files / f"{row['id']}.txt").write_text(row["text"])
        with collection(files, encoder) as made:
            options = Options(wants=encoder.modalities)

            def again() -> int:
                return ingest(made.index, encoder, [files], options=options).passages

            yield Figure("first run, passages encoded", made.counts.passages, "passages", n=50)
            steps: list[tuple[str, Callable[[Path], None], int]] = [
                ("second run", lambda _: None, 0),
                ("after renaming ten files", _rename, 0),
                ("after changing one file", _change, 1),
            ]
            for name, act, expected in steps:
                act(files)
                value = again()
                yield Figure(
                    f"{name}, passages encoded", value, "passages", bar=f"= {expected}", holds=value == expected, n=50
                )


def _rename(files: Path) -> None:
    for file in sorted(files.iterdir())[:10]:
        file.rename(file.with_name("renamed-" + file.name))


def _change(files: Path) -> None:
    max(files.iterdir()).write_text("Something else stands here now, and it is short.")


def speech_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """A paraphrase finds the clip and its second; words never said find nothing confident."""
    encoder = load()
    with tempfile.TemporaryDirectory() as place:
        for name, _, _ in ASKED:
            shutil.copy(data / "speech_clips" / name, place)
        with collection(Path(place), encoder) as made:
            right, sure, missed = 0, 0, []
            for name, words, second in ASKED:
                hits = made.searcher.search(Query.text(words), k=3)
                good = _finds(hits, name, second)
                right += good
                sure += good and hits[0].confident
                if not good or not hits[0].confident:
                    missed.append(words)
            n = len(ASKED)
            yield Figure("speech: paraphrase → clip and second", right, "clips", bar=f"= {n}", holds=right == n, n=n,
                         notes="; ".join(missed))  # fmt: skip
            yield Figure("speech: the right ones that are confident", sure, "clips", n=n)
            loud = [w for w in NEVER_SAID if made.searcher.search(Query.text(w), k=3).confident]
            yield Figure("speech: words never said, called confident", len(loud), "queries", bar="= 0",
                         holds=not loud, n=len(NEVER_SAID), notes="; ".join(loud))  # fmt: skip


def _finds(hits: Hits, name: str, second: float) -> bool:
    if not hits or Path(hits[0].path).name != name or hits[0].locator.seconds is None:
        return False
    start, end = hits[0].locator.seconds
    return start <= second <= end


def receipt_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Receipts found by what is printed on them, read by OCR."""
    encoder = load()
    rows = pq.read_table(data / "receipts/manifest.parquet").to_pylist()[: 20 if quick else None]
    with tempfile.TemporaryDirectory() as place:
        for row in rows:
            (Path(place) / f"{row['id']}.jpg").write_bytes(row["bytes"])
        with collection(Path(place), encoder) as made:
            n = len(rows)
            yield Figure("receipts: reading, CPU seconds each", made.cpu_seconds / n, "s", n=n)
            yield Figure("receipts: files that failed", made.counts.failed, "files", bar="= 0",
                         holds=made.counts.failed == 0, n=n)  # fmt: skip
            firm = {row["id"]: _plain(row["company"]) for row in rows}
            asked = [(f"total of the receipt from {row['company']}", row["id"], True) for row in rows if row["company"]]
            lines = [(_line(row["ocr"]), row["id"], False) for row in rows]
            for title, questions in (("total of the receipt from COMPANY", asked), ("a line of its text", lines)):
                for k in (1, 5):
                    found = 0
                    for words, wanted, by_firm in questions:
                        hits = [Path(h.path).stem for h in made.searcher.search(Query.text(words), k=k)]
                        found += any(h == wanted or (by_firm and firm[h] == firm[wanted]) for h in hits)
                    notes = "peer = chance" + ("; any receipt of that firm counts" if title[0] == "t" else "")
                    value = found / len(questions)
                    right = [list(firm.values()).count(firm[w]) if by_firm else 1 for _, w, by_firm in questions]
                    chance = sum(1 - comb(n - m, k) / comb(n, k) for m in right) / len(right)
                    yield Figure(f"receipts: {title}, recall@{k}", value, "", chance, n=len(questions), notes=notes)


def _plain(name: str | None) -> str:
    return "".join(c for c in (name or "").lower() if c.isalnum())


def _line(text: str) -> str:
    """Eight words from the middle: an address or an article, seldom the firm."""
    words = text.split()
    middle = max(0, len(words) // 2 - 4)
    return " ".join(words[middle : middle + 8])
