"""Cold search: what `samespace search` costs in a new process beyond loading the model, and what a search costs then.

Beyond the model = CPU of the whole process less that of one that loads the same model and encodes the same query, in
turn. The indexes are made up of real passages (`made_index`), one passage a file, which is the most files there can be;
they are left as `samespace index` leaves them.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.clock import Took, cpu
from benchmarks.figure import Figure, check
from benchmarks.made_index import Seeds, build, seeds
from samespace.encode.load import DEFAULT_MODEL, load
from samespace.encode.protocol import Encoder, Role
from samespace.index.lance import LanceIndex
from samespace.index.search import Searcher
from samespace.items import Item, Modality
from samespace.space import Space, Vectors

__all__ = ["cold_figures"]

_BAR = "<= 0.7"
_ROUNDS = 7
_ASKED = "the queen of lotharingia"
_QUERIES = [
    "the queen of lotharingia", "a boundary layer at high speed", "how many apples are left", "a bishop in the north",
    "she is dancing with her friends", "heat transfer on a flat plate", "the film was released in", "river and bridge",
]  # fmt: skip
_PEAK = "import sys; sys.stderr.write(open('/proc/self/status').read())"  # what getrusage says counts the parent, too
_MODEL = (
    "from samespace.encode.load import load\nfrom samespace.items import Text\n"
    f"load({DEFAULT_MODEL!r}).encode([Text({_ASKED!r})], role='query')\n" + _PEAK
)
_SEARCH = "from samespace.serve.cli import main\ntry:\n    main()\nfinally:\n    " + _PEAK


def cold_figures(place: Path, quick: bool) -> Iterator[Figure]:
    """CPU of a cold search, of one after a commit and of warm ones; RSS of the process."""
    encoder = load(DEFAULT_MODEL)
    kept = seeds(place, encoder, 150 if quick else 400)
    for count in (10_000,) if quick else (10_000, 100_000):
        with TemporaryDirectory(prefix="samespace-cold-") as folder:
            at = Path(folder) / "made.index"
            Searcher(build(at, kept, DEFAULT_MODEL, items=count), encoder).prepare()
            yield from _processes(at, count)
            yield from _within(at, count, kept, encoder)


def _processes(at: Path, count: int) -> Iterator[Figure]:
    """New processes in turn: the model alone, the search; and the search of an index that was just written to."""
    model: list[_Ended] = []
    search: list[_Ended] = []
    for number in range(_ROUNDS + 1):
        found = _run(_MODEL), _run(_SEARCH, "search", _ASKED, "--index", str(at))
        if number:  # the first of each finds the files on the disk
            model.append(found[0])
            search.append(found[1])
    beyond = median(s.took.cpu - m.took.cpu for m, s in zip(model, search, strict=True))
    whole, wall = median(s.took.cpu for s in search), median(s.took.wall for s in search)
    alone = median(m.took.cpu for m in model)
    name = f"search of {count:,} items in as many files, new process"
    yield Figure(
        f"{name}: CPU beyond model load", beyond, "s", bar=_BAR, holds=check(beyond, _BAR), n=_ROUNDS,
        notes=f"whole {whole:.2f} s CPU, {wall:.2f} s by the clock; the model and one query {alone:.2f} s CPU",
    )  # fmt: skip
    yield Figure(
        f"{name}: RSS", median(s.rss for s in search), "MB", peer=median(m.rss for m in model), n=_ROUNDS,
        notes="peer: the model alone",
    )  # fmt: skip


def _within(at: Path, count: int, kept: Seeds, encoder: Encoder) -> Iterator[Figure]:
    """One process that goes on searching; queries are encoded beforehand and not counted."""
    asked = _Ready(encoder)
    index = LanceIndex.open(at)
    searcher = Searcher(index, asked)
    for query in _QUERIES:
        searcher.search(query)
    warm = [_cpu(partial(searcher.search, query)) for _ in range(5) for query in _QUERIES]
    yield Figure(
        f"warm search of {count:,} items: CPU", 1000 * median(warm), "ms", n=len(warm), notes="all but encoding"
    )
    first = []
    for number in range(5):
        build(at, kept, DEFAULT_MODEL, items=16, start=10_000_000 + 16 * number, maintain=False)
        first.append(_cpu(partial(searcher.search, _ASKED)))
    yield Figure(
        f"first search of {count:,} items after 16 more: CPU", 1000 * median(first), "ms", n=len(first),
        notes="in the same process, all but encoding",
    )  # fmt: skip
    stale = [_run(_SEARCH, "search", _ASKED, "--index", str(at)).took.cpu for _ in range(5)]
    model = [_run(_MODEL).took.cpu for _ in range(5)]
    yield Figure(
        f"search of {count:,} items, new process, not yet put in order: CPU beyond model load",
        median(stale) - median(model), "s", n=len(stale), notes="80 items written since",
    )  # fmt: skip


@dataclass(frozen=True)
class _Ended:
    """What a process took, and the most memory it had, in MB."""

    took: Took
    rss: float


def _run(*args: str) -> _Ended:
    before, began = cpu(), time.perf_counter()
    child = subprocess.run([sys.executable, "-c", *args], capture_output=True, text=True, check=False)
    took = Took(cpu() - before, time.perf_counter() - began)
    if child.returncode:
        raise RuntimeError(f"{args[-1]!r} ended with {child.returncode}: {child.stderr[-300:]}")
    peak = next(line for line in reversed(child.stderr.splitlines()) if line.startswith("VmHWM"))
    return _Ended(took, int(peak.split()[1]) / 1024)


def _cpu(call: Callable[[], object]) -> float:
    before = cpu()
    call()
    return cpu() - before


@dataclass
class _Ready:
    """An encoder that encodes everything once."""

    encoder: Encoder
    known: dict[tuple[str, Role], Vectors] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        """As the encoder's."""
        return self.encoder.space

    @property
    def modalities(self) -> frozenset[Modality]:
        """As the encoder's."""
        return self.encoder.modalities

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """From what is known, or by the encoder."""
        key = ("\n".join(item.digest() for item in items), role)
        if key not in self.known:
            self.known[key] = self.encoder.encode(items, role=role)
        return self.known[key]
