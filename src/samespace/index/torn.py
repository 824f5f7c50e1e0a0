"""Versions and tags that a power cut tore: they have their name, and not all of their bytes.

Lance names a version before anybody can sync it. If the power goes in that instant the name may stay and the bytes may
not, and Lance opens nothing of such a table. The version was never acknowledged, as that comes after the sync; so the
newest one that is whole is the table. The lock file, synced before anything is written, says that a writer did not come
to its end:
without it a broken version is damage, and is said to be. So with a tag, by which a snapshot has its name.

Knows nothing of rows. Imports lance.
"""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import lance

from samespace.durably import fsync
from samespace.index.lock import unfinished

__all__ = ["NOTE", "before_torn", "repair", "tags"]

_MOST = 8  # versions that may be torn: one change writes two at most
_LAST = (1 << 64) - 1  # versions are named by what is left to it, so that the newest comes first
_END = b"LANC"  # the last bytes of a whole one
NOTE = b"samespace:format"  # in the metadata of every table of ours


def before_torn(table: Path) -> Any | None:
    """The newest version that is whole; None if no writer was interrupted, or none of the last few is whole."""
    if not unfinished(table.parent):
        return None
    return next((made for name in _versions(table)[:_MOST] if (made := _whole(table, name)) is not None), None)


def repair(folder: Path, parts: Iterable[str]) -> list[str]:
    """Delete all torn versions and tags, for the owner of the lock after a crash: each clean-up reads every version.

    Args:
        folder: the index folder.
        parts: its tables' folders.

    Returns:
        names of what was deleted.
    """
    gone = []
    for part in parts:
        torn = [name for name in _versions(folder / part) if _whole(folder / part, name) is None]
        if torn and before_torn(folder / part) is not None:
            for name in torn:
                (folder / part / "_versions" / name).unlink()
            fsync(str(folder / part / "_versions"))
            gone += [f"{part}/{name}" for name in torn]
        for path in (broken := [path for path, tag in _tags(folder / part) if tag is None]):
            path.unlink()
            gone.append(f"{part}/{path.name}")
        if broken:
            fsync(broken[0].parent)
    return gone


def tags(table: Any) -> dict[str, dict[str, Any]]:
    """The tags of a table: name → {"version", "created_at", …}; without torn ones, if a writer was interrupted.

    Raises OSError: one cannot be read, and no writer was interrupted.
    """
    try:
        found: dict[str, dict[str, Any]] = table.tags.list()
        return found
    except RuntimeError as err:  # Lance reads none if it cannot read one
        if "://" in table.uri or not unfinished(Path(table.uri).parent):
            raise OSError(f"a tag of {table.uri}: {err}") from err
        return {path.stem: tag for path, tag in _tags(Path(table.uri)) if tag is not None}


def _tags(table: Path) -> list[tuple[Path, dict[str, Any] | None]]:
    """Files of tags and what they say; None for one that is torn."""
    made = []
    for path in sorted((table / "_refs" / "tags").glob("*.json")):
        try:
            data = json.loads(path.read_bytes())
            said = {"version": int(data["version"]), "created_at": datetime.fromisoformat(data["createdAt"])}
        except (ValueError, KeyError, TypeError):
            said = None
        made.append((path, said))
    return made


def _versions(table: Path) -> list[str]:
    """Names of the versions, the newest first."""
    try:
        found = list((table / "_versions").iterdir())
    except OSError:
        return []
    return sorted(path.name for path in found if path.suffix == ".manifest" and path.stem.isdigit())


def _whole(table: Path, name: str) -> Any | None:
    """The table at this version; None if it does not open, or says too little, or names data that are not there."""
    try:
        with (table / "_versions" / name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - len(_END)))
            if file.read() != _END:
                return None
        made = lance.dataset(str(table), version=_LAST - int(name.removesuffix(".manifest")))
        files = [table / "data" / f.path for fragment in made.get_fragments() for f in fragment.data_files()]
        return made if NOTE in (made.schema.metadata or {}) and all(f.exists() for f in files) else None
    except Exception:  # Lance says whatever comes to its mind about half a version
        return None
