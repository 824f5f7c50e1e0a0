"""Commits in a thread of their own: while one waits for the disk, the next batch is encoded.

One at a time, in the order given, and never more than one behind: who gives the next waits for the one before. What
is given counts as kept only when `taken` hands it back; an error of the store comes out there, once, and nothing that
was given after it is written.

Knows nothing of encoding or of files. Imports the standard library and the protocol.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from samespace.index.protocol import FileRow, ItemRow, Writer
from samespace.space import Vectors

__all__ = ["Committer", "Load"]


@dataclass(frozen=True, eq=False)
class Load:
    """What one commit writes.

    Attributes:
        files, items, digests, vectors: as `Writer.commit` takes them.
        settle: for whoever takes it back: it is on the disk.
    """

    files: list[FileRow]
    items: list[ItemRow]
    digests: list[str]
    vectors: Vectors
    settle: Callable[[], None]


class Committer:
    """Writes one Load after the other. For use by one thread; `close` it before the writer's lock goes."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "samespace-commit")
        self._under_way: tuple[Load, Future[None]] | None = None

    @property
    def digests(self) -> frozenset[str]:
        """Whose vectors are being written now."""
        return frozenset(self._under_way[0].digests if self._under_way else ())

    @property
    def busy(self) -> bool:
        """Whether something was given that was not taken back."""
        return self._under_way is not None

    def give(self, load: Load) -> None:
        """Have it written next. The one before must be taken back first."""
        assert self._under_way is None
        self._under_way = load, self._thread.submit(self._write, load)

    def taken(self, *, wait: bool) -> Load | None:
        """What is on the disk now and was not before; None if nothing is. Raises what the writer raised."""
        if self._under_way is None or not (wait or self._under_way[1].done()):
            return None
        load, future = self._under_way
        future.result()
        self._under_way = None
        return load

    def close(self) -> None:
        """Wait until nothing is being written, whatever is pressed meanwhile."""
        pressed: KeyboardInterrupt | None = None
        while True:
            try:
                self._thread.shutdown(wait=True)
                break
            except KeyboardInterrupt as err:
                pressed = err
        if pressed:
            raise pressed

    def _write(self, load: Load) -> None:
        if load.files or load.items:
            self._writer.commit(load.files, load.items, load.digests, load.vectors)
