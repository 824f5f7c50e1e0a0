"""Search where the rows do not fit in RAM: Lance proposes by its IVF_RQ index, exact scores decide.

The k best are approximate (index/recall.py measures how much of the truth they hold); their scores are exact. A filter
that leaves few rows, and a k that asks for a good part of them all, are answered exactly.

Lance knows nothing of the filter. It is asked for as many more rows as the filter will drop, by their estimated
distance, which costs little; only those left are fetched and scored. A rare row's nearest are farther away, so more
partitions are looked into.

Knows nothing of how the tables are written. Imports lance's datasets by their methods only, numpy.
Letters: n rows, t rows of the table, d width, k hits.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from samespace.index.exact import best, score
from samespace.index.protocol import Nearest
from samespace.index.schema import matrix
from samespace.space import Space, Vectors

__all__ = ["METRICS", "NPROBES", "Disk"]

METRICS = {"cosine": "cosine", "dot": "dot", "euclidean": "l2"}
NPROBES = 80  # partitions looked into for the 10 nearest of all rows; measured at 1,000,000 x 384: recall@10 .98
_DEEPER = 0.3  # power of how much deeper than 10 rows a search must look, by which it looks into more partitions
_FEW = 8  # of t rows, up to sqrt(8 t) are cheaper to fetch and score than to search for
_LARGE = 8  # a k above 1/8 of the rows looks at all of them
_PART = 20_000  # rows scored at a time
_DEAR = 16  # times as much does a row cost that is fetched by itself


class Disk:
    """A Finder over a Lance table.

    Args:
        table: the table of vectors, at one version.
        positions: (n,) int64, where in the table each row of the Snapshot stands.
        space: where they live.
    """

    def __init__(self, table: Any, positions: np.ndarray, space: Space) -> None:
        self.table, self.positions, self.space = table, positions, space

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        taken = self.table.take(self.positions[rows], columns=["vector"])
        return matrix(taken["vector"], self.space.dim)

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row; which ones approximately, their scores exactly."""
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        queries = query.require(self.space).data.astype(np.float32)
        left = len(self.positions) if allowed is None else int(np.count_nonzero(allowed))
        if left * left <= _FEW * self._row_at.size or k * _LARGE > left:
            return self._all(queries, k, allowed)
        try:
            return [self._probe(q, k, allowed, left) for q in queries]
        except (OSError, pa.ArrowException):  # the index is damaged: the next writer makes it anew; the rows are whole
            return self._all(queries, k, allowed)

    def _probe(self, query: np.ndarray, k: int, allowed: np.ndarray | None, left: int) -> Nearest:
        """Ask the index, for as many more rows as a filter or forgotten rows will drop."""
        share = left / self._row_at.size
        scored = 3 * k + 70  # the estimate ranks nearly all of the k best among so many
        wanted, probes = int(scored * max(1.0, 0.8 / share)), NPROBES * max(1.0, k / share / 10) ** _DEEPER
        while wanted < self._row_at.size:
            rows = self._propose(query, wanted, int(probes), allowed)[:scored]
            if len(rows) >= k:
                return best(rows, score(self.fetch(rows), query.astype(np.float64), self.space), k)
            wanted, probes = wanted * 4, probes * 4
        return self._all(query[None], k, allowed)[0]

    def _propose(self, query: np.ndarray, wanted: int, probes: int, allowed: np.ndarray | None) -> np.ndarray:
        """Rows near the query by estimate, nearest first, that are in the Snapshot and allowed."""
        how = {
            "column": "vector", "q": query, "k": wanted, "metric": METRICS[self.space.metric], "nprobes": probes,
        }  # fmt: skip
        found = self.table.scanner(
            columns=["_distance"], nearest=how, with_row_id=True, disable_scoring_autoprojection=True
        ).to_table()
        ids, order = self._numbers
        rows = self._row_at[order[np.searchsorted(ids, found["_rowid"].to_numpy())]]
        good = rows >= 0
        if allowed is not None:
            good &= allowed[rows]
        return np.asarray(rows[good], np.int64)

    def _all(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> list[Nearest]:
        """Score every one of the allowed rows."""
        wide = queries.astype(np.float64)
        rows: list[np.ndarray] = []
        scores: list[list[np.ndarray]] = [[] for _ in queries]
        for part, data in self._parts(allowed):
            rows.append(part)
            for mine, query in zip(scores, wide, strict=True):
                mine.append(score(data, query, self.space))
        every = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        return [best(every, np.concatenate(mine) if mine else np.zeros(0, np.float32), k) for mine in scores]

    def _parts(self, allowed: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All allowed rows and their vectors, some at a time: fetched if they are few, else the table is read."""
        rows = np.arange(len(self.positions)) if allowed is None else np.flatnonzero(allowed)
        if len(rows) * _DEAR < self._row_at.size:
            for start in range(0, len(rows), _PART):
                yield rows[start : start + _PART], self.fetch(rows[start : start + _PART])
            return
        at = 0
        for batch in self.table.scanner(columns=["vector"], batch_size=_PART).to_batches():
            here = self._row_at[at : at + batch.num_rows].astype(np.int64)
            at += batch.num_rows
            good = np.flatnonzero(here >= 0 if allowed is None else (here >= 0) & allowed[here])
            yield here[good], matrix(batch["vector"], self.space.dim)[good]

    @cached_property
    def _row_at(self) -> np.ndarray:
        """(t,) int32 the Snapshot's row at each position of the table; -1 = it is in no Snapshot."""
        found = np.full(self.table.count_rows(), -1, np.int32)
        found[self.positions] = np.arange(len(self.positions), dtype=np.int32)
        return found

    @cached_property
    def _numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """(t,) Lance's numbers of the rows, rising, and the position of each."""
        ids = self.table.scanner(columns=[], with_row_id=True).to_table()["_rowid"].to_numpy()
        order = np.argsort(ids, kind="stable").astype(np.int32)
        return ids[order], order
