"""JSON and JSON lines as text: "path: value" lines, one record of a list after the other; notebooks by their cells."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samespace.errors import ReadError
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Limits, Options, Passage
from samespace.read.split import split, width
from samespace.read.text import decoded

__all__ = ["READER", "TreeReader"]

_SOLID = re.compile(r"\S")
_DEPTH = Limits().nesting
_Range = tuple[int, int] | None


class TreeReader:
    """JSON, JSON lines, Jupyter notebooks."""

    name = "tree"
    version = 1
    mimes = frozenset({"application/json", "application/jsonl"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        text, charset = decoded(path, options)
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        draft.meta["charset"] = charset
        if mime == "application/jsonl":
            yield from _packed(draft, _lines(text, draft))
            yield draft.facts()
            return
        try:
            data = json.loads(text)
        except ValueError as err:
            yield from self._as_lines_or_text(text, draft, err)
            return
        del text
        if isinstance(data, dict) and isinstance(data.get("cells"), list) and "nbformat" in data:
            yield from draft.text("\n\n".join(_cells(data["cells"])))
        else:
            records = data if isinstance(data, list) else [data]
            yield from _packed(draft, (("\n".join(_flat(record)), None) for record in records))
        yield draft.facts(title=_title(data))

    def _as_lines_or_text(self, text: str, draft: Draft, err: ValueError) -> Iterator[Passage | Facts]:
        """What is called JSON and is none: several values perhaps, else its text as it stands."""
        records = _one_after_the_other(text)
        if records:
            yield from _packed(draft, iter(records))
        else:
            draft.note(f"no JSON ({err}); read as plain text")
            yield from draft.text(text)
        yield draft.facts()


def _lines(text: str, draft: Draft) -> Iterator[tuple[str, _Range]]:
    """The records of JSON lines; a line that is no JSON is taken as it stands, with one note for all."""
    at = bad = 0
    for piece in text.splitlines(keepends=True):
        begin, at = at, at + len(piece)
        if not piece.strip():
            continue
        try:
            record = "\n".join(_flat(json.loads(piece)))
        except ValueError:
            record, bad = piece.strip(), bad + 1
        yield record, (begin, at)
    if bad:
        draft.note(f"{bad} lines are no JSON; read as plain text")


def _one_after_the_other(text: str) -> list[tuple[str, _Range]]:
    """The values of a text that is nothing but JSON values with white space between; [] if it is not."""
    decoder, found, at = json.JSONDecoder(), list[tuple[str, _Range]](), 0
    while start := _SOLID.search(text, at):
        try:
            value, at = decoder.raw_decode(text, start.start())
        except ValueError:
            return []
        found.append(("\n".join(_flat(value)), (start.start(), at)))
    return found


def _packed(draft: Draft, records: Iterator[tuple[str, _Range]]) -> Iterator[Passage]:
    """As many small records to a passage as fit; a long one is split."""
    size = draft.options.passage_chars
    held: list[str] = []
    room, begin, end = float(size), 0, 0
    for text, place in records:
        if not text.strip():
            continue
        start = draft.characters
        draft.count(len(text) + 1)
        here = place or (start, start + len(text))
        cost = width(text) + 2
        if held and cost > room:
            yield draft.passage("\n\n".join(held), (begin, end))
            held, room = [], float(size)
        if cost > size + 2:
            for a, b in split(text, size, draft.options.overlap_chars):
                yield draft.passage(text[a:b], here if place else (start + a, start + b))
            continue
        begin = begin if held else here[0]
        held.append(text)
        room, end = room - cost, here[1]
    if held:
        yield draft.passage("\n\n".join(held), (begin, end))


def _flat(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """The leaves of a JSON value as "path: value"."""
    if depth > _DEPTH:
        raise ReadError("decode", f"nested deeper than {_DEPTH} levels", "Flatten it")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        if all(isinstance(v, (str, int, float)) for v in value) and sum(len(str(v)) for v in value[:200]) < 2000:
            yield from _flat(", ".join(str(v) for v in value), name, depth + 1)
        else:
            for inner in value:
                yield from _flat(inner, name, depth + 1)
    elif value is not None and value != "":
        yield f"{name}: {value}" if name else str(value)


def _cells(cells: list[Any]) -> Iterator[str]:
    """The sources of a notebook's cells; what they printed is left out."""
    for cell in cells:
        source = cell.get("source") if isinstance(cell, dict) else None
        if isinstance(source, (str, list)):
            yield "".join(map(str, source))


def _title(data: Any) -> str | None:
    """The title or name of a record that has one."""
    if not isinstance(data, dict):
        return None
    return next((v for key in ("title", "name") if isinstance(v := data.get(key), str) and v), None)


READER = TreeReader()
