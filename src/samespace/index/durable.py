"""Making sure that what was written survives a power cut: fsync of new files, then of the folders that name them.

Lance renames its files into place and syncs none of them. Its files never change once written, so each is synced once.

Knows nothing of tables. Imports the standard library only.
"""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Durable"]


class Durable:
    """The files below a folder, and which of them are known to be on the disk.

    Args:
        folder: what to watch over.
        clean: parts of it in which everything is known to be on the disk already.
    """

    def __init__(self, folder: Path, *, clean: Iterable[str] = ()) -> None:
        self.folder = folder
        self._seen = {entry.path for part in clean for entry in _walk(str(folder / part))}

    def sync(self, *parts: str) -> int:
        """Put all new files below some parts of the folder on the disk, then the folders that name them.

        Args:
            parts: paths below the folder; none = all of it.

        Returns:
            how many files were synced.
        """
        tops = [str(self.folder / part) for part in parts] or [str(self.folder)]
        new = [entry for top in tops for entry in _walk(top) if entry.path not in self._seen]
        folders: set[str] = set()
        for entry in new:
            if not entry.is_dir(follow_symlinks=False):
                fsync(entry.path)
            folders.update((str(Path(entry.path).parent), *([entry.path] if entry.is_dir() else [])))
        for folder in sorted(folders, reverse=True):  # the inner ones first
            fsync(folder)
        self._seen.update(entry.path for entry in new)
        return len(new)


def fsync(path: str) -> None:
    """Put one file or folder on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _walk(top: str) -> "list[os.DirEntry[str]]":
    """Everything below a folder; nothing if it is not there."""
    try:
        with os.scandir(top) as entries:
            found = list(entries)
    except FileNotFoundError:
        return []
    return found + [inner for entry in found if entry.is_dir(follow_symlinks=False) for inner in _walk(entry.path)]
