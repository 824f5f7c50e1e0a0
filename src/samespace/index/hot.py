"""A hot index: a disposable copy in RAM that answers more queries per second, for a server under load.

Rows are sorted into cells (k-means) and kept as int8; a query looks into the nearest cells only. So a few of the true
nearest may be missed; how many is measured when the copy is made, and more cells are looked into until it is few
enough. Scores are exact. Rows that came since are searched exactly beside it. A filter, and a k that asks for many, go
to the exact search underneath. Nothing of it is on the disk.

Imports faiss (the extra `fast`) when the copy is made. Letters: n rows, m queries, d width, k hits.
"""

from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.errors import MissingExtraError
from samespace.index.exact import score
from samespace.index.protocol import Nearest
from samespace.index.ram import Ram
from samespace.index.recall import disturbed, shared
from samespace.index.snapshot import Snapshot
from samespace.space import Space, Vectors

__all__ = ["Cells", "Hot", "HotIndex"]

_WORTH = 5_000  # rows below which looking at all of them is as quick
_CELLS = 3.2  # times sqrt(n)
_TRAINED, _ROUNDS = 40, 8  # rows of a cell that k-means sees, and its rounds
_RECALL, _K, _FAR = 0.97, 10, 1.5  # asked of the copy, for rows disturbed so far; of real questions it then finds .96
_MORE = 10  # rows scored exactly beyond k
_DEEP = 100  # a greater k is searched exactly
_DEEPER = 0.35  # power of k / 10 by which more cells are looked into; at k = 100 .95 of real questions' nearest
_FRESH = 0.02  # share of rows that came since, from which on the copy is made anew
_RANGE = 127


@dataclass(frozen=True, eq=False)
class Cells:
    """The copy.

    Attributes:
        digests: (n,) what its rows embed.
        data: (n, d) float32, the rows themselves.
        space: where they live.
        mean, scale: a row is kept as scale (x - mean), rounded.
        index: faiss's, of the metric L2 (IP for a Space of metric dot).
        probes: cells looked into.
        recall: share of the true 10 nearest of much disturbed rows that were found.
    """

    digests: pa.Array
    data: np.ndarray
    space: Space
    mean: np.ndarray
    scale: np.float32
    index: Any
    probes: int = 16
    recall: float = 0.0

    @classmethod
    def of(cls, digests: pa.Array, exact: Ram, *, recall: float = _RECALL, seed: int = 0) -> "Cells":
        """Make the copy and measure it. Raises MissingExtraError."""
        faiss = _faiss()
        faiss.omp_set_num_threads(1)
        data, space = np.asarray(exact.data), exact.space
        n, d = data.shape
        dot = space.metric == "dot"
        mean = np.zeros(d, np.float32) if dot else data.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = np.float32(_RANGE / max(float(np.abs(data - mean).max()), 1e-30))
        codes = np.rint((data - mean) * scale)
        kind = faiss.METRIC_INNER_PRODUCT if dot else faiss.METRIC_L2
        cells = faiss.IndexFlatIP(d) if dot else faiss.IndexFlatL2(d)
        signed = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index = faiss.IndexIVFScalarQuantizer(cells, d, max(1, int(_CELLS * n**0.5)), signed, kind, False)
        index.cp.niter, index.cp.max_points_per_centroid, index.cp.seed = _ROUNDS, _TRAINED, seed + 1
        index.cp.min_points_per_centroid = 1
        index.train(codes)
        index.add(codes)
        return cls(digests, data, space, mean, scale, index)._enough(exact, recall, seed)

    def _enough(self, exact: Ram, recall: float, seed: int) -> "Cells":
        """Look into more cells until enough is found."""
        rows = np.arange(len(self.data))
        asked = disturbed(exact.fetch, len(rows), self.space, queries=256, seed=seed, by=_FAR)
        truth = exact.nearest(asked, _K)
        probes = float(self.probes)
        while True:
            probes = min(probes * 1.25, self.index.nlist)
            made = replace(self, probes=int(probes))
            found = shared(Hot(exact, made, rows).nearest(asked, _K), truth)
            if found >= recall or made.probes >= self.index.nlist:
                return replace(made, recall=found)

    def propose(self, queries: np.ndarray, k: int, more: int) -> np.ndarray:
        """(m, k + more) rows near each query, the k nearest among them mostly; -1 where there are fewer."""
        faiss = _faiss()
        faiss.omp_set_num_threads(1)  # a server has a thread for each request; waking others costs more than it brings
        how = faiss.SearchParametersIVF(nprobe=int(self.probes * max(1.0, k / _K) ** _DEEPER))
        _, rows = self.index.search((queries - self.mean) * self.scale, min(k + more, len(self.data)), params=how)
        return np.asarray(rows)


