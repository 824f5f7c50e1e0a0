"""Files that stand in an object store: which there are, and each on this machine for as long as it is read.

The key of such a file is its URL. Inside a run it has a path like any other, "/s3:/bucket/key": below no folder where
it is listed, below a folder of its own where it was fetched. Only what somebody named is listed or fetched.

Knows nothing of formats or models. Imports obstore (extra `s3`) when a store is named.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

from samespace.errors import QueryError, ReadError
from samespace.index.lease import store_at
from samespace.index.plan import Planner, failed_row
from samespace.index.progress import Counts
from samespace.index.protocol import FileRow
from samespace.index.scan import Found, Ignored, encode_path, failure_of
from samespace.index.survey import Survey, take
from samespace.read.protocol import Limits

__all__ = ["Fetcher", "in_store", "is_store", "listing", "survey_store", "url_of"]

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)
_PATH = re.compile(r"/([a-z][a-z0-9+.-]+):/(.*)", re.DOTALL)
_TICK = 2.0  # seconds: S3 keeps whole ones
_INDEX = "/files.lance/_versions/"  # what is beside it is an index, whatever it is called
_CHUNK = 8 << 20


def is_store(root: str) -> bool:
    """Whether a root names an object store."""
    return bool(_URL.fullmatch(root)) and not root.startswith("file://")


def in_store(text: str) -> str:
    """URL → path inside a run; a path stays.

    >>> in_store("s3://bucket/a/b.txt"), url_of("/s3:/bucket/a/b.txt"), url_of("/home/b.txt")
    ('/s3:/bucket/a/b.txt', 's3://bucket/a/b.txt', '/home/b.txt')
    """
    found = _URL.fullmatch(text)
    return f"/{found[1]}:/{found[2]}" if found else text


def url_of(path: str) -> str:
    """Back from `in_store`."""
    found = _PATH.fullmatch(path)
    return f"{found[1]}://{found[2]}" if found else path


def listing(root: str, stopped: Callable[[], bool]) -> Iterator[Found | Ignored]:
    """The objects under a URL, as a walk over a folder gives them: the same names are passed over.

    Raises:
        QueryError: it cannot be listed.
        MissingExtraError: obstore is not installed.
    """
    store = store_at(root)
    top = Path(in_store(root.rstrip("/")))
    found: list[tuple[str, int, float]] = []
    try:
        for chunk in store.list():
            found += [(meta["path"], meta["size"], meta["last_modified"].timestamp()) for meta in chunk]
            if stopped():
                break
    except Exception as err:  # obstore's own errors have no common root but this
        first = (str(err).splitlines() or [type(err).__name__])[0][:200]
        raise QueryError(
            f"{root}: it cannot be listed ({first})",
            "Check its spelling, and what the environment says of it: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …",
        ) from err
    own = {f"/{key}".rpartition(_INDEX)[0] + "/" for key, _, _ in found if _INDEX in f"/{key}"}
    for key, size, modified in sorted(found):
        path = top / key
        if reason := _passed_over(key, own):
            yield Ignored(path, reason)
        else:
            modified = int(modified * 1e6) / 1e6
            yield Found(path, top, size, modified, time.time() - modified < _TICK)


def _passed_over(key: str, own: set[str]) -> str:
    """Why an object is passed over; "" if it is not."""
    parts = key.split("/")
    if str(PurePosixPath(key)) != key or ".." in parts or "\0" in key:
        return "a key that is no path"
    if any(f"/{key}".startswith(folder) for folder in own):
        return "an index"
    if any(part in ("node_modules", "__pycache__") for part in parts[:-1]):
        return "generated"
    return "hidden" if any(part.startswith(".") for part in parts) else ""


def survey_store(
    roots: Sequence[Path],
    planner: Planner,
    counts: Counts,
    *,
    own: Path | None,
    forget: bool,
    look: Callable[[str], None],
    stopped: Callable[[], bool],
) -> Survey:
    """As `survey`, of object stores: roots are paths inside the run.

    Raises:
        QueryError: nothing is there where the index knows files, or it cannot be listed.
    """
    found = Survey(tuple(encode_path(root) for root in roots))
    for root, name in zip(roots, found.roots, strict=True):
        empty = True
        for entry in listing(url_of(str(root)), stopped):
            empty = False
            look(str(entry.path))
            take(entry, planner, counts, found)
        known = [p for p in planner.known if p.startswith(f"{name}/")] if empty and not forget else ()
        if known and not stopped():
            raise QueryError(
                f"{url_of(name)} is empty, but the index knows {len(known)} files in it",
                "Check its spelling and the store's address; if they are gone for good, add --forget",
            )
    return found


class Fetcher:
    """Fetches files to this machine, and removes them when they were read; other files it leaves where they are.

    A context manager: nothing of it stays behind.

    Args:
        limits: of one file; a larger one is not fetched.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._folder: Path | None = None
        self._spent: list[Path] = []
        self._stores: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def known(self, rows: Mapping[str, FileRow], files: Sequence[Found]) -> Mapping[str, FileRow]:
        """Rows by path, those of files that will be fetched under the path they will have here."""
        wanted = {url_of(encode_path(f.path)): self._here(f) for f in files if _stored(f)}
        if not wanted:
            return rows
        moved = {p: r for p, r in rows.items() if p not in wanted}
        for url, found in wanted.items():
            if row := rows.get(url):
                path = encode_path(found.path)
                moved[path] = replace(row, path=path, root=encode_path(found.root))
        return moved

    def lasting(self, row: FileRow) -> FileRow:
        """A row as an index keeps it: with the URL of a file that was fetched."""
        if self._folder is None:
            return row
        path, root = (url_of(text.removeprefix(encode_path(self._folder))) for text in (row.path, row.root))
        return replace(row, path=path, root=root)

    def fetch(self, found: Found) -> tuple[Found, FileRow | None]:
        """A file as it stands here; with its row if it cannot be fetched."""
        if not _stored(found):
            return found, None
        here = self._here(found)
        if found.size <= self._limits.file_bytes:
            try:
                self._get(found, here.path)
            except Exception as err:  # obstore's own errors have no common root but this
                return here, failed_row(here, "", "", "", _refusal(err))
        return here, None

    def spent(self, path: Path) -> None:
        """A file was read: it goes at the next `sweep`, when what was read is encoded."""
        if self._folder is not None and self._folder in path.parents:
            self._spent.append(path)

    def sweep(self) -> None:
        """Remove what is spent."""
        for path in self._spent:
            path.unlink(missing_ok=True)
        self._spent.clear()

    def _here(self, found: Found) -> Found:
        if self._folder is None:
            self._folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="samespace-fetch-")))
        return replace(found, path=Path(f"{self._folder}{found.path}"), root=Path(f"{self._folder}{found.root}"))

    def _get(self, found: Found, to: Path) -> None:
        url = url_of(str(found.root))
        if url not in self._stores:
            self._stores[url] = store_at(url)
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            answer = self._stores[url].get(str(found.path.relative_to(found.root)))
            for chunk in answer.stream(min_chunk_size=_CHUNK):
                file.write(chunk)
        time_ns = round(found.modified * 1e6) * 1000
        os.utime(to, ns=(time_ns, time_ns))


def _stored(found: Found) -> bool:
    return bool(_PATH.fullmatch(str(found.path)))


def _refusal(err: Exception) -> ReadError:
    if isinstance(err, OSError):
        return ReadError(*failure_of(err))
    first = (str(err).splitlines() or [type(err).__name__])[0][:200]
    return ReadError("vanished", f"it could not be fetched: {first}", "Index again")
