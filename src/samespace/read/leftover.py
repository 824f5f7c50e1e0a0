"""Temporary folders that do not outlive their process: the next one removes what a killed one left.

A folder is locked (flock) as long as its process lives, so a lock that can be had is a folder that nobody needs.

Knows nothing of what is in them. Imports the standard library only.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Folder", "sweep"]

_PREFIX = "samespace-"
_OURS = re.compile(r"samespace-[a-z]+-\d+-[a-z0-9_]{8}")  # as Folder names them; any other may be a user's own
_YOUNG = 60.0  # seconds in which a folder may be made and not yet locked


class Folder:
    """A temporary folder, for this user only.

    Args:
        purpose: a part of its name.
    """

    def __init__(self, purpose: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-{os.getpid()}-"))  # mode 0700
        self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        with suppress(OSError):  # a file system without locks: then nobody can tell, and nobody sweeps
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove(self) -> None:
        """Remove it, once or again."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def sweep() -> int:
    """Remove the folders of this user whose process is gone. Returns how many."""
    gone = 0
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name):
                with suppress(OSError):
                    gone += _swept(entry)
    return gone


def _swept(entry: "os.DirEntry[str]") -> bool:
    info = entry.stat(follow_symlinks=False)
    if not entry.is_dir(follow_symlinks=False) or info.st_uid != os.geteuid() or time.time() - info.st_mtime < _YOUNG:
        return False
    handle = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(entry.path, ignore_errors=True)
    finally:
        os.close(handle)
    return True
