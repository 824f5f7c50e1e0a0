"""One item of an index in full: its words, what stands before and after it, its file.

Knows nothing of HTTP or of searching. Imports numpy.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.index.scan import decode_path
from samespace.index.snapshot import Snapshot
from samespace.items import Locator
from samespace.serve.media import locate
from samespace.serve.wire import page_of, place_of, player_of, spot

__all__ = ["Place", "find", "in_full"]

_COLUMNS = [
    "id", "path", "root", "kind", "origin", "locator", "text", "language", "title", "mime", "size", "modified",
    "meta", "preview", "position",
]  # fmt: skip
_AROUND = 3  # neighbours before and after
_TEXT = 20_000  # characters of one passage that are shown


@dataclass(frozen=True)
class Place:
    """One row of a snapshot's items."""

    row: int
    data: dict[str, Any]

    @property
    def locator(self) -> Locator:
        """Where it stands."""
        return Locator.from_dict(json.loads(self.data["locator"] or "{}"))

    @property
    def native(self) -> str:
        """Its path as the file system names it."""
        return str(decode_path(self.data["path"]))

    @property
    def root(self) -> str:
        """The folder that was indexed, as the file system names it."""
        return str(decode_path(self.data["root"]))

    def file(self) -> Path:
        """Its file, checked to lie under its root. Raises ReadError."""
        return locate(self.native, self.root)


def find(view: Snapshot, key: str) -> Place | None:
    """The item of an id, in the first of its files that is still there; None if there is none."""
    rows = view.find(key)
    if not len(rows):
        return None
    found = view.rows.take(rows, _COLUMNS).to_pylist()
    places = [Place(int(row), data) for row, data in zip(rows, found, strict=True)]
    return next((place for place in places if os.path.lexists(place.native)), places[0])


def in_full(view: Snapshot, place: Place) -> dict[str, Any]:
    """Everything that the page shows of an item."""
    data = place.data
    mime, kind = data["mime"], data["kind"]
    return place_of(data["path"]) | {
        "id": data["id"],
        "kind": kind,
        "origin": data["origin"],
        "locator": place.locator.to_dict(),
        "place": spot(place.locator),
        "text": data["text"][:_TEXT],
        "language": data["language"],
        "title": data["title"],
        "mime": mime,
        "size": data["size"],
        "modified": data["modified"],
        "meta": json.loads(data["meta"] or "{}"),
        "preview": data["preview"],
        "page": page_of(mime),
        "player": player_of(mime, kind),
        "there": os.path.lexists(place.native),
        "before": _neighbours(view, place, range(place.row - 1, place.row - 1 - _AROUND, -1))[::-1],
        "after": _neighbours(view, place, range(place.row + 1, place.row + 1 + _AROUND)),
    }


def _neighbours(view: Snapshot, place: Place, rows: range) -> list[dict[str, Any]]:
    """Items of the same file at those rows, until it ends. Item rows stand in the order of path and position."""
    there = np.array([row for row in rows if 0 <= row < len(view.rows)], np.int64)
    made = []
    for data in view.rows.take(there, ["id", "path", "kind", "origin", "locator", "text"]).to_pylist():
        if data["path"] != place.data["path"]:
            break
        locator = Locator.from_dict(json.loads(data["locator"] or "{}"))
        made.append({
            "id": data["id"], "kind": data["kind"], "origin": data["origin"], "place": spot(locator),
            "text": data["text"][:_TEXT],
        })  # fmt: skip
    return made
