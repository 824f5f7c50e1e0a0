"""Passages on their way into an Index: gathered, encoded, committed; each vector stays with its own digest.

A Passage that the encoder cannot take in marks its own file and no other. What is already there by its digest is not
encoded again. A file's row is written with or after the last of its items. While one batch is written the next is
gathered and encoded (commit.py); a file counts, and its Task is told, when it is on the disk.

Knows nothing of files' bytes or of reading. Letters: n passages of a batch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from samespace.encode.protocol import Encoder
from samespace.errors import ReadError, SamespaceError, VectorError
from samespace.index.commit import Committer, Load
from samespace.index.progress import Counts
from samespace.index.protocol import FileRow, ItemRow, Writer
from samespace.items import Item, weight
from samespace.space import Vectors

__all__ = ["Batch", "Task"]

_MOST = 1024  # passages a commit
_FEWEST = 16
_FILES = 1024  # files a commit
_BYTES = 32 << 20  # of pictures, sounds and words a commit: they stand in memory
_SECONDS = 10.0  # a commit at least this often
_ENCODING = 5.0  # seconds of encoding a batch aims for
_BROKEN_AT = 4  # so many failures without a success, and it is the encoder that is broken


@dataclass(eq=False)
class Task:
    """One file on its way.

    Attributes:
        failed: why it cannot be taken in, once that is known.
        encoded: things embedded for it.
        row: makes its row when it is finished.
        settle: is told its row once that is committed.
    """

    row: Callable[["Task"], FileRow]
    settle: Callable[["Task", FileRow], None]
    failed: ReadError | None = None
    encoded: int = 0


@dataclass
class Batch:
    """What waits for the next commit. For use by one thread; `close` it before the writer's lock goes."""

    writer: Writer
    encoder: Encoder
    counts: Counts
    items: list[tuple[ItemRow, Item | None, Task]] = field(default_factory=list)
    finished: list[Task] = field(default_factory=list)
    target: int = _FEWEST * 2
    since: float = field(default_factory=time.monotonic)
    _bytes: int = 0
    _committer: Committer = field(init=False)

    def __post_init__(self) -> None:
        self._committer = Committer(self.writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._committer.close()

    def add(self, row: ItemRow, item: Item | None, task: Task) -> None:
        """Take a passage; None as item: it is found by words only."""
        self.items.append((row, item, task))
        self._bytes += len(row.text) if item is None else weight(item)

    def finish(self, task: Task) -> None:
        """A file has no more passages."""
        self.finished.append(task)

    @property
    def busy(self) -> bool:
        """Whether anything was taken that is not settled yet."""
        return bool(self.items or self.finished or self._committer.busy)

    def full(self) -> bool:
        """Whether it is time to commit."""
        waited = time.monotonic() - self.since > _SECONDS
        many = len(self.items) >= self.target or len(self.finished) >= _FILES or self._bytes >= _BYTES
        return many or (waited and bool(self.items or self.finished))

    def send(self) -> None:
        """Encode what is new and have everything committed: it is kept when it is settled."""
        vectors, digests = self._encode()
        self.settle(wait=True)
        good = [(row, task) for row, _, task in self.items if task.failed is None]
        keep = {row.digest for row, _ in good}
        at = [i for i, digest in enumerate(digests) if digest in keep]
        finished, rows = self.finished, [task.row(task) for task in self.finished]
        self.items, self.finished, self._bytes = [], [], 0
        self.since = time.monotonic()

        def settle() -> None:
            self.counts.passages += len(at)
            for task, row in zip(finished, rows, strict=True):
                task.settle(task, row)

        self._committer.give(Load(rows, [row for row, _ in good], [digests[i] for i in at], vectors[at], settle))

    def settle(self, *, wait: bool = False) -> None:
        """Tell the tasks whose commit is through; with `wait`, of all that was sent. Raises what the store raised."""
        load = self._committer.taken(wait=wait)
        if load is not None:
            load.settle()

    def flush(self) -> None:
        """Send everything: all of it is kept when this returns."""
        self.send()
        self.settle(wait=True)

    def _encode(self) -> tuple[Vectors, list[str]]:
        """Vectors of what has none yet, with their digests in the same order; failures go to their tasks."""
        first: dict[str, Item] = {}
        owners: dict[str, list[Task]] = {}
        for row, item, task in self.items:
            if item is not None and task.failed is None:
                first.setdefault(row.digest, item)
                owners.setdefault(row.digest, []).append(task)
        written = self._committer.digests
        digests = [d for d in self.writer.missing(list(first)) if d not in written]
        began = time.monotonic()
        done = encode_each(self.encoder, [first[d] for d in digests])
        if digests:
            pace = len(digests) / max(1e-6, time.monotonic() - began)
            self.target = int(min(_MOST, max(_FEWEST, pace * _ENCODING)))
        for digest, outcome in zip(digests, done, strict=True):
            if isinstance(outcome, Exception):
                for task in owners[digest]:
                    task.failed = task.failed or _reason(outcome)
            else:
                owners[digest][0].encoded += 1
        kept = [(d, v) for d, v in zip(digests, done, strict=True) if isinstance(v, Vectors)]
        none = self.encoder.space.empty()
        return none.concat(*(v for _, v in kept)) if kept else none, [d for d, _ in kept]


def encode_each(encoder: Encoder, items: Sequence[Item]) -> list[Vectors | Exception]:
    """Encode all together; where that fails, find out whose fault it is by halves.

    Returns:
        For each item its Vectors (1, d) of the encoder's Space, or the error that it alone gives.

    Raises:
        Exception: the encoder fails at everything, so no item is to blame; or an error of ours about the model.
    """
    found = _halves(encoder, items) if items else []
    errors = [r for r in found if isinstance(r, Exception)]
    if len(errors) == len(found) >= _BROKEN_AT:
        raise errors[0]
    return found


def _halves(encoder: Encoder, items: Sequence[Item]) -> list[Vectors | Exception]:
    try:
        vectors = encoder.encode(items).require(encoder.space)
        if len(vectors) != len(items):
            raise RuntimeError(
                f"the encoder gave {len(vectors)} vectors for {len(items)} items\nReport it to its maker"
            )
        return list(vectors)
    except (VectorError, ReadError) as err:
        failure: Exception = err
    except SamespaceError:
        raise
    except Exception as err:
        failure = err
    if len(items) == 1:
        return [failure]
    middle = len(items) // 2
    return _halves(encoder, items[:middle]) + _halves(encoder, items[middle:])


def _reason(err: Exception) -> ReadError:
    if isinstance(err, ReadError):
        return err
    line = (str(err) or type(err).__name__).splitlines()[0][:200]
    return ReadError(
        "vanished" if isinstance(err, FileNotFoundError) else "decode",
        f"the model could not take in a part of it: {line}",
        "Look at the file; after a change it is tried again, or at once with --retry-failed",
    )
