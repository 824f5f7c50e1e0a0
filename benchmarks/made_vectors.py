"""Many vectors out of some real ones: passages embedded, then new points between neighbours. Kept in benchmarks/out.

A hundred thousand real passages are not in the shared data. Each made row stands between a real passage and one of its
15 nearest, at a random place, and noise is added that is spread over the directions as the passages are. The queries
are real questions, none of which is among the passages. So the queries are real, the rows synthetic around real ones.

Letters: n rows, d width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["corpus", "questions"]

_OUT = Path(__file__).resolve().parent / "out"
_MODEL, _NEIGHBOURS, _NOISE = "all-MiniLM-L6-v2", 15, 0.25
_BLOCK = 50_000


def questions(data: Path) -> np.ndarray:
    """(m, d) float32: 225 questions about aircraft and 775 about the world, in an order of their own."""
    texts = pq.read_table(data / "cranfield_retrieval/queries.parquet")["text"].to_pylist()
    texts += pq.read_table(data / "strategyqa/questions.parquet")["question"].to_pylist()[:775]
    found = _embedded("questions", texts)
    return np.asarray(found[np.random.default_rng(1).permutation(len(found))])


def passages(data: Path) -> np.ndarray:
    """(n, d) float32 of distinct real passages, the first 400 characters of each."""
    texts: list[str] = []
    for place, column in (
        ("wiki_passages/corpus", "text"),
        ("cranfield_retrieval/corpus", "text"),
        ("gsm8k/questions", "question"),
        ("openstax_figures/manifest", "caption"),
    ):
        texts += pq.read_table(data / f"{place}.parquet", columns=[column])[column].to_pylist()
    texts += pq.read_table(data / "strategyqa/questions.parquet")["facts"].combine_chunks().flatten().to_pylist()
    pairs = pq.read_table(data / "sts_multilingual/pairs.parquet").filter(pc.field("lang") == "en")
    texts += pairs["text1"].to_pylist() + pairs["text2"].to_pylist()
    return _embedded("passages", list(dict.fromkeys(t[:400] for t in texts if t and t.strip())))


def corpus(data: Path, rows: int) -> np.ndarray:
    """(rows, d) float32 of unit length, mapped from a file; the first rows of a larger one are those of a smaller."""
    path = _OUT / f"vectors-{rows}.npy"
    if not path.exists():
        real = passages(data)
        near = _neighbours(real)
        spread = _spread(real)
        part = path.with_suffix(".part")
        made = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(rows, real.shape[1]))
        for number, start in enumerate(range(0, rows, _BLOCK)):
            made[start : start + _BLOCK] = _between(real, near, spread, number)[: rows - start]
        made.flush()
        part.replace(path)
    return np.asarray(np.load(path, mmap_mode="r"))


def _embedded(name: str, texts: Sequence[str]) -> np.ndarray:
    from samespace import Text
    from samespace.encode.load import load

    path = _OUT / f"{name}-{len(texts)}.npy"
    if not path.exists():
        _OUT.mkdir(exist_ok=True)
        model, order = load(_MODEL), sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.empty((len(texts), model.space.dim), np.float32)
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            found[part] = model.encode([Text(texts[i]) for i in part]).data
        np.save(path, found)
    return np.asarray(np.load(path))


def _neighbours(rows: np.ndarray) -> np.ndarray:
    """(n, 15) the nearest other rows of each."""
    near = np.empty((len(rows), _NEIGHBOURS), np.int64)
    for start in range(0, len(rows), 1000):
        scores = rows[start : start + 1000] @ rows.T
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -2
        near[start : start + 1000] = np.argpartition(-scores, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    return near


def _spread(rows: np.ndarray) -> np.ndarray:
    """(d, d) that turns white noise into noise of length about 1, spread over the directions as the rows are."""
    values, axes = np.linalg.eigh(np.cov(rows.T))
    root = np.sqrt(np.maximum(values, 0))
    return np.asarray((axes * (root / np.sqrt((root**2).sum()))).T, np.float32)


def _between(real: np.ndarray, near: np.ndarray, spread: np.ndarray, number: int) -> np.ndarray:
    """One block of made rows."""
    rng = np.random.default_rng([7, number])
    first = rng.integers(0, len(real), _BLOCK)
    second = near[first, rng.integers(0, near.shape[1], _BLOCK)]
    share = rng.random((_BLOCK, 1), np.float32)
    made = real[first] + share * (real[second] - real[first])
    made += _NOISE * (rng.standard_normal((_BLOCK, len(spread)), np.float32) @ spread)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)
