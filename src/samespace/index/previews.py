"""Previews: small pictures kept by the hash of their bytes, beside the tables and not in them.

Equal pictures are one file. A key is 32 hex letters and nothing else, so no key leads out of the folder.

Knows nothing of tables or of what a picture shows. Imports the standard library only.
"""

import os
import re
from collections.abc import Container
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from samespace.durably import fsync
from samespace.errors import StoreError

__all__ = ["Previews"]

_KEY = re.compile(r"[0-9a-f]{32}")


class Previews:
    """A store of WebP pictures.

    Args:
        folder: where they are; None = in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[str, bytes] = {}
        self._touched: set[Path] = set()
        self._turn = Lock()  # one thread puts while another syncs

    def put(self, data: bytes) -> str:
        """Keep a picture and return its key. Its bytes are on the disk; its name is after `sync`.

        Raises:
            StoreError: it cannot be written.
        """
        key = blake2b(data, digest_size=16).hexdigest()
        path = self.path(key)
        if path is None:
            self._memory[key] = data
        elif not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, data)
            except OSError as err:
                raise StoreError(
                    str(self.folder), f"a preview could not be written ({err.strerror})",
                    "Look for a full or read-only disk, then index again: it goes on from the last commit",
                ) from err  # fmt: skip
            with self._turn:
                self._touched.update((path.parent, path.parent.parent, path.parent.parent.parent))
        return key

    def get(self, key: str) -> bytes | None:
        """The picture of a key; None if there is none, or if it is no key."""
        if not self.is_key(key):
            return None
        path = self.path(key)
        if path is None:
            return self._memory.get(key)
        with suppress(FileNotFoundError):
            return path.read_bytes()
        return None

    @staticmethod
    def is_key(text: str) -> bool:
        """Whether a text is a key, as `put` returns it."""
        return _KEY.fullmatch(text) is not None

    def path(self, key: str) -> Path | None:
        """Where a picture is kept, there or not; None in memory. Raises ValueError if it is no key."""
        if not self.is_key(key):
            raise ValueError(f"{key[:80]!r} is no key of a preview\nA key is 32 hex letters, as `put` returns it.")
        return self.folder / key[:2] / f"{key}.webp" if self.folder else None

    def sync(self) -> None:
        """Put the names of all new pictures on the disk."""
        with self._turn:
            touched, self._touched = self._touched, set()
        for folder in sorted(touched, reverse=True):  # the inner ones first
            fsync(str(folder))

    def keep(self, keys: Container[str]) -> int:
        """Delete all others, and what a killed `put` left behind. Returns how many went."""
        if self.folder is None:
            gone = [key for key in self._memory if key not in keys]
            for key in gone:
                del self._memory[key]
            return len(gone)
        lost = [path for path in self.folder.glob("??/*") if path.suffix != ".webp" or path.stem not in keys]
        for path in lost:
            path.unlink(missing_ok=True)
        return len(lost)


def _write(path: Path, data: bytes) -> None:
    """Bytes to the disk under another name, then the name: nobody ever sees half a picture."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
