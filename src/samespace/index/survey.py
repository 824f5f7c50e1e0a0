"""What is there against what is known: the files that need work, and the rows whose files are gone.

Judged by names, sizes and times alone; no file is opened.

Knows nothing of models or of how files are read.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samespace.errors import QueryError, ReadError
from samespace.index.plan import Planner, failed_row
from samespace.index.progress import Counts
from samespace.index.protocol import FileRow
from samespace.index.scan import Entry, Found, Ignored, encode_path, inside, scan

__all__ = ["Survey", "survey", "take"]


@dataclass
class Survey:
    """What a walk over the roots found.

    Attributes:
        roots: what was walked, as the index writes paths.
        work: files that are new or may have changed; taken off as they are dealt with.
        seen: paths that are there and were known.
        blind: rows of places that could not be looked at; nothing under them is taken for deleted.
    """

    roots: tuple[str, ...] = ()
    work: deque[Found] = field(default_factory=deque)
    seen: set[str] = field(default_factory=set)
    blind: list[FileRow] = field(default_factory=list)

    def gone(self, known: Sequence[str]) -> list[str]:
        """Of the known paths those under the roots that are not there any more."""
        roots, blind = set(self.roots), {row.path for row in self.blind}
        missing = [p for p in known if p not in self.seen and not roots.isdisjoint(_upwards(p))]
        return [p for p in missing if blind.isdisjoint(_upwards(p))]


def survey(
    roots: Sequence[Path],
    planner: Planner,
    counts: Counts,
    *,
    own: Path | None,
    forget: bool,
    look: Callable[[str], None],
    stopped: Callable[[], bool],
) -> Survey:
    """Walk the roots and count.

    Args:
        roots: as `scan.resolve` gives them.
        planner: knows what the index has.
        counts: of this ingest.
        own: the index's folder, which is never indexed.
        forget: take an empty or missing root at its word.
        look: is told each path.
        stopped: whether to end early; what is returned then is not the whole.

    Raises:
        QueryError: a root is the index itself, or empty where the index knows files.
    """
    found = Survey(tuple(encode_path(root) for root in roots))
    for root, name in zip(roots, found.roots, strict=True):
        if own and inside(root, own):
            raise QueryError(f"{name} is the index itself", "Name the folder with your files")
        empty = True
        for entry in scan(root, exclude=own) if os.path.lexists(root) else ():
            empty = False
            look(str(entry.path))
            take(entry, planner, counts, found)
            if stopped():
                return found
        known = [p for p in planner.known if name in _upwards(p)] if empty and not forget else ()
        if known:  # more often a drive that is not mounted than a wish to forget
            raise QueryError(
                f"{name} is empty, but the index knows {len(known)} files in it",
                "If it is a drive, mount it; if they are gone for good, add --forget",
            )
    return found


def take(entry: Entry, planner: Planner, counts: Counts, found: Survey) -> None:
    """Count one entry and put it where it belongs."""
    path = encode_path(entry.path)
    if isinstance(entry, Ignored):
        counts.ignored += 1
        counts.ignored_why[entry.reason] += 1
        return
    if path in found.seen:
        return
    if path in planner.known:
        found.seen.add(path)
    counts.seen += 1
    if not isinstance(entry, Found):
        error = ReadError(entry.failure, entry.reason, entry.mend)
        found.blind.append(failed_row(entry, "", "", "", error))
    elif row := planner.unchanged(entry):
        counts.count(row)
    else:
        found.work.append(entry)


def _upwards(path: str) -> Iterator[str]:
    """A path and all folders above it; what is in an object store is not below "/"."""
    rooted = path.startswith("/")
    while path:
        yield path
        path = path.rpartition("/")[0]
    if rooted:
        yield "/"
