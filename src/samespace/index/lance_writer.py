"""The writer of a LanceIndex: commits, removals and maintenance, under the index's lock.

Knows nothing of search. Imports pyarrow, and lance through `tables`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.adopt import Fragments, adopt, file_rows_of
from samespace.index.cache import refresh
from samespace.index.check import check_commit
from samespace.index.keys import Keys
from samespace.index.medium import Medium
from samespace.index.previews import Previews
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.schema import file_rows, file_table, item_table, schemas, vector_table
from samespace.index.search_indexes import Build
from samespace.index.tables import Tables
from samespace.index.trouble import writing
from samespace.index.upkeep import Upkeep
from samespace.index.versions import pictures
from samespace.space import Vectors

__all__ = ["LanceWriter"]


class LanceWriter:
    """The one who may change a LanceIndex; made by `LanceIndex.writer`, of no use after its `with` block.

    Args:
        tables: of the index.
        medium: what they stand on, to put on the disk what is written.
        previews: of the index.
    """

    def __init__(self, tables: Tables, medium: Medium, previews: Previews) -> None:
        self._tables, self._medium, self._previews = tables, medium, previews
        self._schemas = schemas(tables.card)
        self._name = tables.card.vector_table
        self._upkeep = Upkeep(tables, medium)
        self._load()
        self._doubted = self._doubts()
        self._open = True

    def _load(self) -> None:
        """Learn which keys the tables have."""
        view = self._tables.view()
        self._known = Keys([view.vectors.to_table(columns=["digest"])["digest"]])
        self._ids = Keys([view.items.to_table(columns=["id"])["id"]])
        self._paths = Keys([view.files.to_table(columns=["path"])["path"]])
        self._sure = True

    def close(self) -> None:
        """Write no more: the lock is about to go."""
        self._open = False

    def files(self) -> dict[str, FileRow]:
        """All file rows by path, read from the table."""
        rows = file_rows(self._tables.open_table("files").to_table())
        return {path: replace(f, content="", reading="") if path in self._doubted else f for path, f in rows.items()}

    def readings(self) -> frozenset[str]:
        """Readings whose items are wholly there."""
        table = self._tables.open_table("files").to_table(columns=["path", "reading", "status"])
        sure = pc.invert(pc.is_in(table["path"], value_set=pa.array(sorted(self._doubted), pa.string())))
        kept = table.filter(pc.and_(sure, pc.not_equal(table["status"], "failed")))["reading"]
        return frozenset(pc.unique(kept).to_pylist())

    def _doubts(self) -> set[str]:
        """Paths whose rows lead to less than they say: they count as unread, and are read again.

        There are none, unless somebody damaged the folder and Lance went back to an older version of a table.
        """
        bare: set[str] = set()
        counts: Counter[str] = Counter()
        view = self._tables.view()
        for batch in view.items.to_batches(columns=["reading", "digest"]):
            counts.update({row["values"]: row["counts"] for row in pc.value_counts(batch["reading"]).to_pylist()})
            lost = pc.and_not(pc.not_equal(batch["digest"], ""), pa.array(self._known.have(batch["digest"])))
            bare.update(pc.unique(batch["reading"].filter(lost)).to_pylist())
        return {
            row["path"]
            for batch in view.files.to_batches(columns=["path", "reading", "status", "items"])
            for row in batch.to_pylist()
            if row["reading"] in bare or (row["status"] != "failed" and counts[row["reading"]] < row["items"])
        }

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that have no vector yet, in order, without repeats."""
        return [d for d in dict.fromkeys(digests) if d and d not in self._known]

    def commit(
        self, files: Sequence[FileRow], items: Sequence[ItemRow], digests: Sequence[str], vectors: Vectors
    ) -> None:
        """Write vectors, then items, then files; on the disk when it returns."""
        self._require_open()
        if not self._sure:  # the last commit failed half-way
            self._load()
        check_commit(items, digests, vectors, self._tables.card.space, self._known)
        self._previews.sync()
        self._sure = False
        new = [i for i, digest in enumerate(digests) if digest not in self._known]
        rows = vector_table([digests[i] for i in new], vectors[new], self._schemas[self._name])
        self._tables.append(self._name, rows, self._medium)
        self._known.add(digests[i] for i in new)
        self._write("items", "id", item_table(items, self._schemas["items"]), self._ids)
        self._write("files", "path", file_table(files, self._schemas["files"]), self._paths)
        self._doubted.difference_update(file.path for file in files)
        self._sure = True
        self._upkeep.step()

    def adopt(self, parts: Sequence[Fragments]) -> dict[str, FileRow]:
        """Commit what the workers of a bulk run wrote; on the disk when it returns.

        Vectors, items, files, as always: a kill in between leaves the old index, and the same call mends it.

        Returns:
            the file rows by path.
        """
        self._require_open()
        if not self._sure:
            self._load()
        self._sure = False
        adopt(self._tables, self._medium, self._name, "digest", parts, self._known)
        adopt(self._tables, self._medium, "items", "id", parts, self._ids)
        rows = file_rows_of(self._tables, parts)
        self._write("files", "path", file_table(list(rows.values()), self._schemas["files"]), self._paths)
        self._doubted.difference_update(rows)
        self._sure = True
        return rows

    def _write(self, name: str, key: str, rows: pa.Table, known: Keys) -> None:
        """Append rows that are new, which is cheap; replace by their keys if some are there already."""
        keys = rows[key].to_pylist()
        if any(one in known for one in keys):
            self._tables.upsert(name, rows, key, self._medium)
        else:
            self._tables.append(name, rows, self._medium)
        known.add(keys)

    def remove(self, paths: Sequence[str]) -> int:
        """Forget files; their items and vectors go at the next maintenance."""
        self._require_open()
        gone = [path for path in dict.fromkeys(paths) if path in self._paths]
        self._tables.delete("files", pa.array(gone, pa.string()), "path", self._medium)
        self._paths.discard(gone)
        self._upkeep.step()
        return len(gone)

    def maintain(self, build: Build | None = None) -> None:
        """Collect what no file leads to, compact, index, drop old versions; `build` makes search indexes' segments."""
        self._require_open()
        with writing(self._tables.uri):
            self._collect()
            self._upkeep.run(build)
            refresh(self._tables, self._upkeep.ram_rows)

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
        self._tables.delete("items", lost_items, "id", self._medium)
        self._ids.discard(lost_items.to_pylist())
        self._tables.delete(self._name, lost_vectors, "digest", self._medium)
        self._known.discard(lost_vectors.to_pylist())
        shown = [view.files.to_table(columns=["preview"])["preview"], items["preview"], *pictures(self._tables)]
        self._previews.keep(Keys(shown))

    def _require_open(self) -> None:
        if not self._open:
            raise ValueError("this writer has given its lock back\nOpen another: with index.writer() as writer: ...")
