"""Search in RAM beside a plain product, FAISS and hnswlib: 100,000 rows, real questions."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.clock import Took, cpu, race, ratio
from benchmarks.figure import Figure, check
from benchmarks.made_vectors import corpus, questions
from samespace.index.hot import Cells, Hot
from samespace.index.ram import Compact, Ram
from samespace.space import Space

__all__ = ["hot_figures", "search_figures"]

_K, _BATCH = 10, 128
_SPACE = Space("made/minilm@1", 384)
_MADE = "vectors between real MiniLM ones, real questions"


def search_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Exact search: one query, with a filter, in a batch."""
    rows, asked, rounds = np.array(corpus(data, 100_000)), questions(data), 5 if quick else 9
    allowed = np.random.default_rng(3).random(len(rows)) < 0.1
    yield from _singles(rows, asked, allowed, 20 if quick else 50, rounds)
    yield from _batches(rows, asked[:_BATCH], rounds)


def _singles(rows: np.ndarray, asked: np.ndarray, allowed: np.ndarray, count: int, rounds: int) -> Iterator[Figure]:
    coded, plain = Ram(rows, _SPACE, Compact.of(rows)), Ram(rows, _SPACE)
    queries = [_SPACE.vectors(q) for q in asked[:count]]

    def first(allowed: np.ndarray | None = None) -> None:
        for query in queries:
            plain._asked = 0  # each as if it were the first: there is no int8 copy
            plain.nearest(query, _K, allowed=allowed)

    took = race(
        {
            "numpy": lambda: [_by_product(rows, q) for q in asked[:count]],
            "float32": first,
            "int8": lambda: [coded.nearest(q, _K) for q in queries],
            "int8 filtered": lambda: [coded.nearest(q, _K, allowed=allowed) for q in queries],
            "float32 filtered": lambda: first(allowed),
        },
        rounds,
    )
    peer = "peer: numpy product and argpartition; " + _MADE
    for name, bar in (("float32", "<= 1.2"), ("int8", "<= 0.6")):
        yield _ratio(f"exact search 100,000 x 384, {name}, CPU to numpy", took, name, "numpy", bar, count, peer)
    truth = [_by_product(rows, q) for q in asked[:count]]
    found = [coded.nearest(q, _K)[0].rows for q in queries]
    share = _recall(found, truth)
    notes = "the bound is proved: not one row may be missed"
    yield Figure("exact search, int8: recall@10", share, "", None, ">= 0.999", check(share, ">= 0.999"), count, notes)
    for name in ("int8", "float32"):
        what = f"exact search, 10 % of the rows allowed, {name}, CPU to unfiltered"
        yield _ratio(what, took, f"{name} filtered", name, "<= 1", count, "the same search without the filter")


def _batches(rows: np.ndarray, asked: np.ndarray, rounds: int) -> Iterator[Figure]:
    """Many queries at once, one thread each and two."""
    import faiss

    limits = import_module("threadpoolctl").threadpool_limits
    ours, flat, queries = Ram(rows, _SPACE), faiss.IndexFlatIP(rows.shape[1]), _SPACE.vectors(asked)
    flat.add(rows)
    slow = median(t.cpu for t in race({"FAISS": lambda: flat.search(asked, _K)}, 3)["FAISS"])
    faiss.cvar.distance_compute_blas_threshold = 20  # its default, but saying so makes it several times faster
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        with limits(threads):
            took = race({"ours": lambda: ours.nearest(queries, _K), "FAISS": lambda: flat.search(asked, _K)}, rounds)
        for wall in (False, True):
            kind = "by the clock" if wall else "per CPU-second"
            value = ratio(took["FAISS"], took["ours"], wall=wall)
            spent = 1000 * median((t.wall if wall else t.cpu) for t in took["ours"]) / _BATCH
            notes = (
                f"ours {spent:.2f} ms a query; peer with its threshold for BLAS set, without which it takes "
                f"{1000 * slow / _BATCH:.2f} ms CPU a query; {_MADE}"
            )
            what = f"batch of 128 at 100,000 x 384, queries {kind} to FAISS flat, {threads} thread(s) each"
            yield Figure(what, value, "x", 1.0, ">= 1", check(value, ">= 1"), rounds, notes)


def hot_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """The copy in RAM that a server may hold, beside hnswlib; both at recall@10 of 0.95 or more."""
    rows, asked = np.array(corpus(data, 100_000)), questions(data)[: 200 if quick else 500]
    truth = [_by_product(rows, q) for q in asked]
    began = cpu()
    exact = Ram(rows, _SPACE)
    cells = Cells.of(pa.array([str(i) for i in range(len(rows))]), exact)
    built = cpu() - began
    hot = Hot(exact, cells, np.arange(len(rows)))
    queries = [_SPACE.vectors(q) for q in asked]
    peer, began = _graph(rows), cpu()
    peer_recall = _tuned(peer, asked, truth)
    contestants = {
        "hot": lambda: [hot.nearest(q, _K) for q in queries],
        "hnswlib": lambda: [peer.knn_query(q, _K, num_threads=1) for q in asked],
    }
    took = race(contestants, 5 if quick else 9)
    share = _recall([hot.nearest(q, _K)[0].rows for q in queries], truth)
    notes = f"{cells.probes} of {cells.index.nlist} cells; measured by itself when made: {cells.recall:.3f}; {_MADE}"
    yield Figure(
        "hot index 100,000 x 384: recall@10",
        share,
        "",
        peer_recall,
        ">= 0.95",
        check(share, ">= 0.95"),
        len(asked),
        notes,
    )
    notes = f"hnswlib M 16, efConstruction 100, ef {peer.ef}; ours with checks, scores in float64"
    yield _ratio("hot index 100,000 x 384: CPU per query to hnswlib", took, "hot", "hnswlib", "<= 2", len(asked), notes)
    yield Figure("hot index 100,000 x 384: making it, CPU", built, "s", None, n=len(rows), notes="with measuring it")


def _graph(rows: np.ndarray) -> Any:
    import hnswlib

    made = hnswlib.Index("ip", rows.shape[1])
    made.init_index(len(rows), M=16, ef_construction=100)
    made.add_items(rows)
    return made


def _tuned(peer: Any, asked: np.ndarray, truth: list[np.ndarray]) -> float:
    """Set the least ef of a ladder that reaches a recall of 0.95."""
    share = 0.0
    for ef in (16, 24, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256):
        peer.set_ef(ef)
        share = _recall([peer.knn_query(q, _K, num_threads=1)[0][0] for q in asked], truth)
        if share >= 0.95:
            break
    return share


def _by_product(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The plain way: all products, the k greatest."""
    scores = rows @ query
    at = np.argpartition(-scores, _K)[:_K]
    found: np.ndarray = at[np.argsort(-scores[at])]
    return found


def _recall(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    return float(np.mean([len(np.intersect1d(f, t)) / len(t) for f, t in zip(found, truth, strict=True)]))


def _ratio(what: str, took: Mapping[str, list[Took]], one: str, other: str, bar: str, count: int, notes: str) -> Figure:
    """CPU of one contestant over another's, with both in milliseconds a query and the same by the clock."""
    value = ratio(took[one], took[other])
    mine, peer = (1000 * median(t.cpu for t in took[name]) / count for name in (one, other))
    notes = f"{mine:.2f} ms to {peer:.2f} ms; {ratio(took[one], took[other], wall=True):.2f} by the clock; {notes}"
    return Figure(what, value, "x", 1.0, bar, check(value, bar), count * len(took[one]), notes)
