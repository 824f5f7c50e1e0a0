"""Walk folders: which files are there, which are passed over, which cannot be looked at.

A path is kept in an index as text; bytes of a name that are no UTF-8 are percent-encoded, reversibly (`encode_path`).
Links to folders are never followed, so loops cannot happen. A link to a file is taken only if the file stands under
the same root and is not found by its own name; a link out of the root is passed over.

Knows nothing of formats, models or stores. Imports the standard library only.
"""

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from samespace.errors import FailureClass, QueryError

__all__ = [
    "Entry",
    "Found",
    "Ignored",
    "Unreadable",
    "decode_path",
    "encode_path",
    "failure_of",
    "inside",
    "is_taken",
    "resolve",
    "scan",
]

_TICK = 0.05  # seconds: coarser than the clock of any file system we know but FAT's
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
_ESCAPED = re.compile(r"%(25|[89A-F][0-9A-F])")
_MARKER = Path("files.lance", "_versions")  # a folder that holds it is an index, whatever it is called


@dataclass(frozen=True, slots=True)
class Found:
    """A file to index.

    Attributes:
        path: absolute; `root`: the folder it was found under.
        size: bytes; `modified`: seconds since 1970, to a microsecond.
        fresh: it was changed a moment ago, so another change might not show in `modified`.
    """

    path: Path
    root: Path
    size: int
    modified: float
    fresh: bool = False


@dataclass(frozen=True)
class Ignored:
    """Something that is passed over on purpose, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Unreadable:
    """A file or folder that could not be looked at; nothing under it is taken for deleted."""

    path: Path
    root: Path
    failure: FailureClass
    reason: str
    mend: str


Entry = Found | Ignored | Unreadable


def encode_path(path: str | os.PathLike[str]) -> str:
    r"""A path as clean UTF-8: bytes that are none become %XX; a "%" is escaped only where it could be mistaken.

    >>> encode_path("/a/caf\udce9 100%.txt"), encode_path("/a/%E9")
    ('/a/caf%E9 100%.txt', '/a/%25E9')
    """
    text = _ESCAPED.sub(lambda m: "%25" + m[1], os.fspath(path))
    return re.sub(r"[\udc80-\udcff]", lambda m: f"%{ord(m[0]) - 0xDC00:02X}", text)


def decode_path(text: str) -> Path:
    """Back from `encode_path`."""
    return Path(_ESCAPED.sub(lambda m: "%" if m[1] == "25" else chr(0xDC00 + int(m[1], 16)), text))


def resolve(roots: Iterable[str | os.PathLike[str]], *, forget: bool = False) -> list[Path]:
    """Make roots absolute, without links, without one that stands inside another.

    Args:
        roots: folders or single files.
        forget: keep roots that do not exist, so that what was known of them can be forgotten.

    Raises:
        QueryError: no root, or one that does not exist.
    """
    made: list[Path] = []
    for given in roots:
        root = Path(os.path.realpath(Path(given).expanduser()))
        if not os.path.lexists(root) and not forget:
            raise QueryError(
                f"{encode_path(Path(given))}: no such file or folder",
                "Check the spelling; if it was deleted and the index should forget it, add --forget",
            )
        made.append(root)
    if not made:
        raise QueryError("no folder was given", "Name at least one: samespace index FOLDER")
    known = set(made)
    return [root for root in dict.fromkeys(made) if known.isdisjoint(root.parents)]


def inside(path: Path, folder: Path) -> bool:
    """True if `path` is `folder` or stands under it; by names alone."""
    return path == folder or folder in path.parents


def scan(root: Path, *, exclude: Path | None = None) -> Iterator[Entry]:
    """Walk one root, depth first, names in byte order: the same tree gives the same order.

    Args:
        root: absolute, without links (`resolve`): a folder or one file.
        exclude: the index's own folder.
    """
    own = Path(os.path.realpath(exclude)) if exclude else None
    try:
        info = root.stat()
    except OSError as err:
        yield _unreadable(root, root, err)
        return
    if not stat.S_ISDIR(info.st_mode):
        regular = stat.S_ISREG(info.st_mode)
        yield _found(root, root.parent, info) if regular else Ignored(root, "not a regular file")
        return
    linked: set[Path] = set()
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda e: os.fsencode(e.name))
        except OSError as err:
            yield _unreadable(folder, root, err)
            continue
        deeper: list[Path] = []
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False) and not (reason := _skip_folder(Path(entry.path), own)):
                    deeper.append(Path(entry.path))
                elif entry.is_dir(follow_symlinks=False):
                    yield Ignored(Path(entry.path), reason)
                else:
                    yield _file(entry, root, own, linked)
            except OSError as err:
                yield _unreadable(Path(entry.path), root, err)
        stack.extend(reversed(deeper))


def failure_of(err: OSError) -> tuple[FailureClass, str, str]:
    """Class, reason and mend of a file that could not be opened."""
    if isinstance(err, PermissionError):
        return "permission", "this user may not read it", "Give read permission (chmod +r), then index again"
    if isinstance(err, FileNotFoundError):
        return "vanished", "it went away while it was being looked at", "Index again"
    return "decode", err.strerror or str(err), "Look at the disk or the path, then index again"


def _unreadable(path: Path, root: Path, err: OSError) -> Unreadable:
    return Unreadable(path, root, *failure_of(err))


def _found(path: Path, root: Path, info: os.stat_result) -> Found:
    modified = info.st_mtime_ns // 1000 / 1e6
    return Found(path, root, info.st_size, modified, time.time() - modified < _TICK)


def _file(entry: os.DirEntry[str], root: Path, own: Path | None, linked: set[Path]) -> Entry:
    """Judge one entry that is no folder."""
    path = Path(entry.path)
    if entry.name.startswith("."):
        return Ignored(path, "hidden")
    if entry.is_symlink():
        if reason := _skip_link(path, root, own, linked):
            return Ignored(path, reason)
    elif not entry.is_file(follow_symlinks=False):
        return Ignored(path, "not a regular file")
    return _found(path, root, entry.stat())


def _skip_folder(path: Path, own: Path | None) -> str:
    """Why a folder is not entered; "" if it is."""
    if path == own or (path / _MARKER).is_dir():
        return "an index"
    if path.name in _SKIPPED_FOLDERS:
        return "generated"
    return "hidden" if path.name.startswith(".") else ""


def _skip_link(path: Path, root: Path, own: Path | None, linked: set[Path]) -> str:
    """Why a link is passed over; "" if it is the one name under which its file is found."""
    target = Path(os.path.realpath(path))
    if not target.exists():
        return "broken link"
    if target.is_dir():
        return "link to a folder"
    if not inside(target, root):
        return "link out of the folder"
    if not target.is_file() or (own and inside(target, own)):
        return "not a regular file"
    if is_taken(target, root, own) or target in linked:
        return "link to a file that is indexed already"
    linked.add(target)
    return ""


def is_taken(target: Path, root: Path, own: Path | None) -> bool:
    """True if the walk over `root` takes a file of this path for one of its own; judged by names, there or not."""
    if not inside(target, root) or (own and inside(target, own)):
        return False
    if target.name.startswith("."):
        return False
    folders = [p for p in target.parents if inside(p, root) and p != root]
    return not any(_skip_folder(p, own) for p in folders)
