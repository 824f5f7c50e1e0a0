"""What the page's API says and hears, as JSON: requests checked on entry, answers without anything a browser trips on.

A request names items and files by id; there is no field for a path. Knows nothing of HTTP or of how a search is made.
Imports pydantic.
"""

import json
import math
import ntpath
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from samespace.errors import QueryError
from samespace.index.protocol import Hit, Hits, Status
from samespace.index.words import telling
from samespace.items import Locator
from samespace.read.protocol import Kind
from samespace.serve.media import PLAYABLE

__all__ = ["Part", "Search", "as_json", "hits", "page_of", "place_of", "player_of", "spot", "status"]

_ID = r"^[0-9a-zA-Z:_-]{1,128}$"
_SHOWN = 20  # further places and duplicates of one hit


class Part(BaseModel):
    """One part of a query: words, an item that was found, or a file that was uploaded, and how much it counts."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: str | None = Field(None, min_length=1, max_length=10_000)
    item: str | None = Field(None, pattern=_ID)
    file: str | None = Field(None, pattern=_ID)
    weight: float = Field(1.0, ge=-10, le=10, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(value is not None for value in (self.text, self.item, self.file)) != 1:
            raise ValueError("a part has exactly one of text, item and file")
        if self.weight == 0:
            raise ValueError("a part with weight 0 says nothing: leave it out")
        return self


class Search(BaseModel):
    """One search."""

    model_config = ConfigDict(extra="forbid", strict=True)
    parts: list[Part] = Field(min_length=1, max_length=16)
    kinds: list[Kind] = Field(default=[], max_length=6)
    filter: dict[str, Any] | None = None
    k: int = Field(24, ge=1, le=100)
    hybrid: bool = True

    @classmethod
    def of(cls, body: bytes | str) -> "Search":
        """From JSON. Raises QueryError that names the field."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as err:
            first = err.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the request"
            raise QueryError(
                f"{where}: {first['msg']}",
                'Send {"parts": [{"text": "words", "weight": 1}], "kinds": ["image"], "k": 24}',
            ) from err

    def filter_json(self) -> dict[str, Any] | None:
        """Kinds and filter as one filter tree; None = everything."""
        conditions = [{"kind": {"in": list(self.kinds)}}] if self.kinds else []
        conditions += [self.filter] if self.filter is not None else []
        return {"and": conditions} if conditions else None


def as_json(data: Any) -> bytes:
    """ASCII JSON: half surrogate pairs in file names survive, and NaN becomes null."""
    return json.dumps(_finite(data), allow_nan=False).encode("ascii")


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def hits(found: Hits, seconds: float, wanted: Search) -> dict[str, Any]:
    """An answer. `words` are those of the question that tell one text from another, for marking."""
    asked = " ".join(part.text for part in wanted.parts if part.text and part.weight > 0)
    return {
        "words": telling(asked),
        "hits": [_hit(hit) for hit in found.hits],
        "confident": found.confident,
        "composed": found.composed,
        "route": list(found.route),
        "searched": found.searched,
        "notes": list(found.notes),
        "seconds": round(seconds, 3),
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return place_of(hit.path) | {
        "id": hit.id,
        "kind": hit.kind,
        "origin": hit.origin,
        "locator": hit.locator.to_dict(),
        "place": spot(hit.locator),
        "score": hit.score,
        "percentile": hit.percentile,
        "confident": hit.confident,
        "match": hit.match,
        "snippet": hit.snippet,
        "title": hit.title,
        "mime": hit.mime,
        "preview": hit.preview,
        "by": list(hit.by),
        "others": [_other(other) for other in hit.others[:_SHOWN]],
        "duplicates": list(hit.duplicates[:_SHOWN]),
        "page": page_of(hit.mime),
        "player": player_of(hit.mime, hit.kind),
    }


def _other(hit: Hit) -> dict[str, Any]:
    return {"id": hit.id, "place": spot(hit.locator), "match": hit.match, "snippet": hit.snippet, "kind": hit.kind}


def place_of(path: str) -> dict[str, str]:
    """A path as people read it: name and folder."""
    flavour = ntpath if "\\" in path and "/" not in path else posixpath
    folder, name = flavour.split(path)
    return {"path": path, "name": name or path, "folder": folder}


def spot(locator: Locator) -> str:
    """Where in a file, for people: the page, the second. Nobody counts characters."""
    return str(replace(locator, chars=None))


def page_of(mime: str) -> bool:
    """Whether a place in such a file has a look that can be rendered."""
    return mime == "application/pdf" or mime.startswith(("image/", "video/"))


def player_of(mime: str, kind: str) -> str | None:
    """The player that such a file can be played in here, if any."""
    if mime not in PLAYABLE:
        return None
    return "video" if kind == "video" or mime.startswith("video/") else "audio"


def status(found: Status, modalities: frozenset[str], version: str) -> dict[str, Any]:
    """How the index stands."""
    return {
        "version": version,
        "model": found.model,
        "space": str(found.space),
        "takes": sorted(modalities),
        "items": found.items,
        "vectors": found.vectors,
        "bytes": found.bytes,
        "files": dict(found.files),
        "failures": dict(found.failures),
        "kinds": dict(found.kinds),
        "roots": list(found.roots),
        "index": found.uri,
    }
