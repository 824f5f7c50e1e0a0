"""Ground kept in the folder of an index, one .npy a column, to be mapped into memory and not read.

It can go at any time and is never needed: whatever is wrong with it means to make it anew. A folder is written under a
draft's name, put on the disk and renamed; its name says of which rows of the tables it is, so it is never out of date
without showing it. What was measured of those rows is kept in it, too, as JSON.

Imports numpy, and pyarrow through `vocabulary`.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from samespace.durably import fsync, write_durably
from samespace.index.ground import Ground, mark
from samespace.index.lexicon import Postings
from samespace.index.ram import Compact
from samespace.index.tables import Tables
from samespace.index.upkeep import WORD_ROWS
from samespace.index.vocabulary import Vocabulary, packed, unpacked

__all__ = ["Cache", "Notes", "cache_of", "forget_cache", "refresh"]

_FORMAT = 1
_DRAFT = "draft-"
_LEFT = 3600.0  # seconds after which a draft is one that a killed process left
_ARRAYS = ("item_at", "file_at", "vector_row", "vector_at", "ids", "sorts")
_POSTINGS = ("starts", "rows", "counts", "lengths")
_COMPACT = ("codes", "scales", "mean", "errors")


@dataclass(frozen=True)
class Cache:
    """The kept Grounds of one index.

    Attributes:
        folder: where they are, one a folder.
    """

    folder: Path

    def load(self, key: str | None = None) -> Ground | None:
        """What was kept under a key, or the newest of all; None if there is none or anything is wrong with it."""
        try:
            at = self.folder / key if key else max(self._kept(), key=lambda path: path.stat().st_mtime)
            return _load(at)
        except Exception:  # gone, torn, foreign: nearly anything may be raised
            return None

    def save(self, ground: Ground) -> None:
        """Keep it, in place of all others, if that can be."""
        try:
            self.folder.mkdir(exist_ok=True)
            draft = self.folder / f"{_DRAFT}{os.getpid()}-{time.time_ns()}"
            draft.mkdir()
            try:
                _write(draft, ground)
                draft.rename(self.folder / ground.key)
            finally:
                rmtree(draft, ignore_errors=True)
            fsync(str(self.folder))
            self._tidy(ground.key)
        except OSError:  # not writable, full, or another process was first
            return

    def notes(self, key: str) -> "Notes | None":
        """Where what is measured of those rows is kept; None if the rows are not kept themselves."""
        return Notes(self.folder / key) if (self.folder / key).is_dir() else None

    def _kept(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if not path.name.startswith(_DRAFT)]

    def _tidy(self, key: str) -> None:
        """Others go; those who have them mapped keep what they have."""
        old = time.time() - _LEFT
        for path in self.folder.iterdir():
            if path.name != key and (not path.name.startswith(_DRAFT) or path.stat().st_mtime < old):
                rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Notes:
    """A Memo in the folder of a Ground."""

    folder: Path

    def load(self, name: str) -> dict[str, Any]:
        """What was kept under a name; nothing if there is nothing, or it cannot be read."""
        try:
            made = json.loads((self.folder / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return made if isinstance(made, dict) else {}

    def save(self, name: str, data: dict[str, Any]) -> None:
        """Keep it, if that can be."""
        with suppress(OSError):
            write_durably(self.folder / f"{name}.json", json.dumps(data).encode())


def cache_of(tables: Tables) -> Cache | None:
    """The cache of an index; None on an object store."""
    return Cache(tables.folder / "cache") if tables.folder else None


def forget_cache(tables: Tables) -> None:
    """Remove all that is kept: for the writer, before vectors change under the digests that they are known by."""
    cache = cache_of(tables)
    if cache is not None:
        rmtree(cache.folder, ignore_errors=True)


def refresh(tables: Tables, most: int, fewest: int = WORD_ROWS) -> None:
    """Bring the cache of an index up to date: for the writer, when it has put the tables in order.

    Args:
        tables: of the index.
        most: vector rows up to which they are searched in RAM, and so kept as int8.
        fewest: items up to which nothing is kept: so few are as cheap to read.
    """
    cache, view = cache_of(tables), tables.view()
    if cache is None or view.items.count_rows() <= fewest or (cache.folder / mark(view)).is_dir():
        return
    last = cache.load()
    ground = Ground.of(view, last)
    if len(ground.digests) <= most:
        ground = ground.coded(view.vectors, tables.card.space.dim, last)
    cache.save(ground)


def _write(folder: Path, ground: Ground) -> None:
    offsets, text = packed(ground.digests)
    places, words = packed(ground.names.terms.words)
    made = {name: getattr(ground, name) for name in _ARRAYS}
    made |= {"digests": text, "digest_at": offsets, "words": words, "word_at": places}
    made |= {name: getattr(ground.names, name) for name in _POSTINGS}
    if ground.compact is not None:
        made |= {name: getattr(ground.compact, name) for name in _COMPACT}
    for name, array in made.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        fsync(str(folder / f"{name}.npy"))
    head = {
        "format": _FORMAT,
        "key": ground.key,
        "sorts": ground.sort_names,
        "arrays": {n: len(a) for n, a in made.items()},
    }
    (folder / "ground.json").write_text(json.dumps(head))
    fsync(str(folder / "ground.json"))
    fsync(str(folder))


def _load(folder: Path) -> Ground:
    head = json.loads((folder / "ground.json").read_text())
    if head["format"] != _FORMAT or head["key"] != folder.name:
        raise ValueError("of another format")
    made = {name: _mapped(folder / f"{name}.npy", length) for name, length in head["arrays"].items()}
    names = Postings(
        Vocabulary(unpacked(made["word_at"], made["words"])), *(made[name] for name in _POSTINGS)
    )  # fmt: skip
    compact = Compact(*(made[name] for name in _COMPACT)) if "codes" in made else None
    arrays = {name: made[name] for name in _ARRAYS}
    digests = unpacked(made["digest_at"], made["digests"])
    return Ground(folder.name, digests=digests, sort_names=tuple(head["sorts"]), names=names, compact=compact, **arrays)


def _mapped(path: Path, length: int) -> np.ndarray:
    """A column as it lies on the disk; numpy refuses files that are shorter than they say."""
    array = np.load(path, mmap_mode="r" if length else None, allow_pickle=False)
    if len(array) != length:
        raise ValueError("of another length")
    return np.asarray(array)
