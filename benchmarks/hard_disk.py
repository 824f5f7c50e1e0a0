"""Search of a million vectors on the disk, through an index that the writer made: recall, CPU and memory of a query.

The queries run in a process of their own, which prints what it measured: `python -m benchmarks.hard_disk FOLDER ROWS`.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from statistics import median

import numpy as np

from benchmarks.clock import cpu
from benchmarks.data import folder
from benchmarks.figure import Figure, check
from benchmarks.made_vectors import corpus, questions
from samespace.index.lance import LanceIndex
from samespace.index.protocol import FileRow, ItemRow
from samespace.items import Locator
from samespace.space import Space

__all__ = ["disk_figures"]

_OUT = Path(__file__).resolve().parent / "out"
_SPACE = Space("made/minilm@1", 384)
_ASKED, _ROUNDS, _K = 100, 5, 10
_COMMIT = 10_000
_SHARES = {"all rows": 1.0, "10 % of the rows allowed": 0.1, "1 % of the rows allowed": 0.01}


def disk_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Recall and cost of a query of the index on the disk, with and without a filter."""
    rows = 200_000 if quick else 1_000_000
    place, cost = _built(data, rows)
    _order(rows)
    for share in _SHARES.values():
        _truth(data, rows, share)
    command = [sys.executable, "-m", "benchmarks.hard_disk", str(place), str(rows), str(data)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    size = f"{rows:,} x 384 from disk"
    for what, one in found["searches"].items():
        notes = f"{_ASKED} real questions, k = {_K}; page cache warm; all threads; wall {one['wall']:.1f} ms"
        recall, spent = one["recall"], one["cpu"]
        yield Figure(f"{size}, {what}: recall@10", recall, "", None, ">= 0.95", check(recall, ">= 0.95"), _ASKED, notes)
        holds = check(spent, "<= 20")
        yield Figure(f"{size}, {what}: CPU per query", spent, "ms", None, "<= 20", holds, _ASKED * _ROUNDS, notes)
    notes = "one item a vector, without words; as the writer commits 10,000 at a time, with sync"
    yield Figure(f"{size}: commits, CPU", cost["commits"], "s", n=rows, notes=notes)
    yield Figure(f"{size}: maintenance with the making of the index, CPU", cost["upkeep"], "s", n=rows)
    yield Figure(f"{size}: vectors with their index", cost["bytes"] / rows, "B/row", n=rows, notes="1,536 are float32")
    notes = f"{found['before']:.0f} before the index was opened; opening it took {found['opened']:.2f} s of CPU"
    yield Figure(f"{size}: peak memory of the searching process", found["peak"], "MB", n=1, notes=notes)


def _digests(rows: int) -> list[str]:
    return [blake2b(str(i).encode(), digest_size=16).hexdigest() for i in range(rows)]


def _allowed(rows: int, share: float) -> np.ndarray | None:
    """(rows,) bool over the corpus."""
    return None if share == 1.0 else np.random.default_rng(int(1000 * share)).random(rows) < share


def _built(data: Path, rows: int) -> tuple[Path, dict[str, float]]:
    """An index of the made vectors, and what making it cost; made once."""
    place, note = _OUT / f"disk-{rows}.index", _OUT / f"disk-{rows}.json"
    if not note.exists():
        rmtree(place, ignore_errors=True)
        made, digests = corpus(data, rows), _digests(rows)
        index = LanceIndex.create(place, _SPACE, model="none")
        with index.writer() as writer:
            began = cpu()
            for f, start in enumerate(range(0, rows, _COMMIT)):
                some = range(start, min(start + _COMMIT, rows))
                items = [
                    ItemRow(f"i{i}", f"r{f}", digests[i], "text", "text", "body", Locator(chars=(0, 1)), "", position=i)
                    for i in some
                ]
                file = FileRow(f"/made/{f}", "/made", 1, 1.0, f"c{f}", f"r{f}", "indexed", items=len(items))
                vectors = _SPACE.vectors(made[some.start : some.stop])
                writer.commit([file], items, digests[some.start : some.stop], vectors)
            between = cpu()
            writer.maintain()
            cost = {"commits": between - began, "upkeep": cpu() - between}
        tables = place / f"{index.card.vector_table}.lance"
        cost["bytes"] = sum(p.stat().st_size for p in tables.rglob("*") if p.is_file())
        note.write_text(json.dumps(cost))
    return place, json.loads(note.read_text())


def _order(rows: int) -> np.ndarray:
    """(rows,) which row of the corpus each row of the Snapshot is: it is in the order of the digests."""
    path = _OUT / f"order-{rows}.npy"
    if not path.exists():
        np.save(path, np.argsort(np.array(_digests(rows))))
    return np.asarray(np.load(path))


def _truth(data: Path, rows: int, share: float) -> np.ndarray:
    """(asked, k) rows of the corpus, by a product of everything with everything."""
    path = _OUT / f"truth-{rows}-{share}.npy"
    if not path.exists():
        queries, made, allowed = questions(data)[:_ASKED], corpus(data, rows), _allowed(rows, share)
        found = []
        for query in range(0, _ASKED, 20):
            scores = queries[query : query + 20] @ made.T
            if allowed is not None:
                scores[:, ~allowed] = -2
            found.append(np.argpartition(-scores, _K, axis=1)[:, :_K])
        np.save(path, np.concatenate(found))
    return np.asarray(np.load(path))


def _search(place: Path, rows: int, data: Path) -> dict[str, object]:
    """Open the index, search it round by round."""
    queries, order = questions(data)[:_ASKED], _order(rows)
    truths = {what: _truth(data, rows, share) for what, share in _SHARES.items()}
    masks = {what: _allowed(rows, share) for what, share in _SHARES.items()}
    before, began = _peak(), time.process_time()
    view = LanceIndex.open(place).snapshot()
    opened = time.process_time() - began
    searches = {}
    for what, truth in truths.items():
        mask = masks[what]
        allowed = None if mask is None else mask[order]
        spent, walls, shares = [], [], [0.0]
        for number in range(_ROUNDS + 1):
            start, wall = time.process_time(), time.perf_counter()
            found = [view.nearest(view.space.vectors(q), _K, allowed=allowed)[0] for q in queries]
            if number:
                spent.append(1000 * (time.process_time() - start) / _ASKED)
                walls.append(1000 * (time.perf_counter() - wall) / _ASKED)
            shares = [len(np.intersect1d(order[f.rows], t)) / _K for f, t in zip(found, truth, strict=True)]
        searches[what] = {"recall": float(np.mean(shares)), "cpu": median(spent), "wall": median(walls)}
    return {"searches": searches, "before": before, "peak": _peak(), "opened": opened}


def _peak() -> float:
    """MB of this process at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_search(Path(sys.argv[1]), int(sys.argv[2]), folder(Path(sys.argv[3])))))
