"""How far an ingest is, and what it came to.

Knows nothing of how files are read or encoded.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from samespace.index.protocol import FileRow

__all__ = ["Counts", "Meter", "Progress"]

Stage = Literal["scan", "read", "tidy", "done"]
_WINDOW = 30.0  # seconds over which the rate is taken
_PAUSE = 0.1  # seconds between two reports


@dataclass
class Counts:
    """What an ingest came to. Without a stop, seen = encoded + named + reused + failed.

    Attributes:
        seen: files found under the roots, those that failed among them.
        encoded: files of whose content something was embedded now.
        named: files that give the model nothing and were taken in by their name now.
        reused: files for which nothing was to be embedded: unchanged, moved, a copy, or all passages known.
        removed: files that are gone and were forgotten.
        moved: files that are gone and stand elsewhere by the same content; not among `removed`.
        failed: files that cannot be read, now or since before.
        ignored: entries passed over; `ignored_why` counts them by reason.
        passages: things embedded now.
        stopped: whether it was stopped before its end.
        seconds: it took.
    """

    seen: int = 0
    encoded: int = 0
    named: int = 0
    reused: int = 0
    removed: int = 0
    moved: int = 0
    failed: int = 0
    ignored: int = 0
    passages: int = 0
    stopped: bool = False
    seconds: float = 0.0
    ignored_why: Counter[str] = field(default_factory=Counter)

    def count(self, row: FileRow, *, named: bool = False, encoded: bool = False) -> None:
        """Count one file by what became of it."""
        if row.failure:
            self.failed += 1
        elif named:
            self.named += 1
        elif encoded:
            self.encoded += 1
        else:
            self.reused += 1

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        made = {name: value for name, value in vars(self).items() if name != "ignored_why"}
        return made | {"seconds": round(self.seconds, 3), "ignored_why": dict(sorted(self.ignored_why.items()))}


@dataclass(frozen=True)
class Progress:
    """A look at a running ingest.

    Attributes:
        stage: "scan" the folders, "read" and encode, "tidy" the store, "done".
        files, total: files dealt with, of those that need work; `total` is 0 while scanning.
        passages: embedded so far.
        rate: files a second, lately.
        eta: seconds left; None if nobody can say yet.
        path: the file last dealt with.
    """

    stage: Stage
    files: int
    total: int
    seen: int
    passages: int
    failed: int
    rate: float
    eta: float | None
    path: str = ""


class Meter:
    """Turns what has been done into Progress, a few times a second at most."""

    def __init__(self, counts: Counts, tell: Callable[[Progress], None] | None) -> None:
        self.counts, self._tell = counts, tell
        self.started = time.monotonic()
        self._told = 0.0
        self._stage: Stage = "scan"
        self._files, self._total, self._bytes, self._all_bytes = 0, 0, 0, 0
        self._marks: deque[tuple[float, int, int]] = deque()

    def begin(self, stage: Stage, total: int = 0, size: int = 0) -> None:
        """Enter a stage with so many files, so many bytes of work."""
        self._stage, self._total, self._all_bytes = stage, total or self._total, size or self._all_bytes
        self._marks.append((time.monotonic(), self._files, self._bytes))
        self.look(now=True)

    def done(self, path: str, size: int) -> None:
        """One file is dealt with."""
        self._files, self._bytes = self._files + 1, self._bytes + size
        self.look(path)

    def look(self, path: str = "", *, now: bool = False) -> None:
        """Tell how it stands, unless it was told a moment ago."""
        clock = time.monotonic()
        self.counts.seconds = clock - self.started
        if self._tell is None or (not now and clock - self._told < _PAUSE):
            return
        self._told = clock
        self._marks.append((clock, self._files, self._bytes))
        while len(self._marks) > 2 and clock - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        rate, eta = self._pace()
        counts = self.counts
        self._tell(
            Progress(
                self._stage, self._files, self._total, counts.seen, counts.passages, counts.failed, rate, eta, path
            )
        )

    def _pace(self) -> tuple[float, float | None]:
        """Files a second, and seconds left: files and bytes count half each, as neither tells the work alone."""
        then, files, size = self._marks[0]
        seconds = time.monotonic() - then
        if seconds <= 0 or self._files <= files or not self._total:
            return 0.0, None
        share = 0.5 / self._total
        lately = (self._files - files) * share + 0.5 * (self._bytes - size) / max(1, self._all_bytes)
        left = (self._total - self._files) * share + 0.5 * (1 - self._bytes / max(1, self._all_bytes))
        return (self._files - files) / seconds, max(0.0, left) / lately * seconds
