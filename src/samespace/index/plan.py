"""What is to be done with a file: nothing, a new row, or a reading; and with how little work that is known.

First by size and time alone, then by the hash of the bytes. Bytes that were read before are not read again, whatever
the file is called now.

Knows nothing of models or of how files are read. Imports the reading tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from samespace.errors import ReadError
from samespace.index.identity import content_hash, reading_key
from samespace.index.protocol import FileRow
from samespace.index.scan import Found, Unreadable, encode_path, failure_of
from samespace.index.tools import tools
from samespace.read import readers
from samespace.read.protocol import Options
from samespace.read.sniff import sniff

__all__ = ["Planner", "Read", "Rename", "Step", "Write", "failed_row", "moved", "name_of", "settled"]

_SAME_TIME = 2e-6  # seconds; a row keeps microseconds
PASSING = ("permission", "vanished")  # no property of the bytes: tried again at every run


@dataclass(frozen=True)
class Read:
    """Its bytes are new: read it.

    Attributes:
        reading: of its content, without its name.
        copy: another file of this run has the same reading, which needs doing once.
    """

    found: Found
    content: str
    mime: str
    reading: str
    copy: bool = False


@dataclass(frozen=True)
class Write:
    """Its row is all that changes."""

    found: Found
    row: FileRow


@dataclass(frozen=True)
class Rename:
    """It is found by its name alone, and the name is new; everything else is known from `row`."""

    found: Found
    row: FileRow


Step = Read | Write | Rename


class Planner:
    """Knows what an index has, and says what a file needs. `step` is for one thread."""

    def __init__(self, known: Mapping[str, FileRow], options: Options, *, retry_failed: bool) -> None:
        self.known, self._options, self._retry = known, options, retry_failed
        self._tools: dict[str, Mapping[str, str]] = {}
        self._by_reading = {row.reading: row for row in known.values() if row.content}
        self._named = {self._key(r.content, r.mime): r for r in known.values() if r.status == "name_only"}
        self._begun: set[str] = set()

    def unchanged(self, found: Found) -> FileRow | None:
        """The row of a file that needs nothing, judged by size, time and versions; no byte is read."""
        row = self.known.get(encode_path(found.path))
        if row is None or row.size != found.size or abs(row.modified - found.modified) > _SAME_TIME:
            return None
        return row if self._holds(row) else None

    def step(self, found: Found, stopped: Callable[[], bool] = lambda: False) -> Step:
        """What a file needs that is not unchanged. Raises InterruptedError when stopped."""
        limit = self._options.limits.file_bytes
        if found.size > limit:
            err = ReadError("too_big", f"{found.size:,} bytes, the limit is {limit:,}", "Raise the limit, or ignore it")
            return Write(found, failed_row(found, "", "", "", err))
        try:
            content = content_hash(found.path, stopped)
        except InterruptedError:
            raise
        except OSError as err:
            return Write(found, self.refused(failed_row(found, "", "", "", ReadError(*failure_of(err)))))
        return self._by_content(found, content)

    def failed_key(self, content: str, mime: str) -> str:
        """Reading of a file that failed: it is tried again when anything in it changes."""
        return self._key(content, mime, limits=True)

    def named_key(self, content: str, mime: str, name: str) -> str:
        """Reading of a file that is found by its name alone."""
        return self._key(content, mime, name=name)

    def refused(self, row: FileRow) -> FileRow:
        """What to keep of a file that failed: while the cause may pass, what was known of it, marked as stale."""
        known = self.known.get(row.path)
        if row.failure in PASSING and known is not None and known.status != "failed":
            return replace(known, failure=row.failure, reason=row.reason, mend=row.mend)
        return row

    def _by_content(self, found: Found, content: str) -> Step:
        row = self.known.get(encode_path(found.path))
        if row is not None and row.content == content and self._holds(row):
            return Write(found, moved(row, found))
        try:
            mime = sniff(found.path)
        except ReadError as err:
            return Write(found, self.refused(failed_row(found, content, "", self.failed_key(content, ""), err)))
        key = self._key(content, mime)
        for reading in (key, self.named_key(content, mime, name_of(found)), self.failed_key(content, mime)):
            row = self._by_reading.get(reading)
            if row is not None and self._holds(row):
                return Write(found, moved(row, found))
        if key in self._named:
            return Rename(found, self._named[key])
        copy = key in self._begun
        self._begun.add(key)
        return Read(found, content, mime, key, copy)

    def _holds(self, row: FileRow) -> bool:
        """Whether what a row says is still what a reading now would give."""
        if not row.content or (self._retry and row.failure) or (row.failure and row.status != "failed"):
            return False
        if row.status == "failed":
            return row.reading == self.failed_key(row.content, row.mime)
        if row.status == "name_only":
            return row.reading == self.named_key(row.content, row.mime, row.path.rpartition("/")[2])
        return row.reading == self._key(row.content, row.mime)

    def _key(self, content: str, mime: str, *, name: str = "", limits: bool = False) -> str:
        family = mime.partition("/")[0]
        if family not in self._tools:
            self._tools[family] = tools(family, self._options)
        reader = readers.label(mime)
        return reading_key(content, mime, reader, self._options, tools=self._tools[family], name=name, limits=limits)


def failed_row(found: Found | Unreadable, content: str, mime: str, reading: str, err: ReadError) -> FileRow:
    """The row of a file that cannot be read."""
    passing = err.failure in PASSING
    return FileRow(
        path=encode_path(found.path),
        root=encode_path(found.root),
        size=found.size if isinstance(found, Found) else 0,
        modified=settled(found) if isinstance(found, Found) else 0.0,
        content="" if passing else content,
        reading="" if passing else reading,
        status="failed",
        mime=mime,
        failure=err.failure,
        reason=err.reason,
        mend=err.mend,
    )


def name_of(found: Found) -> str:
    """The last part of its path, as the index writes it."""
    return encode_path(found.path).rpartition("/")[2]


def settled(found: Found) -> float:
    """The time to keep for a file: a hair off if it is so fresh that a change in the same tick would not show."""
    return found.modified - 0.001 if found.fresh else found.modified


def moved(row: FileRow, found: Found) -> FileRow:
    """A row under another name, or with another time."""
    if row.status != "failed":
        row = replace(row, failure="", reason="", mend="")
    return replace(
        row,
        path=encode_path(found.path),
        root=encode_path(found.root),
        size=found.size,
        modified=settled(found),
    )
