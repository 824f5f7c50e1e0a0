"""The new side of an index that moves: its table of vectors in the other Space, which grows beside the old one.

A commit takes the index's lock for as long as it writes, so that ingest goes on between two of them. Searches have no
lock: what they embed on their way they leave in files of their own, which the next commit takes in.

Knows nothing of models or search. Imports numpy, pyarrow, and lance through `tables`. Letters: n rows, d width.
"""

import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.durably import write_durably
from samespace.errors import StoreError
from samespace.index.cache import forget_cache
from samespace.index.keys import Keys
from samespace.index.medium import Medium, writing_to
from samespace.index.migrate_marks import mark, marked
from samespace.index.migrate_record import Record, folder_of, load
from samespace.index.schema import Card, schemas, vector_table
from samespace.index.search_indexes import SearchIndexes
from samespace.index.tables import Tables
from samespace.index.trouble import damaged
from samespace.index.upkeep import Upkeep
from samespace.space import Space, Vectors

__all__ = ["NewSide", "forget_kept", "keep", "kept", "kept_names", "locked"]

_COMMITS = 64  # after so many the tables are put in order
_KEPT = "kept"


class NewSide:
    """The rows of the target Space, for the one who moves the index.

    Args:
        uri: of the index.
        record: of its move.
        wait: seconds to wait for another writer at each commit.
    """

    def __init__(self, uri: str, record: Record, wait: float = 60.0) -> None:
        self.uri, self.record, self.wait = uri, record, wait
        self.tables = Tables(uri, record.target)
        self.name = record.target.vector_table
        self._commits = 0
        self._version, self._known = 0, Keys()
        with locked(self.tables, record, wait) as medium:
            if not (self.tables.folder or Path()).joinpath(f"{self.name}.lance").is_dir():
                self.tables.make(self.name, medium)
            if Card.of(self.tables.open_table(self.name).schema, uri).space != record.target.space:
                raise damaged(uri, f"its table {self.name!r} is of another space")
            self._load()

    def __contains__(self, digest: object) -> bool:
        return digest in self._known

    def have(self, digests: pa.Array) -> np.ndarray:
        """(n,) bool: which of them have a row there, embedded or translated."""
        return self._known.have(digests)

    def marked(self) -> pa.Array:
        """Digests of rows that were translated in place."""
        return marked(self.uri, self.name)

    def commit(self, digests: Sequence[str], vectors: Vectors, *, translated: bool = False) -> int:
        """Write rows that are not there, and embedded ones in the place of translated ones; on the disk on return.

        Returns:
            how many were written.

        Raises:
            StoreError: the move was given up, or ended, by somebody else.
        """
        with locked(self.tables, self.record, self.wait) as medium:
            if self.tables.open_table(self.name).version != self._version:
                self._load()
            marks = self.marked()
            stale = set() if translated else set(marks.to_pylist())
            rows = [i for i, d in enumerate(digests) if d not in self._known or d in stale]
            again = [digests[i] for i in rows if digests[i] in stale]
            if translated and rows:
                mark(self.uri, self.name, pc.unique(pa.array([*marks.to_pylist(), *(digests[i] for i in rows)])))
            table = vector_table([digests[i] for i in rows], vectors[rows], schemas(self.record.target)[self.name])
            if again:
                forget_cache(self.tables)
                self.tables.upsert(self.name, table, "digest", medium)
                mark(self.uri, self.name, marks.filter(pc.invert(pc.is_in(marks, value_set=pa.array(again)))))
            else:
                self.tables.append(self.name, table, medium)
            self._known.add(digests[i] for i in rows)
            self._commits += bool(rows)
            if self._commits >= _COMMITS:
                self._tidy(medium)
            self._version = self.tables.open_table(self.name).version
        return len(rows)

    def tidy(self) -> None:
        """Join small files, bring search indexes up to date, drop old versions."""
        with locked(self.tables, self.record, self.wait) as medium:
            self._tidy(medium)
            self._version = self.tables.open_table(self.name).version

    def drop(self, digests: pa.Array) -> None:
        """Delete rows that no item leads to any more."""
        with locked(self.tables, self.record, self.wait) as medium:
            self.tables.delete(self.name, digests, "digest", medium)
            self._known.discard(digests.to_pylist())
            self._version = self.tables.open_table(self.name).version

    def _tidy(self, medium: Medium) -> None:
        self._commits = 0
        Upkeep(self.tables, medium).run()

    def _load(self) -> None:
        table = self.tables.open_table(self.name)
        self._version = table.version
        self._known = Keys([table.to_table(columns=["digest"])["digest"]])


@contextmanager
def locked(tables: Tables, record: Record, wait: float) -> Iterator[Medium]:
    """Hold the index's lock, and make sure that this move is still the one that is going on.

    Raises:
        StoreError: it was given up or ended meanwhile.
    """
    with writing_to(tables.uri, tables.parts(), wait=wait) as (medium, in_order):
        now = load(tables.uri)
        if now is not None and now.target.space != record.target.space:
            now = None
        if now is None:
            raise StoreError(
                tables.uri, f"its move to {record.target.model!r} was ended by somebody else",
                f"Begin again: samespace migrate {tables.uri} --to {record.target.model}",
            )  # fmt: skip
        if not in_order:
            SearchIndexes(Tables(tables.uri, Card.of(tables.open_table("files").schema, tables.uri)), medium).mend()
        yield medium


def keep(uri: str, digests: Sequence[str], vectors: Vectors) -> None:
    """Leave embedded rows for the next commit, if that can be; needs no lock."""
    folder = folder_of(uri) / _KEPT
    out = io.BytesIO()
    np.savez(
        out, digests=np.array(digests, "S"), rows=vectors.data.astype(np.float32),
        space=np.array(vectors.space.to_json()),
    )  # fmt: skip
    with suppress(OSError):  # not writable, full, or the move is over: they are embedded again some time
        folder.mkdir(exist_ok=True)
        write_durably(folder / f"{time.time_ns()}-{os.getpid()}.npz", out.getvalue())


def kept_names(uri: str) -> frozenset[str]:
    """Names of the files that searches left."""
    return frozenset(path.name for path in (folder_of(uri) / _KEPT).glob("[0-9]*.npz"))


def kept(uri: str, space: Space) -> dict[Path, tuple[pa.Array, Vectors]]:
    """What searches left, by file: digests and rows. A file of another Space, or not to be read, is passed over."""
    made: dict[Path, tuple[pa.Array, Vectors]] = {}
    for name in sorted(kept_names(uri)):
        path = folder_of(uri) / _KEPT / name
        with suppress(Exception), np.load(path, allow_pickle=False) as left:  # gone, torn: anything may be raised
            if str(left["space"]) == space.to_json():
                made[path] = pa.array(left["digests"].astype(str).tolist()), space.vectors(left["rows"])
    return made


def forget_kept(paths: Sequence[Path]) -> None:
    """Delete files whose rows are committed."""
    for path in paths:
        path.unlink(missing_ok=True)
