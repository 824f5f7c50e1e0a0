"""What reading gives, made into rows: passages into items, facts into a file's row, a bare file into its name.

Knows nothing of threads, processes or stores. Everything goes into a Batch.
"""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from samespace.errors import ReadError
from samespace.index.batch import Batch, Task
from samespace.index.identity import item_id
from samespace.index.naming import means_something, name_text
from samespace.index.plan import Planner, Read, Rename, Step, Write, failed_row, moved, name_of, settled
from samespace.index.previews import Previews
from samespace.index.progress import Counts, Meter
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.scan import Found, encode_path
from samespace.items import Locator, Text
from samespace.read.protocol import Event, Facts, Failed, Passage, Some

__all__ = ["Intake"]

_WITH_A_LOOK_OR_SOUND = ("image", "audio", "video")
_NAME_ONLY = "nothing in it is something this model takes in; it is found by its name"


@dataclass(eq=False)
class _File(Task):
    """One file on its way. `reading` leads to its items; `step.reading` is that of its content alone."""

    step: Read = field(kw_only=True)
    reading: str = field(kw_only=True)
    facts: Facts | None = None
    items: int = 0


class Intake:
    """Takes in the files of one run.

    Attributes:
        rows: files that got a new row.
        again: of the contents in `lost`, which a file that is gone had, those that came to stand elsewhere.
    """

    def __init__(
        self,
        batch: Batch,
        planner: Planner,
        previews: Previews,
        counts: Counts,
        meter: Meter,
        lost: Collection[str] = (),
    ) -> None:
        self._batch, self._planner, self._previews = batch, planner, previews
        self._counts, self._meter = counts, meter
        self._files: dict[Path, _File] = {}
        self._rows: dict[str, FileRow] = {}  # finished in this run, by the reading of their content
        self._copies: dict[str, list[Read]] = {}
        self.rows, self.again = 0, set[str]()
        self._lost = lost

    def take(self, message: Step | Event) -> None:
        """Take one step or event, in the order in which they come."""
        if isinstance(message, Write):
            self.write(message.row, message.found.size)
        elif isinstance(message, Rename):
            self._rename(message.found, message.row)
        elif isinstance(message, Read):
            self._begin(message)
        elif isinstance(message, Some):
            for passage in message.passages:
                self._passage(self._files[message.path], passage)
        else:
            self._end(self._files.pop(message.path), message)

    def write(self, row: FileRow, size: int = 0) -> None:
        """Take a file whose row is all that changes."""
        self._batch.finish(Task(lambda _: row, lambda _, made: self._settle(made, size)))

    def _begin(self, step: Read) -> None:
        if not step.copy:
            self._files[step.found.path] = _File(self._row, self._read, step=step, reading=step.reading)
        elif step.reading in self._rows:
            self._copy(step, self._rows[step.reading])
        else:
            self._copies.setdefault(step.reading, []).append(step)

    def _passage(self, file: _File, passage: Passage) -> None:
        item = passage.item
        if file.failed is not None or item.modality not in self._batch.encoder.modalities:
            return
        try:
            digest = item.digest()
        except OSError as err:
            file.failed = ReadError("vanished", f"it went away while it was read ({err.strerror})", "Index again")
            return
        row = ItemRow(
            id=item_id(file.reading, file.items, passage.origin, item.locator),
            reading=file.reading,
            digest=digest,
            modality=item.modality,
            kind=passage.kind,
            origin=passage.origin,
            locator=replace(item.locator, path=None),
            text=getattr(item, "text", ""),
            language=passage.language or "",
            preview=self._preview(passage.preview),
            position=file.items,
        )
        file.items += 1
        self._batch.add(row, item, file)

    def _end(self, file: _File, event: Event) -> None:
        found = file.step.found
        if isinstance(event, Failed):
            file.failed = ReadError(event.failure, event.reason, event.mend)
        elif file.failed is None and _changed(found):
            file.failed = ReadError("vanished", "it changed while it was read", "Index again when it is at rest")
        elif not isinstance(event, Some):
            file.facts = event.facts
            if not file.items and file.failed is None:
                self._name(file, found, event.facts.kind, event.facts.title, event.facts.meta)
        self._batch.finish(file)

    def _name(
        self, file: _File, found: Found, kind: str, title: str | None, meta: Mapping[str, str | int | float]
    ) -> None:
        """Give a file its one item: its name, embedded where the file has a look or a sound and words say which."""
        text = name_text(encode_path(found.path), title, meta)
        file.reading = self._planner.named_key(file.step.content, file.step.mime, name_of(found))
        embed = kind in _WITH_A_LOOK_OR_SOUND and means_something(text)
        item = Text(text) if embed and "text" in self._batch.encoder.modalities else None
        row = ItemRow(
            id=item_id(file.reading, 0, "name", Locator()),
            reading=file.reading,
            digest=item.digest() if item else "",
            modality="text",
            kind=kind,
            origin="name",
            locator=Locator(),
            text=text,
        )
        file.items = 1
        self._batch.add(row, item, file)

    def _rename(self, found: Found, known: FileRow) -> None:
        """A file that is found by its name has a new one; what else is known of it stays."""
        step = Read(found, known.content, known.mime, "")

        def row(task: Task) -> FileRow:
            if task.failed is not None:
                return self._failed(file, task.failed)
            return replace(moved(known, found), reading=file.reading)

        file = _File(row, lambda _, made: self._settle(made, found.size, named=True), step=step, reading="")
        self._name(file, found, known.kind, known.title or None, known.meta)
        self._batch.finish(file)

    def _copy(self, step: Read, row: FileRow) -> None:
        """A file with the bytes of another that is finished."""
        if row.status == "name_only":
            self._rename(step.found, row)
        else:
            self.write(moved(row, step.found), step.found.size)

    def _row(self, task: Task) -> FileRow:
        """The row of a file that was read."""
        assert isinstance(task, _File)
        file, found, facts = task, task.step.found, task.facts
        if file.failed is not None or facts is None:
            return self._failed(file, file.failed or ReadError("crashed", "its reader said nothing", "Report the file"))
        bare = file.reading != file.step.reading
        return FileRow(
            path=encode_path(found.path),
            root=encode_path(found.root),
            size=found.size,
            modified=settled(found),
            content=file.step.content,
            reading=file.reading,
            status="name_only" if bare else "indexed",
            kind=sys.intern(facts.kind),
            mime=file.step.mime,
            reader=sys.intern(facts.reader),
            title=facts.title or "",
            language=sys.intern(facts.language or ""),
            notes=(*facts.notes, _NAME_ONLY) if bare else facts.notes,
            meta=_shared(tuple(facts.meta.items())),
            preview=self._preview(facts.preview),
            items=file.items,
        )

    def _failed(self, file: _File, err: ReadError) -> FileRow:
        step = file.step
        key = self._planner.failed_key(step.content, step.mime)
        return self._planner.refused(failed_row(step.found, step.content, step.mime, key, err))

    def _read(self, task: Task, row: FileRow) -> None:
        """A file that was read is committed; now its copies can follow."""
        assert isinstance(task, _File)
        self._settle(row, task.step.found.size, named=row.status == "name_only", encoded=task.encoded > 0)
        self._rows[task.step.reading] = row
        for step in self._copies.pop(task.step.reading, ()):
            self._copy(step, row)

    def _settle(self, row: FileRow, size: int, *, named: bool = False, encoded: bool = False) -> None:
        """Count a file whose row is committed."""
        self._counts.count(row, named=named, encoded=encoded)
        self.rows += 1
        known = self._planner.known.get(row.path)
        if row.content in self._lost and not (known and known.content == row.content):
            self.again.add(row.content)
        self._meter.done(row.path, size)

    def _preview(self, data: bytes | None) -> str:
        return self._previews.put(data) if data else ""


@lru_cache(1024)
def _shared(meta: tuple[tuple[str, str | int | float], ...]) -> Mapping[str, str | int | float]:
    """One mapping for all files of which the same is known: most text files say their charset and no more."""
    return dict(meta)


def _changed(found: Found) -> bool:
    """Whether a file is another than the one that was found and hashed."""
    try:
        info = found.path.stat()
    except OSError:
        return True
    return info.st_size != found.size or info.st_mtime_ns // 1000 / 1e6 != found.modified
