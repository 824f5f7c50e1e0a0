"""How a move stands, and its three decisions: switch to the new Space, go back, be done with it.

The index is in the Space that its files table names. To switch is to have that table say the other one: one version,
seen before or after by whoever reads. Both sides stay until the move is finished, so going back is the same step.

Knows nothing of models. Imports numpy, pyarrow. Letters: n vector rows.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from samespace.durably import fsync
from samespace.errors import StoreError
from samespace.index.lance import LanceIndex
from samespace.index.lock import hold
from samespace.index.migrate_fit import Bridge, expected
from samespace.index.migrate_marks import mark, marked
from samespace.index.migrate_record import Record, folder_of, load
from samespace.index.migrate_rows import NewSide, locked
from samespace.index.migrate_run import take_in
from samespace.index.schema import Card
from samespace.index.snapshot import Snapshot
from samespace.index.tables import Tables

__all__ = ["Standing", "finish", "rollback", "standing", "switch"]

_BLOCK = 8192
_TRIES = 20


@dataclass(frozen=True)
class Standing:
    """How a move stands.

    Attributes:
        stage: "sampling" (no Translator yet), "moving", "switched" (the index is in the new Space).
        source, target: models.
        rows: vectors that there are.
        embedded: of them by the new model.
        translated: written as translated rows by a switch.
        kept: share of the nearest that would be found if one switched now (if switched: that is found); None = not
            measured. With the candidate stage it is `staged` before the switch.
        measured: all that was measured on the sample.
        seconds: of wall time to embed one row.
    """

    stage: Literal["sampling", "moving", "switched"]
    source: str
    target: str
    rows: int
    embedded: int
    translated: int
    kept: float | None
    staged: float | None
    measured: dict[str, Any]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def standing(uri: str) -> Standing | None:
    """How the move of an index stands; None if it is not moving."""
    record = load(uri)
    if record is None:
        return None
    index = LanceIndex.open(uri)
    view, name = index.snapshot(), record.target.vector_table
    tables = Tables(uri, record.target)
    marks = marked(uri, name)
    embedded = written = 0
    if (folder_of(uri).parent / f"{name}.lance").is_dir():
        there = tables.open_table(name).to_table(columns=["digest"])["digest"]
        here = pc.is_in(view.digests, value_set=there)
        written = pc.sum(pc.and_(here, pc.is_in(view.digests, value_set=marks))).as_py() or 0
        embedded = (pc.sum(here).as_py() or 0) - written
    share = embedded / len(view) if len(view) else 1.0
    stage: Literal["sampling", "moving", "switched"] = "moving" if record.fitted else "sampling"
    return Standing(
        "switched" if index.space == record.target.space else stage,
        record.source.model, record.target.model, len(view), embedded, written,
        expected(record.measured, share), record.measured.get("staged"), dict(record.measured), record.seconds,
    )  # fmt: skip


def switch(uri: str, *, keep: float = 0.98, wait: float = 60.0) -> Standing:
    """Make the new model the index's own, if enough is kept. Rows that are not embedded are translated and marked.

    Args:
        uri: of an index that moves.
        keep: share of the nearest that must be found, in [0, 1]; see migrate_fit.quality.
        wait: seconds to wait for another writer.

    Raises:
        StoreError: it is not moving, or switched already, or too little would be kept: then nothing has changed.
        IndexLockedError: another process writes, or moves it.
    """
    record = _record(uri)
    with hold(folder_of(uri), wait=wait):
        index = LanceIndex.open(uri)
        if index.space == record.target.space:
            raise StoreError(uri, f"it has been switched to {record.target.model!r} already", "Search it")
        if not record.fitted:
            raise StoreError(
                uri, "its sample is not embedded yet", f"Go on: samespace migrate {uri} --to {record.target.model}"
            )
        side = NewSide(uri, record, wait)
        take_in(side)
        _gate(uri, record, side, index.snapshot(), keep)
        forth = Bridge.load(folder_of(uri)).forth
        for _ in range(_TRIES):
            for view, rows in _lacking(index, side):
                digests = view.digests.take(pa.array(rows)).to_pylist()
                side.commit(digests, forth(view.vectors(rows)), translated=True)
            with locked(side.tables, record, wait) as medium:
                if not any(_lacking(index, side)):  # nobody has indexed a file since
                    for name in ("files", "items"):
                        side.tables.relabel(name, record.target, medium)
                    break
        else:
            raise StoreError(uri, "files are added faster than it can follow", "Stop the other process, then try again")
    made = standing(uri)
    assert made is not None
    return made


def rollback(uri: str, *, wait: float = 60.0) -> Literal["back", "given up"]:
    """Go one step back: after a switch to the old model; before it, give the move up and forget the new side.

    Files that came after the switch have no vectors of the old model: the next run of ingest reads them again.

    Raises:
        StoreError: it is not moving, or the old side is gone.
    """
    record = _record(uri)
    with hold(folder_of(uri), wait=wait):
        tables = Tables.open(uri)
        if tables.card.space == record.source.space:
            _forget(uri, record, record.target, wait)
            return "given up"
        with locked(tables, record, wait) as medium:
            for name in ("files", "items"):
                tables.relabel(name, record.source, medium)
    return "back"


def finish(uri: str, *, wait: float = 60.0) -> None:
    """End a move after its switch: the old vectors go, and with them the way back.

    Raises:
        StoreError: it is not moving, or not switched yet.
    """
    record = _record(uri)
    with hold(folder_of(uri), wait=wait):
        if Tables.open(uri).card.space != record.target.space:
            raise StoreError(
                uri, f"it is still in the space of {record.source.model!r}: there is nothing to finish",
                f"Switch first: samespace migrate {uri} --switch; or give it up: --rollback",
            )  # fmt: skip
        _forget(uri, record, record.source, wait)


def _record(uri: str) -> Record:
    record = load(uri)
    if record is None:
        LanceIndex.open(uri)  # says if there is none
        raise StoreError(uri, "it is not moving to another model", f"Begin: samespace migrate {uri} --to MODEL")
    return record


def _gate(uri: str, record: Record, side: NewSide, view: Snapshot, keep: float) -> None:
    there = side.have(view.digests) & ~pc.is_in(view.digests, value_set=side.marked()).to_numpy(zero_copy_only=False)
    share = float(there.mean()) if len(there) else 1.0
    kept = expected(record.measured, share)
    if (kept or 0.0) >= keep:
        return
    how = "nobody could measure what is" if kept is None else f"{kept:.3f} of the nearest are expected to be"
    raise StoreError(
        uri,
        f"{share:.1%} of {len(view):,} rows are embedded by {record.target.model!r}, and {how} kept, not {keep:g}",
        f"Go on: samespace migrate {uri} --to {record.target.model}; or be content with less: --switch --keep "
        f"{max(0.0, (kept or 0.0) - 0.005):.2f}",
    )


def _lacking(index: LanceIndex, side: NewSide) -> Iterator[tuple[Snapshot, np.ndarray]]:
    """Vector rows of the newest view that the new side has not, some at a time."""
    view = index.snapshot()
    rows = np.flatnonzero(~side.have(view.digests))
    for start in range(0, len(rows), _BLOCK):
        yield view, rows[start : start + _BLOCK]


def _forget(uri: str, record: Record, card: Card, wait: float) -> None:
    """Remove one side and the record; a kill in between leaves an index that is whole, and the same call goes on."""
    folder = folder_of(uri).parent
    with locked(Tables(uri, record.target), record, wait) as medium:
        tables = Tables.open(uri)
        tables.relabel("items", tables.card, medium)  # a switch that was killed half-way left the other name
        mark(uri, card.vector_table, pa.array([], pa.string()))
        for place in (folder / f"{card.vector_table}.lance", folder_of(uri)):
            _remove(place)
        fsync(str(folder))


def _remove(place: Path) -> None:
    """Take a folder's name away before its files: it is whole or nowhere."""
    gone = place.with_name(f"gone-{place.name}")
    rmtree(gone, ignore_errors=True)
    if place.exists():
        place.rename(gone)
    rmtree(gone, ignore_errors=True)
