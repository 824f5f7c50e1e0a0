"""The shared data, as the benchmarks need them."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


def folder(given: Path | None) -> Path:
    """Where the shared data are. Raises SystemExit naming the ways to say it."""
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    for place in (given, os.environ.get("SAMESPACE_DATA"), beside):
        if place and Path(place).is_dir():
            return Path(place)
    raise SystemExit("the shared data are not here\nSay where: --data FOLDER, or SAMESPACE_DATA=FOLDER")


@dataclass(frozen=True)
class Retrieval:
    """Queries, documents and which belong together.

    relevant[i] holds the positions of the documents that answer query i.
    """

    queries: list[str]
    documents: list[str]
    relevant: list[set[int]]


def cranfield(data: Path) -> Retrieval:
    """1,400 abstracts, 225 questions; grades 1 to 4 count as relevant, -1 does not."""
    corpus = pq.read_table(data / "cranfield_retrieval/corpus.parquet").to_pydict()
    queries = pq.read_table(data / "cranfield_retrieval/queries.parquet").to_pydict()
    qrels = pq.read_table(data / "cranfield_retrieval/qrels.parquet").to_pydict()
    place = {name: i for i, name in enumerate(corpus["id"])}
    answers: dict[str, set[int]] = {name: set() for name in queries["id"]}
    for query, document, grade in zip(qrels["query"], qrels["doc"], qrels["grade"], strict=True):
        if grade > 0 and document in place:
            answers[query].add(place[document])
    return Retrieval(queries["text"], corpus["text"], [answers[q] for q in queries["id"]])


def sts(data: Path, left: str, right: str) -> tuple[list[str], list[str], np.ndarray]:
    """Pairs of STS-B dev, the first side in one language and the second in another, with their scores (n,) 0 to 5."""
    rows = pq.read_table(data / "sts_multilingual/pairs.parquet").to_pylist()
    by: dict[str, dict[int, tuple[str, str, float]]] = {left: {}, right: {}}
    for row in rows:
        if row["split"] == "dev" and row["lang"] in by:
            number = int(row["id"].rsplit("-", 1)[1])
            by[row["lang"]][number] = (row["text1"], row["text2"], row["score"])
    shared = sorted(set(by[left]) & set(by[right]))
    scores = np.array([by[left][i][2] for i in shared])
    return [by[left][i][0] for i in shared], [by[right][i][1] for i in shared], scores


def ndcg_at_k(ranked: np.ndarray, relevant: list[set[int]], k: int = 10) -> float:
    """Mean over queries with an answer of DCG@k / ideal DCG@k, binary gain, discount log2(rank + 1).

    Args:
        ranked: (q, >= k) positions of documents by falling score.
        relevant: per query.
        k: ranks that count.

    Returns:
        in [0, 1]; chance is about (answers / documents).
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    values = []
    for row, good in zip(ranked, relevant, strict=True):
        if good:
            gains = np.array([position in good for position in row[:k].tolist()])
            values.append(float((gains * discounts).sum() / discounts[: min(len(good), k)].sum()))
    return float(np.mean(values))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation with ties at their mean rank, in [-1, 1]; chance 0."""

    def ranks(x: np.ndarray) -> np.ndarray:
        _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)

    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])
