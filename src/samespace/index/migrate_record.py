"""What is kept of an index's move to another Space: a folder `migration` beside its tables.

`record.json` says from where to where, which rows are the sample, and what was measured on it; `translator` is the
map fitted on that sample; `kept` has vectors that searches made on their way and that no commit has taken in yet;
`searched` has a line for each hit of a search. Only the files table says in which Space the index is: the record never
decides, so no moment in between can be a wrong one.

Knows nothing of rows. Imports the standard library and durably. An index on an object store cannot be moved yet.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samespace.durably import fsync, write_durably
from samespace.errors import IndexDamagedError, StoreError
from samespace.index.schema import Card
from samespace.index.tables import MOVING, place
from samespace.space import Space

__all__ = ["Record", "folder_of", "load", "require_at_rest", "save"]

_FORMAT = 1
_NAME = "record.json"


@dataclass(frozen=True)
class Record:
    """A move from one Space to another.

    Attributes:
        source, target: what the index was, and what it is to be.
        sample: digests of the rows that the Translator is fitted on.
        fitted: whether the Translator is there: from then on queries by the new model are answered.
        measured: what was measured on the sample, as plain data (migrate_measure.py).
        seconds: of wall time to embed one row.
    """

    source: Card
    target: Card
    sample: tuple[str, ...] = ()
    fitted: bool = False
    measured: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def folder_of(uri: str) -> Path:
    """Where the record of an index is. Raises StoreError on an object store."""
    folder = place(uri)
    if folder is None:
        raise StoreError(
            uri, "an index on an object store cannot be moved to another model in place",
            "Make a second one with the new model: samespace index FOLDER --index OTHER --model MODEL",
        )  # fmt: skip
    return folder / MOVING


def load(uri: str) -> Record | None:
    """The record of an index; None if it is not moving, as never on an object store. Raises IndexDamagedError."""
    if place(uri) is None:
        return None
    path = folder_of(uri) / _NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']}")
        return Record(
            _card(data["source"]), _card(data["target"]), tuple(data["sample"]), bool(data["fitted"]),
            dict(data["measured"]), float(data["seconds"]),
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise IndexDamagedError(
            uri, f"the record of its move to another model cannot be read ({err!r})",
            f"Remove the folder {path.parent} and migrate again: the index is whole, and nothing is embedded twice",
        ) from err  # fmt: skip


def save(uri: str, record: Record) -> None:
    """Keep it; on the disk when it returns."""
    folder = folder_of(uri)
    folder.mkdir(exist_ok=True)
    data = {
        "format": _FORMAT, "source": _plain(record.source), "target": _plain(record.target),
        "sample": list(record.sample), "fitted": record.fitted, "measured": dict(record.measured),
        "seconds": record.seconds,
    }  # fmt: skip
    write_durably(folder / _NAME, json.dumps(data, ensure_ascii=False, indent=1).encode())
    fsync(str(folder.parent))


def require_at_rest(index: object, space: Space) -> None:
    """Raise StoreError if an index is on its way to this very Space: it is searched otherwise then."""
    uri = str(getattr(index, "uri", ""))
    record = load(uri) if uri else None
    if record is not None and record.target.space == space:
        raise StoreError(
            uri, f"it is half-way from the model {record.source.model!r} to {record.target.model!r}, in two spaces",
            "Search it as both: Searcher(Moving.open(index, encoder), encoder); on the command line: --model "
            + record.target.model,
        )  # fmt: skip


def _plain(card: Card) -> dict[str, Any]:
    return {"space": card.space.to_dict(), "model": card.model, "recipe": dict(card.recipe)}


def _card(data: Mapping[str, Any]) -> Card:
    return Card(Space.from_dict(data["space"]), str(data["model"]), dict(data["recipe"]))
