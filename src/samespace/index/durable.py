"""Making sure that what was written survives a power cut: fsync of new files, then of the folders that name them.

Lance renames its files into place and syncs none of them. Its files never change once written, so each is synced once.

Knows nothing of tables. Imports the standard library and durably.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from samespace import durably

__all__ = ["Durable"]


class Durable:
    """The files below a folder, and which of them are known to be on the disk.

    Args:
        folder: what to watch over.
        clean: parts of it in which everything is known to be on the disk already.

    Attributes:
        written: bytes that were put on the disk by it.
    """

    def __init__(self, folder: Path, *, clean: Iterable[str] = ()) -> None:
        self.folder, self.written = folder, 0
        self._seen = {path for part in clean for path in (str(folder / part), *_paths(str(folder / part)))}

    def sync(self, *parts: str) -> int:
        """Put all new files below some parts of the folder on the disk, then the folders that name them.

        Args:
            parts: paths below the folder; none = all of it.

        Returns:
            how many files were synced.
        """
        tops = [str(self.folder / part) for part in parts] or [str(self.folder)]
        new = [entry for top in tops for entry in _walk(top) if entry.path not in self._seen]
        fresh = [top for top in tops if top not in self._seen and parts and Path(top).is_dir()]
        folders = {str(Path(top).parent) for top in fresh}
        for entry in new:
            if not entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):  # a draft of the cache that a reader has just put in place
                    self.written += durably.fsync(entry.path)
            folders.update((str(Path(entry.path).parent), *([entry.path] if entry.is_dir() else [])))
        for folder in sorted(folders, reverse=True):  # the inner ones first
            with suppress(FileNotFoundError):
                durably.fsync(folder)
        self._seen.update(fresh, (entry.path for entry in new))
        return len(new)

    def sizes(self, part: str) -> dict[str, int]:
        """Bytes of each file below a part of the folder, by its path below that part."""
        top = str(self.folder / part)
        found = [entry for entry in _walk(top) if not entry.is_dir(follow_symlinks=False)]
        return {entry.path[len(top) + 1 :]: _size(entry) for entry in found}

    def tail(self, path: str, count: int) -> bytes:
        """The last bytes of a file; fewer if it has no more."""
        with (self.folder / path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - count))
            return file.read()

    def forget(self, part: str) -> None:
        """Drop from memory what is no longer there, after a clean-up of a part."""
        top = str(self.folder / part) + os.sep
        there = _paths(top[:-1])
        self._seen = {path for path in self._seen if not path.startswith(top) or path in there}


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _paths(top: str) -> set[str]:
    return {entry.path for entry in _walk(top)}


def _walk(top: str) -> "list[os.DirEntry[str]]":
    """Everything below a folder; nothing if it is not there."""
    try:
        with os.scandir(top) as entries:
            found = list(entries)
    except FileNotFoundError:
        return []
    return found + [inner for entry in found if entry.is_dir(follow_symlinks=False) for inner in _walk(entry.path)]
