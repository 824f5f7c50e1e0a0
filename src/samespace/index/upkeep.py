"""Upkeep of the Lance tables: few files, fresh indexes, no old versions. Lance does none of it by itself.

Each step asks first whether it is worth its while, so that after a small change all of it together costs little.

Knows nothing of rows and their meaning. Imports lance.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lance.optimize import Compaction

from samespace.index.disk import METRICS
from samespace.index.durable import Durable
from samespace.index.tables import Tables

__all__ = ["RAM_ROWS", "WORD_ROWS", "Upkeep"]

RAM_ROWS = 100_000
"""Up to here the vectors are searched in RAM; above, Lance's IVF_RQ proposes."""
WORD_ROWS = 5_000
"""Up to here full text is searched in RAM; above, through Lance's inverted list."""

_FRAGMENTS = 12  # small files that are left alone
_SMALL = 20_000  # rows of a file that is worth joining with others
_DELETED = 0.1  # share of deleted rows that is worth rewriting a file for
_BEHIND = 0.1  # share of rows an index may lack before it is brought up to date
_GROWN = 3.0  # times as many rows as an IVF index was trained on: train again
_AGE = timedelta(minutes=10)  # a reader may stay on an old version for this long


class Upkeep:
    """The upkeep of one index, by the one who holds its lock.

    Args:
        tables: of the index.
        durable: to put on the disk what is written.
        age: how old a version must be to go.
    """

    def __init__(self, tables: Tables, durable: Durable, *, age: timedelta = _AGE) -> None:
        self.tables, self.durable, self.age = tables, durable, age
        self.ram_rows, self.word_rows = RAM_ROWS, WORD_ROWS

    def run(self) -> None:
        """Do what is due."""
        vectors = self.tables.card.vector_table
        for name in (vectors, "items", "files"):
            self._compact(name)
        self._words()
        self._neighbours(vectors)
        for name in (vectors, "items", "files"):
            self._clean(name)

    def _compact(self, name: str) -> None:
        """Join small files and drop deleted rows: new files to the disk, then the version that names them."""
        table = self.tables.open_table(name)
        fragments = [f.metadata for f in table.get_fragments()]
        small = sum(f.physical_rows < _SMALL for f in fragments)
        holed = any(f.num_deletions > _DELETED * f.physical_rows for f in fragments)
        if small <= _FRAGMENTS and not holed:
            return
        plan = Compaction.plan(table, {"materialize_deletions_threshold": _DELETED})
        made = [task.execute(table) for task in plan.tasks]
        self.durable.sync(f"{name}.lance")
        if made:
            Compaction.commit(table, made)
            self.durable.sync(f"{name}.lance")

    def _words(self) -> None:
        """An inverted list over the terms of the items, where RAM would be slow."""
        table = self.tables.open_table("items")
        if table.count_rows() <= self.word_rows:
            return
        lacking = _lacking(table, "terms")
        if lacking is None:
            table.create_scalar_index(
                "terms", "INVERTED", name="terms", base_tokenizer="whitespace", stem=False, lower_case=False,
                remove_stop_words=False, ascii_folding=False, with_position=False, max_token_length=None,
            )  # fmt: skip
        elif lacking > _BEHIND * table.count_rows():
            table.optimize.optimize_indices(index_names=["terms"])
        self.durable.sync("items.lance")

    def _neighbours(self, name: str) -> None:
        """IVF_RQ over the vectors, where they are not searched in RAM."""
        table = self.tables.open_table(name)
        rows = table.count_rows()
        if rows <= self.ram_rows:
            return
        lacking = _lacking(table, "vector")
        if lacking is None or rows > _GROWN * max(1, rows - lacking):
            table.create_index(
                "vector", "IVF_RQ", name="vector", metric=METRICS[self.tables.card.space.metric], replace=True,
                num_partitions=max(1, int(rows**0.5)), num_bits=1, sample_rate=64, max_iterations=10,
            )  # fmt: skip
        elif lacking > _BEHIND * rows:
            table.optimize.optimize_indices(index_names=["vector"])
        self.durable.sync(f"{name}.lance")

    def _clean(self, name: str) -> None:
        """Drop old versions, and what killed writers left: the lock says that nobody is writing now."""
        self.tables.open_table(name).cleanup_old_versions(older_than=self.age, delete_unverified=True)
        self.durable.sync(f"{name}.lance")


def _lacking(table: Any, name: str) -> int | None:
    """Rows that an index does not cover yet; None = there is no such index."""
    if not any(index.name == name for index in table.describe_indices()):
        return None
    counts: Mapping[str, Any] = table.stats.index_stats(name)
    return int(counts["num_unindexed_rows"])
