"""ZIP containers of documents, within bounds: what their headers say counts before, what comes out after.

Knows nothing of document formats. Imports the standard library only.
"""

import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from samespace.errors import ReadError
from samespace.read.container import METHODS, too_many_names
from samespace.read.opening import open_regular

__all__ = ["Archive"]

_MEMBERS = 50_000  # an office file has dozens, a book hundreds
_STEP = 1 << 20
_ENCRYPTED = 0x1  # flag of a member
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, UnicodeError)


class Archive:
    """An open ZIP container. A context manager."""

    def __init__(self, path: Path, budget: int) -> None:
        """Open it and read its directory.

        Args:
            path: the file.
            budget: bytes that all its members together may unpack to.
        """
        self._left = self._budget = budget
        self._file = open_regular(path)
        try:
            if too_many_names(self._file):
                raise _too_many("names by the hundred thousand")
            self._zip = zipfile.ZipFile(self._file)
            self._by_name = {info.filename.replace("\\", "/").lstrip("/"): info for info in self._zip.infolist()}
        except ReadError:
            self._file.close()
            raise
        except _DAMAGE as err:
            self._file.close()
            raise _damaged(err) from err
        except BaseException:
            self._file.close()
            raise
        self._by_lower = {name.lower(): name for name in self._by_name}
        if len(self._by_name) > _MEMBERS:
            self.close()
            raise _too_many(f"{len(self._by_name):,} parts")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The names of its members, in the order of the directory."""
        return list(self._by_name)

    def has(self, name: str) -> bool:
        """Whether there is such a member; upper and lower case are one, as office programs hold it."""
        return name.lower() in self._by_lower

    def read(self, name: str) -> bytes:
        """Unpack a member.

        Raises:
            KeyError: there is none.
            ReadError: too_big, by its header or by what came out; encrypted; decode if it is damaged.
        """
        info = self._by_name[self._by_lower[name.lower()]]
        _require_plain(info)
        if info.file_size > self._left:
            raise self._too_big()
        parts: list[bytes] = []
        try:
            with self._zip.open(info) as member:
                while part := member.read(min(_STEP, self._left + 1)):
                    self._left -= len(part)
                    if self._left < 0:
                        raise self._too_big()
                    parts.append(part)
        except ReadError:
            raise
        except _DAMAGE as err:
            raise _damaged(err) from err
        return b"".join(parts)

    def whole(self) -> BinaryIO:
        """The container as a file, for libraries that unpack it themselves: only if all of it is within bounds.

        A member never gives more than its header says, so the headers are the bound.
        """
        for info in self._by_name.values():
            _require_plain(info)
        if sum(info.file_size for info in self._by_name.values()) > self._left:
            raise self._too_big()
        self._file.seek(0)
        return self._file

    def _too_big(self) -> ReadError:
        return ReadError(
            "too_big",
            f"it unpacks to more than {self._budget:,} bytes",
            "Raise the limit of unpacked_bytes, or ignore it",
        )


def _require_plain(info: zipfile.ZipInfo) -> None:
    """Raise ReadError for a member under a password, or packed in a way whose unpacking has no bounds."""
    if info.flag_bits & _ENCRYPTED:
        raise ReadError("encrypted", "its content is under a password", "Save a copy without a password")
    if info.compress_type not in METHODS:
        raise ReadError(
            "unsupported", f"packed in a way no document is ({info.compress_type})", "Save it with its program"
        )


def _too_many(what: str) -> ReadError:
    return ReadError("too_big", f"a container of {what}", "Nothing to do: no document is so")


def _damaged(err: Exception) -> ReadError:
    return ReadError(
        "decode", f"a damaged container: {err or type(err).__name__}", "Open and save it with the program that made it"
    )
