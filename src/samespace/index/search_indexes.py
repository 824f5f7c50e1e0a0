"""Lance's indexes over the rows of a table, kept up to date in segments: each is on the disk before it is named.

A new segment covers the rows that no other one does; when there are several, or the table has outgrown what the first
was trained on, one is built over all. A segment that a power cut damaged is thrown away and built anew.

Knows nothing of rows and their meaning. Imports leftover, and lance's datasets by their methods only.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from samespace.index.medium import Medium
from samespace.index.tables import Tables
from samespace.read.leftover import Folder

__all__ = ["Build", "SearchIndexes", "whole"]

_BEHIND = 0.1  # share of rows an index may lack before it is brought up to date
_GROWN = 3.0  # times as many rows as a segment was trained on: train again
_SEGMENTS = 4  # each costs every search
_END = b"LANC"  # the last bytes of a whole file


Build = Callable[[Any, str, Sequence[int], Mapping[str, Any]], Any]
"""Table, column, fragments, settings for Lance → a segment over them that no version names."""


def whole(table: Any, column: str, fragments: Sequence[int], settings: Mapping[str, Any]) -> Any:
    """Build a segment here, in one go."""
    return table.create_index_uncommitted(column, name=column, replace=True, fragment_ids=list(fragments), **settings)


class SearchIndexes:
    """The search indexes of one index folder, by the one who holds its lock.

    Args:
        tables: of the index.
        medium: where they are written.
        build: makes segments; None = here, in one go.
    """

    def __init__(self, tables: Tables, medium: Medium, build: "Build | None" = None) -> None:
        self.tables, self.medium, self.build = tables, medium, build or whole

    def refresh(self, name: str, column: str, settings: Callable[[int], dict[str, Any]]) -> None:
        """Bring an index up to date with its table.

        Args:
            name: of the table.
            column: of what; the index has the same name.
            settings: rows that are to be covered → how Lance is to build it.
        """
        table = self.tables.open_table(name)
        fragments = {f.fragment_id: f.count_rows() for f in table.get_fragments()}
        segments = _segments(table, column)
        covered = [set(segment.fragment_ids) for segment in segments]
        lacking = [f for f in fragments if not any(f in ids for ids in covered)]
        rows = sum(fragments.values())
        missing = sum(fragments[f] for f in lacking)
        largest = max((sum(fragments.get(f, 0) for f in ids) for ids in covered), default=0)
        if segments and missing <= _BEHIND * rows:
            return
        if len(segments) >= _SEGMENTS or rows > _GROWN * largest:
            lacking, missing = list(fragments), rows
        with _scratch():
            made = self.build(table, column, lacking, settings(missing))
        self.medium.sync(f"{name}.lance/_indices")
        table.commit_existing_index_segments(column, column, [made])
        self.medium.sync(f"{name}.lance")

    def mend(self) -> None:
        """Drop indexes whose files are not whole; the rows are searched without them until they are built anew."""
        for name, column in (("items", "terms"), (self.tables.card.vector_table, "vector")):
            table = self.tables.open_table(name)
            segments = _segments(table, column)
            if segments and not all(self._whole(name, segment) for segment in segments):
                table.drop_index(column)
                self.medium.sync(f"{name}.lance")

    def _whole(self, name: str, segment: Any) -> bool:
        """Whether the files of a segment are as long as they were, and end as they should."""
        part = f"{name}.lance/_indices/{segment.uuid}"
        sizes = self.medium.sizes(part)
        right = segment.size_bytes is None or sum(sizes.values()) == segment.size_bytes
        return bool(sizes) and right and all(self.medium.tail(f"{part}/{p}", len(_END)) == _END for p in sizes)


@contextmanager
def _scratch() -> Iterator[None]:
    """A place for what Lance writes while it builds, as large as the rows; a later run sweeps it if this is killed."""
    folder, before = Folder("index"), os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder.path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        folder.remove()


def _segments(table: Any, column: str) -> Sequence[Any]:
    return [s for index in table.describe_indices() if index.name == column for s in index.segments]
