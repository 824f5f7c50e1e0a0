"""The writer of a LanceIndex: commits, removals and maintenance, under the index's lock.

Knows nothing of search. Imports pyarrow, and lance through `tables`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.check import check_commit
from samespace.index.durable import Durable
from samespace.index.previews import Previews
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.schema import file_rows, file_table, item_table, schemas, vector_table
from samespace.index.tables import Tables
from samespace.index.trouble import writing
from samespace.index.upkeep import Upkeep
from samespace.space import Vectors

__all__ = ["LanceWriter"]


class LanceWriter:
    """The one who may change a LanceIndex; made by `LanceIndex.writer`, of no use after its `with` block.

    Args:
        tables: of the index.
        durable: to put on the disk what is written.
        previews: of the index.
    """

    def __init__(self, tables: Tables, durable: Durable, previews: Previews) -> None:
        self._tables, self._durable, self._previews = tables, durable, previews
        self._schemas = schemas(tables.card)
        self._name = tables.card.vector_table
        view = tables.view()
        self._known = set(view.vectors.to_table(columns=["digest"])["digest"].to_pylist())
        self._files = file_rows(view.files.to_table())
        self._distrust(view.items)
        self._open = True

    def close(self) -> None:
        """Write no more: the lock is about to go."""
        self._open = False

    def files(self) -> dict[str, FileRow]:
        """All file rows by path."""
        return dict(self._files)

    def readings(self) -> frozenset[str]:
        """Readings whose items are wholly there."""
        return frozenset(f.reading for f in self._files.values() if f.status != "failed")

    def _distrust(self, table: Any) -> None:
        """Take content and reading from file rows that lead to less than they say: their files are read again.

        There are none, unless somebody damaged the folder and Lance went back to an older version of a table.
        """
        items = table.to_table(columns=["reading", "digest"])
        there = pc.is_in(items["digest"], value_set=pa.array(self._known, pa.string()))
        bare = set(items["reading"].filter(pc.and_not(pc.not_equal(items["digest"], ""), there)).to_pylist())
        counts = {row["values"]: row["counts"] for row in pc.value_counts(items["reading"]).to_pylist()}
        for path, file in self._files.items():
            if file.reading in bare or (file.status != "failed" and counts.get(file.reading, 0) < file.items):
                self._files[path] = replace(file, content="", reading="")

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that have no vector yet, in order, without repeats."""
        return [d for d in dict.fromkeys(digests) if d and d not in self._known]

    def commit(
        self, files: Sequence[FileRow], items: Sequence[ItemRow], digests: Sequence[str], vectors: Vectors
    ) -> None:
        """Write vectors, then items, then files; on the disk when it returns."""
        self._require_open()
        check_commit(items, digests, vectors, self._tables.card.space, self._known)
        self._previews.sync()
        rows = vector_table(digests, vectors, self._schemas[self._name])
        self._tables.upsert(self._name, rows, "digest", self._durable, update=False)
        self._known.update(digests)
        self._tables.upsert("items", item_table(items, self._schemas["items"]), "id", self._durable)
        self._tables.upsert("files", file_table(files, self._schemas["files"]), "path", self._durable)
        self._files.update({file.path: file for file in files})

    def remove(self, paths: Sequence[str]) -> int:
        """Forget files; their items and vectors go at the next maintenance."""
        self._require_open()
        gone = [path for path in dict.fromkeys(paths) if path in self._files]
        self._tables.delete("files", pa.array(gone, pa.string()), "path", self._durable)
        for path in gone:
            del self._files[path]
        return len(gone)

    def maintain(self) -> None:
        """Collect what no file leads to, compact, index, drop old versions."""
        self._require_open()
        with writing(self._tables.uri):
            self._collect()
            Upkeep(self._tables, self._durable).run()

    def _collect(self) -> None:
        """Delete items without a file, then vectors without an item, then pictures without either."""
        view = self._tables.view()
        items = view.items.to_table(columns=["id", "reading", "digest", "preview"])
        kept = pc.is_in(items["reading"], value_set=pa.array(sorted(self.readings()), pa.string()))
        lost_items = items.filter(pc.invert(kept))["id"].combine_chunks()
        items = items.filter(kept)
        digests = view.vectors.to_table(columns=["digest"])["digest"]
        wanted = pc.is_in(digests, value_set=pc.unique(items["digest"]))
        lost_vectors = digests.filter(pc.invert(wanted)).combine_chunks()
        self._tables.delete("items", lost_items, "id", self._durable)
        self._tables.delete(self._name, lost_vectors, "digest", self._durable)
        self._known.difference_update(lost_vectors.to_pylist())
        previews = {file.preview for file in self._files.values()} | set(pc.unique(items["preview"]).to_pylist())
        self._previews.keep(previews)

    def _require_open(self) -> None:
        if not self._open:
            raise ValueError("this writer has given its lock back\nOpen another: with index.writer() as writer: ...")
