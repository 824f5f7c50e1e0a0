"""What takes up the disk: bytes of each table that its newest version leads to, that a snapshot keeps, and the rest.

The rest goes at a clean-up: what was compacted or deleted, old versions, what killed writers left.

Knows nothing of rows. Imports lance's datasets by their methods only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samespace.index.medium import Sized
from samespace.index.tables import View
from samespace.index.torn import tags

__all__ = ["Usage", "add", "usage", "usages"]

_LAST = 2**64 - 1  # Lance names version v by _LAST - v, so that the newest comes first


@dataclass(frozen=True)
class Usage:
    """Bytes on the disk.

    Attributes:
        bytes: all there are.
        live: those that the newest version leads to.
        kept: those that only a named snapshot leads to.
        versions: that can still be opened.
        fragments: files of rows of the newest version.
    """

    bytes: int = 0
    live: int = 0
    kept: int = 0
    versions: int = 0
    fragments: int = 0

    @property
    def waste(self) -> int:
        """Bytes that a clean-up would free."""
        return max(0, self.bytes - self.live - self.kept)


def usage(table: Any, name: str, sized: Sized) -> Usage:
    """Of one table, at its newest version."""
    sizes = sized.sizes(f"{name}.lance")
    live = _bytes(sizes, [table])
    tagged = {tag["version"] for tag in tags(table).values()} - {table.version}
    held = _bytes(sizes, [table, *(table.checkout_version(version) for version in sorted(tagged))])
    versions = sum(path.startswith("_versions/") and path.endswith(".manifest") for path in sizes)
    return Usage(sum(sizes.values()), live, held - live, versions, len(table.get_fragments()))


def usages(view: View, sized: Sized) -> dict[str, Usage]:
    """Of all tables of an index, by their names."""
    names = {Path(table.uri).stem: table for table in (view.vectors, view.items, view.files)}
    return {name: usage(table, name, sized) for name, table in names.items()}


def add(parts: Iterable[Usage]) -> Usage:
    """Of several tables together; of versions the most."""
    every = list(parts)
    return Usage(
        sum(u.bytes for u in every), sum(u.live for u in every), sum(u.kept for u in every),
        max((u.versions for u in every), default=0), sum(u.fragments for u in every),
    )  # fmt: skip


def _bytes(sizes: Mapping[str, int], tables: Iterable[Any]) -> int:
    """Bytes that some versions of a table lead to."""
    exact: set[str] = set()
    folders: set[str] = set()
    for table in tables:
        exact.add(f"_versions/{_LAST - table.version}.manifest")
        for fragment in table.get_fragments():
            exact.update(f"data/{file.path}" for file in fragment.metadata.files)
            if fragment.metadata.deletion_file is not None:
                exact.add(fragment.metadata.deletion_file.path(fragment.metadata.id))
        for index in table.describe_indices():
            folders.update(f"_indices/{segment.uuid}" for segment in index.segments)
    return sum(size for path, size in sizes.items() if path in exact or "/".join(path.split("/")[:2]) in folders)
