"""Upkeep of the Lance tables: few files, fresh search indexes, and no more on the disk than it takes.

Lance does none of it by itself. Each step asks first whether it is worth its while, so that after a small change all of
it together costs little. `step` follows every commit and looks around only now and then: after so many commits, or when
a share of the live bytes was written. Fragments are joined by sizes, the small ones first, so that a row is written
anew once a size and not once a joining.

What a table's newest version does not lead to is waste. It is left lying for readers on older versions up to a bound;
above it goes what is older than some seconds, and well above it everything.

Knows nothing of rows and their meaning. Imports lance.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from lance.optimize import Compaction

from samespace.index.disk import METRICS
from samespace.index.heap import give_back
from samespace.index.medium import Medium
from samespace.index.search_indexes import Build, SearchIndexes
from samespace.index.tables import Tables
from samespace.index.usage import Usage, add, usage
from samespace.index.versions import purge

__all__ = ["FLOOR", "RAM_ROWS", "SHARE", "WORD_ROWS", "Upkeep"]

RAM_ROWS = 100_000
"""Up to here the vectors are searched in RAM; above, Lance's IVF_RQ proposes."""
WORD_ROWS = 5_000
"""Up to here full text is searched in RAM; above, through Lance's inverted list."""
SHARE = 0.06
"""Waste that is left lying, as a share of the live bytes. As much again may come before the next look."""
FLOOR = 16 << 20
"""Bytes of waste that are left lying whatever the share."""

_SIZES = (1 << 14, 1 << 18)  # rows: fragments below are joined up to here
_FRAGMENTS = 12  # so many below a size are left alone
_DELETED = 0.1  # share of deleted rows that is worth rewriting a file for
_COMMITS = 64  # a look around at least this often
_VERSIONS = 192  # from so many on all but the last few go: each clean-up reads every one
_AGE = timedelta(minutes=10)  # a reader may stay on an old version for this long, if there is room
_SOON = timedelta(seconds=10)  # and for this long, if there is little


class Upkeep:
    """The upkeep of one index, by the one who holds its lock.

    Args:
        tables: of the index.
        medium: where they are written.
        age: how old a version must be to go, while waste is below its bound. Above it all old versions go.
        floor: bytes of waste that are always allowed.
    """

    def __init__(self, tables: Tables, medium: Medium, *, age: timedelta = _AGE, floor: int = FLOOR) -> None:
        self.tables, self.medium, self.age, self.floor = tables, medium, age, floor
        self.ram_rows, self.word_rows = RAM_ROWS, WORD_ROWS
        self.names = (tables.card.vector_table, "items", "files")
        self._commits, self._due = 0, float(floor)
        self._bound = float(floor)

    def run(self, build: Build | None = None) -> None:
        """Do all that is due; `build` makes the segments of search indexes (search_indexes.py)."""
        purge(self.tables, self.medium)
        for name in self.names:
            self._compact(name)
        self._index(build)
        for name in self.names:
            self._clean(name, older_than=self.age)
        self._relieve()

    def step(self) -> None:
        """After a commit: join and clean up if it is time. It may fail, on a full disk: the commit stands."""
        self._commits += 1
        if self._commits < _COMMITS and self.medium.written < self._due:
            return
        self._commits = 0
        with suppress(OSError):
            for name in self.names:
                self._compact(name)
        with suppress(OSError):
            self._relieve()

    def usage(self) -> dict[str, Usage]:
        """What each table takes up."""
        return {name: usage(self.tables.open_table(name), name, self.medium) for name in self.names}

    def _relieve(self) -> None:
        """Bring waste and versions below their bounds, and say when to look again."""
        for age, factor in ((_SOON, 1), (timedelta(0), 2)):
            used = self.usage()
            total = add(used.values())
            self._bound = self.floor + SHARE * total.live
            for name, one in used.items():
                if one.waste and total.waste > factor * self._bound:
                    self._clean(name, older_than=age)
                elif one.versions > _VERSIONS:
                    self._clean(name, retain_versions=_COMMITS)
        self._due = self.medium.written + self._bound

    def _compact(self, name: str) -> None:
        """Join small files and drop deleted rows."""
        for rows in _SIZES:
            table = self.tables.open_table(name)
            fragments = [f.metadata for f in table.get_fragments()]
            small = sum(f.physical_rows < rows for f in fragments)
            holed = any(f.num_deletions > _DELETED * f.physical_rows for f in fragments)
            if small <= _FRAGMENTS and not holed:
                continue
            how: Any = {"target_rows_per_fragment": rows, "materialize_deletions_threshold": _DELETED}
            for _ in fragments:  # planned anew each time: a clean-up takes away the version that a plan was made for
                tasks = self._some(Compaction.plan(self.tables.open_table(name), how).tasks)
                if not tasks:
                    break
                self._join(name, tasks)

    def _some(self, tasks: list[Any]) -> list[Any]:
        """As many as are done before the files they replace can go: for so long their copies stand beside them."""
        chosen: list[Any] = []
        room = self._bound
        for task in tasks:
            room -= sum(file.file_size_bytes or 0 for fragment in task.fragments for file in fragment.files)
            if chosen and room < 0:
                break
            chosen.append(task)
        return chosen

    def _join(self, name: str, tasks: list[Any]) -> None:
        """New files to the disk, then the version that names them; then the old ones go, if they are many."""
        table = self.tables.open_table(name)
        made = [task.execute(table) for task in tasks]
        self.medium.sync(f"{name}.lance")
        Compaction.commit(table, made)
        self.medium.sync(f"{name}.lance")
        del made
        give_back()
        if self.medium.written > self._due:
            self._relieve()

    def _index(self, build: Build | None) -> None:
        """Search indexes, where the rows are not searched in RAM."""
        search = SearchIndexes(self.tables, self.medium, build)
        vectors = self.names[0]
        search.mend()
        if self.tables.open_table("items").count_rows() > self.word_rows:
            search.refresh("items", "terms", lambda _: _WORDS)
        if self.tables.open_table(vectors).count_rows() > self.ram_rows:
            search.refresh(vectors, "vector", self._neighbours)

    def _neighbours(self, rows: int) -> dict[str, Any]:
        """How Lance is to find neighbours among so many rows."""
        return {
            "index_type": "IVF_RQ", "metric": METRICS[self.tables.card.space.metric],
            "num_partitions": max(1, int(rows**0.5)), "num_bits": 1, "sample_rate": 64, "max_iterations": 10,
        }  # fmt: skip

    def _clean(self, name: str, **which: Any) -> None:
        """Drop old versions, and what killed writers left: the lock says that nobody is writing now."""
        table = self.tables.open_table(name)
        table.cleanup_old_versions(delete_unverified=True, error_if_tagged_old_versions=False, **which)
        self.medium.sync(f"{name}.lance")
        self.medium.forget(f"{name}.lance")


_WORDS: dict[str, Any] = {
    "index_type": "INVERTED", "base_tokenizer": "whitespace", "stem": False, "lower_case": False,
    "remove_stop_words": False, "ascii_folding": False, "with_position": False, "max_token_length": None,
}  # fmt: skip
