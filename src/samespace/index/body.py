"""Full text through Lance's inverted list: for more items than are worth inverting in RAM at each start.

Scores by the same BM25 as index/lexicon.py, over the rows of the items table. Rows written after the list was built are
found, too.

Knows nothing of how the tables are written. Imports lance's datasets by their methods only, numpy, pyarrow.
Letters: t rows of the items table, m item rows.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from samespace.index.lexicon import Postings

__all__ = ["Body"]

_MOST = 10_000  # best items that are looked at, before any filter


class Body:
    """The words of the item rows of a Snapshot.

    Args:
        table: the items table, at one version, with its inverted list.
        ids: (t,) uint64, Lance's own number of each row of the table.
        item_at: (m,) which row of the table each item row is.
    """

    def __init__(self, table: Any, ids: np.ndarray, item_at: np.ndarray) -> None:
        self.table, self.item_at = table, item_at
        self._order = None if (ids[1:] > ids[:-1]).all() else np.argsort(ids)
        self._ids = ids if self._order is None else ids[self._order]

    def score(self, query: list[str]) -> np.ndarray:
        """(m,) float32 BM25 of each row; 0 where no term stands, and below the best 10,000."""
        try:
            scores = self._listed(query)
        except (OSError, pa.ArrowException):  # the list is damaged: the next writer makes it anew; the rows are whole
            scores = Postings.of(self.table.to_table(columns=["terms"])["terms"]).score(query)
        made: np.ndarray = scores[self.item_at]
        return made

    def _listed(self, query: list[str]) -> np.ndarray:
        """(t,) float32, by the list."""
        scores = np.zeros(len(self._ids), np.float32)
        if query:
            found = self.table.scanner(
                columns=["_rowid", "_score"],
                full_text_query={"columns": ["terms"], "query": " ".join(query)},
                limit=_MOST,
            ).to_table()
            at = np.searchsorted(self._ids, found["_rowid"].to_numpy())
            scores[at if self._order is None else self._order[at]] = found["_score"].to_numpy()
        return scores
