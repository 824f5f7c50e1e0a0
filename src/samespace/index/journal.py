"""The journal of a bulk job: which parts of it are finished, on the disk before anybody counts on it.

One line a part, appended and synced: a checksum, a space, JSON. The first line says which job it is. A killed driver
can only tear the last line, which then counts as never written.

Knows nothing of what a part is. Imports the standard library only.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from samespace.durably import fsync
from samespace.errors import StoreError

__all__ = ["Journal"]

_FORM = 1


class Journal:
    """An open journal: what was there when it was opened, and a place for more. Closed by its `with` block.

    Args:
        path: where it is, or is to be.
        job: what it must belong to, as plain data.

    Attributes:
        parts: those that were finished before, in order.

    Raises:
        StoreError: it belongs to another job; or it cannot be written.
    """

    def __init__(self, path: Path, job: Mapping[str, Any]) -> None:
        self.path = path
        try:
            lines, whole = _lines(path)
            if lines and lines[0] != {"form": _FORM, "job": dict(job)}:
                raise _another(path, lines[0], job)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._handle, whole)
            os.lseek(self._handle, whole, os.SEEK_SET)
            if not lines:
                self._write({"form": _FORM, "job": dict(job)})
            fsync(str(path.parent))
        except StoreError:
            raise
        except OSError as err:
            raise _unwritten(path, err) from err
        self.parts: list[dict[str, Any]] = lines[1:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def add(self, part: Mapping[str, Any]) -> None:
        """Keep a part: on the disk when it returns. Raises StoreError."""
        try:
            self._write(part)
        except OSError as err:
            raise _unwritten(self.path, err) from err

    def done(self) -> None:
        """The job is over and its parts are committed: nothing is left to remember."""
        self.path.unlink(missing_ok=True)
        fsync(str(self.path.parent))

    def _write(self, data: Mapping[str, Any]) -> None:
        text = json.dumps(data, sort_keys=True).encode()
        line = _sum(text) + b" " + text + b"\n"
        while line:
            line = line[os.write(self._handle, line) :]
        os.fsync(self._handle)


def _lines(path: Path) -> tuple[list[Any], int]:
    """What the sound lines say, up to the first that is not, and how many bytes they are."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    found, whole = [], 0
    for line in data.splitlines(keepends=True):
        mark, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or mark != _sum(text):
            break
        found.append(json.loads(text))
        whole += len(line)
    return found, whole


def _sum(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=8).hexdigest().encode()


def _another(path: Path, found: Any, job: Mapping[str, Any]) -> StoreError:
    old = found.get("job", {}) if isinstance(found, dict) else {}
    other = [name for name in sorted({*old, *job}) if old.get(name) != job.get(name)]
    return StoreError(
        str(path),
        f"a bulk job that was begun with other settings is not finished (other: {', '.join(other) or 'form'})",
        f"Finish it with the settings it began with, or give up what it has done so far: rm '{path}'",
    )


def _unwritten(path: Path, err: OSError) -> StoreError:
    return StoreError(
        str(path),
        f"the journal cannot be written ({err.strerror})",
        "Look for a full or read-only disk, or name another place: --journal FILE",
    )
