"""The catalogue: which models there are, how each is to be used, and where its weights are found.

An Entry is facts and a Recipe; `catalog.toml` holds them all. Its `status` says what was seen here: "checked" ran with
its real weights, "shape-checked" ran with a tiny model of that architecture (code and recipe fit, quality unseen),
"listed" is facts from papers and model cards.

Knows nothing of how a model is run. Imports the standard library only.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, Literal, get_args

from samespace.encode import weights
from samespace.encode.recipe import Recipe
from samespace.encode.weights import Source, WeightsFile
from samespace.errors import UnknownNameError, WeightsNotFoundError, did_you_mean

__all__ = ["Entry", "Status", "entries", "find", "get", "parse"]

Status = Literal["checked", "shape-checked", "listed"]


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Attributes:
        name: what a person types.
        maker: who trained it.
        scheme: which plugin runs it (registry, group "encoders"); "" = none here does yet.
        recipe: how it is to be used.
        status: what was seen of it here; `checked_with` says by what.
        aliases: other names for it.
        licence: of the weights; "" = not known to us, ask its maker.
        languages: for people: "en", "about 100".
        parameters: for people: "118 M".
        hub, revision: where a model hub has it; revision "" = none pinned.
        files: what it needs from elsewhere, the weights first; () = the hub's folder as it is.
        limits: what a person should know before relying on it; "" if nothing special.
    """

    name: str
    maker: str
    scheme: str
    recipe: Recipe
    status: Status
    checked_with: str = ""
    aliases: tuple[str, ...] = ()
    licence: str = ""
    languages: str = ""
    parameters: str = ""
    hub: str = ""
    revision: str = ""
    files: tuple[WeightsFile, ...] = ()
    limits: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Name and aliases, in lower case."""
        return frozenset(n.casefold() for n in (self.name, *self.aliases))

    def locate(self, file: str = "") -> Path:
        """The verified path of one of its files, the weights if none is named.

        Raises:
            WeightsNotFoundError: it is nowhere, or the entry names no files; says how to get it.
            WeightsHashError: what is there is not the file it should be.
        """
        for candidate in self.files:
            if candidate.name == (file or self.files[0].name):
                return weights.find(candidate)
        if self.files:
            raise KeyError(f"{self.name} names no file {file!r}, only {[f.name for f in self.files]}")
        raise WeightsNotFoundError(f"{self.name}: the catalogue names no file of weights", self.mend())

    def found(self) -> Path | None:
        """Where its weights seem to be, unverified; None if any of its files is nowhere. For lists."""
        if not self.files:
            return weights.hub_folder(self.hub, self.revision) if self.hub else None
        places = [weights.where(file) for file in self.files]
        return places[0] if all(places) else None

    def mend(self) -> str:
        """How a person gets its weights."""
        missing = [file for file in self.files if weights.where(file) is None]
        if self.files:
            return (missing or self.files)[0].mend()
        return Source("", hub=self.hub, revision=self.revision).command() if self.hub else "No weights of it are known."

    def weights_id(self) -> str:
        """What its weights are, for a fingerprint: one hash over all files, or the pinned revision; "" if neither."""
        if not self.files:
            return self.revision
        if len(self.files) == 1:
            return self.files[0].sha256
        return hashlib.sha256("\n".join(sorted(f.sha256 for f in self.files)).encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """Size of its files; 0 if none are named."""
        return sum(file.bytes for file in self.files)


@cache
def entries() -> Mapping[str, Entry]:
    """All entries by name, in the order of the file."""
    return parse(_text())


def parse(text: str) -> dict[str, Entry]:
    """Entries from TOML. Raises ValueError naming the entry, the unknown key and the nearest known one."""
    made: dict[str, Entry] = {}
    taken: set[str] = set()
    for table in tomllib.loads(text).get("model", ()):
        try:
            entry = _entry(table)
        except (KeyError, TypeError, ValueError) as err:
            raise ValueError(f"catalogue entry {table.get('name', '?')!r}: {err}") from err
        if twice := entry.names & taken:
            raise ValueError(f"catalogue entry {entry.name!r}: the name {min(twice)!r} is taken")
        taken |= entry.names
        made[entry.name] = entry
    return made


def find(name: str) -> Entry | None:
    """The entry of a name or alias, in any case; None if there is none.

    Only the parts of the file in which the name occurs are parsed: a search from the command line needs one entry.
    """
    wanted = name.casefold()
    near = [part for part in _text().split("[[model]]")[1:] if f'"{wanted}"' in part.casefold()]
    candidates = parse("".join("[[model]]" + part for part in near))
    return next((e for e in candidates.values() if wanted in e.names), None)


def get(name: str) -> Entry:
    """The entry of a name or alias. Raises UnknownNameError with the nearest ones."""
    if entry := find(name):
        return entry
    known = [n for e in entries().values() for n in (e.name, *e.aliases)]
    raise UnknownNameError("model", name, known, "See them all: samespace models")


def _text() -> str:
    return resources("samespace.encode").joinpath("catalog.toml").read_text("utf-8")


def _entry(table: dict[str, Any]) -> Entry:
    made = _known(Entry, table) | {"recipe": Recipe.from_dict(table["recipe"])}
    made["aliases"] = tuple(table.get("aliases", ()))
    made["files"] = tuple(_file(f) for f in table.get("files", ()))
    if made["status"] not in get_args(Status):
        raise ValueError(f"status {made['status']!r} is none of {', '.join(get_args(Status))}")
    return Entry(**made)


def _file(table: dict[str, Any]) -> WeightsFile:
    made = _known(WeightsFile, table)
    made["sources"] = tuple(Source(**_known(Source, s)) for s in table.get("sources", ()))
    return WeightsFile(**made)


def _known(kind: type, table: dict[str, Any]) -> dict[str, Any]:
    """A copy of the table. Raises ValueError for a key that is not a field."""
    known = {f.name for f in fields(kind)}
    for key in table:
        if key not in known:
            raise ValueError(f"unknown key {key!r}\n{did_you_mean(key, known)}")
    return dict(table)
