"""Full text through Lance's inverted list: for more items than are worth inverting in RAM at each start.

Scores by the same BM25 as index/lexicon.py, over the rows of the items table. Rows written after the list was built are
found, too.

Knows nothing of how the tables are written. Imports lance's datasets by their methods only, numpy, pyarrow.
Letters: m item rows.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Body"]

_MOST = 10_000  # best items that are looked at, before any filter


class Body:
    """The words of the item rows of a Snapshot.

    Args:
        table: the items table, at one version, with its inverted list.
        ids: (m,) ids of the item rows.
    """

    def __init__(self, table: Any, ids: "pa.ChunkedArray | pa.Array") -> None:
        self.table, self.ids = table, ids

    def score(self, query: list[str]) -> np.ndarray:
        """(m,) float32 BM25 of each row; 0 where no term stands, and below the best 10,000."""
        scores = np.zeros(len(self.ids), np.float32)
        if not query:
            return scores
        found = self.table.scanner(
            columns=["id", "_score"],
            full_text_query={"columns": ["terms"], "query": " ".join(query)},
            limit=_MOST,
        ).to_table()
        at = pc.fill_null(pc.index_in(self.ids, value_set=found["id"].combine_chunks()), -1)
        at = at.to_numpy().astype(np.int64)
        scores[at >= 0] = found["_score"].to_numpy()[at[at >= 0]]
        return scores