class Hot:
    """A Finder that asks the copy first.

    Args:
        exact: searches all rows.
        cells: the copy, of these rows or of an earlier state of them.
        rows: (n of the copy,) which row each of the copy's is now; -1 = it is gone.
    """

    def __init__(self, exact: Ram, cells: Cells, rows: np.ndarray) -> None:
        self.exact, self.cells, self.rows = exact, cells, rows
        fresh = np.ones(len(exact.data), bool)
        fresh[rows[rows >= 0]] = False
        self.fresh = np.flatnonzero(fresh)
        self._beside = Ram(exact.data[self.fresh], exact.space)
        self._gone = int(np.count_nonzero(rows < 0))

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Some rows."""
        return self.exact.fetch(rows)

    def nearest(self, query: Vectors, k: int, *, allowed: np.ndarray | None = None) -> list[Nearest]:
        """The k nearest rows of each query row; which ones approximately, their scores exactly."""
        if allowed is not None or not 1 <= k <= _DEEP:
            return self.exact.nearest(query, k, allowed=allowed)
        queries = query.require(self.exact.space).data.astype(np.float32)
        proposed = self.cells.propose(queries, k, _MORE + min(self._gone, k))
        beside = self._beside.nearest(query, k) if len(self.fresh) else [None] * len(queries)
        found = []
        for wide, at, new in zip(queries.astype(np.float64), proposed, beside, strict=True):
            at = at[at >= 0]
            rows, scores = self.rows[at], score(self.cells.data[at], wide, self.exact.space)
            if self._gone:
                rows, scores = rows[rows >= 0], scores[rows >= 0]
            if new is not None:
                rows, scores = np.append(rows, self.fresh[new.rows]), np.append(scores, new.scores)
            order = np.lexsort((rows, -scores))[:k]
            found.append(Nearest(rows[order], scores[order]))
        short = any(len(one.rows) < min(k, len(self.exact.data)) for one in found)
        return self.exact.nearest(query, k) if short else found


class HotIndex:
    """An Index whose Snapshots are searched through a copy in RAM; all else is the index's own.

    The copy is made in the background when a Snapshot is first asked for; until it is there, search is exact. So it is
    where the vectors are on the disk, and where there are few.

    Args:
        index: with `snapshot()`.

    Raises:
        MissingExtraError: faiss is not installed.
    """

    def __init__(self, index: Any) -> None:
        _faiss()
        self._index, self._lock = index, Lock()
        self._cells: Cells | None = None
        self._maker: Thread | None = None
        self._last: tuple[Snapshot, Cells | None, Snapshot] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def snapshot(self) -> Snapshot:
        """The newest view, searched through the copy once there is one."""
        view: Snapshot = self._index.snapshot()
        with self._lock:
            if self._last is None or self._last[0] is not view or self._last[1] is not self._cells:
                self._last = view, self._cells, self._over(view)
            return self._last[2]

    def wait(self) -> Cells | None:
        """Until the copy is there, if one is being made."""
        if self._maker is not None:
            self._maker.join()
        return self._cells

    def _over(self, view: Snapshot) -> Snapshot:
        """The view with a hot Finder, where that is of use."""
        finder = view.finder
        if not isinstance(finder, Ram) or len(view) < _WORTH:
            return view
        if self._cells is None:
            self._make(view.digests, finder)
            return view
        rows = pc.fill_null(pc.index_in(self._cells.digests, value_set=view.digests), -1).to_numpy().astype(np.int64)
        hot = Hot(finder, self._cells, rows)
        if len(hot.fresh) > _FRESH * len(view):
            self._make(view.digests, finder)
        return replace(view, finder=hot)

    def _make(self, digests: pa.Array, finder: Ram) -> None:
        """Make the copy in the background, one at a time."""
        if self._maker is None or not self._maker.is_alive():
            self._maker = Thread(target=self._keep, args=(digests, finder), name="hot index", daemon=True)
            self._maker.start()

    def _keep(self, digests: pa.Array, finder: Ram) -> None:
        self._cells = Cells.of(digests, finder)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as err:
        raise MissingExtraError("the hot index", "faiss-cpu", "fast") from err
    return faiss
