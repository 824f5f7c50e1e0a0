"""Which rows are moved first: those that searches hit most, then those whose translation deserves least trust.

While an index moves, each search adds the ids of its hits to a file beside the index: no words of any query, nothing
at other times, and it goes when the move ends.

Knows nothing of models. Imports numpy, pyarrow. Letters: n vector rows, p pairs.
"""

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.migrate_record import folder_of
from samespace.index.snapshot import Snapshot
from samespace.index.tables import place
from samespace.space import Vectors, similarity

__all__ = ["hits", "note", "trust"]

_NAME = "searched"
_MOST = 4 << 20  # bytes of hits that are noted
_HITS = 10  # of a search
_BLOCK = 4096


def note(uri: str, ids: Iterable[str]) -> None:
    """Note what a search found, if the index is moving and that can be written."""
    if not uri or place(uri) is None or not folder_of(uri).is_dir():
        return
    path = folder_of(uri) / _NAME
    lines = "".join(f"{one}\n" for one in list(ids)[:_HITS]).encode()
    with suppress(OSError):
        if path.exists() and path.stat().st_size > _MOST:
            return
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, lines)
        finally:
            os.close(handle)


def hits(uri: str, view: Snapshot) -> np.ndarray:
    """(n,) how often searches have hit each vector row since the move began."""
    counts = np.zeros(len(view), np.int64)
    try:
        found = Counter((folder_of(uri) / _NAME).read_text(errors="replace").split())
    except OSError:
        return counts
    if found:
        ids, times = pa.array(list(found)), np.array(list(found.values()), np.int64)
        at = pc.fill_null(pc.index_in(view.rows["id"], value_set=ids), -1).to_numpy()
        rows = np.flatnonzero((at >= 0) & (view.vector_row >= 0))
        np.add.at(counts, view.vector_row[rows], times[at[rows]])
    return counts


def trust(view: Snapshot, pairs: Vectors) -> np.ndarray:
    """(n,) float32, score of each row with the nearest of the pairs (p, d) that the Translator was fitted on.

    What lies far from all of them, it has never seen the like of.
    """
    made = np.empty(len(view), np.float32)
    for start in range(0, len(view), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(view)))
        made[rows] = similarity(view.vectors(rows), pairs).max(axis=1) if len(pairs) else 0.0
    return made
