"""Filters carried out on an Arrow table of item rows: one bool a row, by pyarrow.compute with typed literals.

Columns it reads: kind, origin, path, mime, language, title (text), size, modified (numbers), locator and meta (JSON).
Words compare without regard to case. A glob becomes a LIKE pattern, which Arrow matches in linear time. What is not
known (an empty text, no page, no date) satisfies no condition; "!=" and "not" are the opposite of theirs.

Knows nothing of how filters are written. Imports numpy and pyarrow. Letters: m item rows.
"""

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from samespace.errors import QueryError
from samespace.index.filter import And, Compare, Node, Not
from samespace.index.literal import FIELDS, Value, stretch

__all__ = ["mask"]

Mask = NDArray[np.bool_]

_TAKEN = ("taken", "date", "created", "published")
"""Facts of a file that tell its date better than when its bytes last changed."""


def mask(node: Node, table: pa.Table, now: float | None = None) -> Mask:
    """Which rows hold: (m,) bool. `now`: for relative dates, seconds since 1970; None = this moment."""
    return _Mask(table, time.time() if now is None else now).of(node)


class _Mask:
    """One table, and the columns made from it so far."""

    def __init__(self, table: pa.Table, now: float) -> None:
        self.table, self.now, self.made = table, now, dict[str, Any]()

    def of(self, node: Node) -> Mask:
        """The mask of a node."""
        if isinstance(node, Not):
            return ~self.of(node.part)
        if isinstance(node, Compare):
            return self.compare(node)
        masks = [self.of(part) for part in node.parts]
        together = np.logical_and if isinstance(node, And) else np.logical_or
        made: np.ndarray = together.reduce(masks)
        return made

    def compare(self, test: Compare) -> Mask:
        if test.op == "!=":
            return ~self.compare(Compare(test.field, "=", test.values))
        if test.op == "in":
            masks = [self.compare(Compare(test.field, "=", (value,))) for value in test.values]
            anyone: np.ndarray = np.logical_or.reduce(masks)
            return anyone
        value = test.values[0]
        if test.field.startswith("meta."):
            return self.meta(test, value)
        kind = FIELDS[test.field]
        column = self.column(test.field)
        if kind == "date":
            return _in_time(column, test.op, *stretch(str(value), self.now))
        if kind == "text":
            return _text(column, test, str(value))
        return _number(column, test.op, value)

    def meta(self, test: Compare, value: Value) -> Mask:
        """Facts are numbers or text: a number compares with both, text with text alone."""
        key = test.field.removeprefix("meta.")
        found = [facts.get(key) for facts in self.facts("meta")]
        numbers = pa.array([_as_number(v) for v in found], pa.float64())
        texts = pa.array([None if v is None else _as_text(v).lower() for v in found], pa.string())
        if isinstance(value, str) and test.op in ("<", "<=", ">", ">="):
            ordered = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}[test.op]
            return _bool(ordered(texts, value.lower()))
        if isinstance(value, str) or test.op not in ("=", "<", "<=", ">", ">="):
            return _words(texts, test.op, _as_text(value).lower())
        return _number(numbers, test.op, value)

    def column(self, field: str) -> Any:
        if field not in self.made:
            self.made[field] = _DERIVED[field](self) if field in _DERIVED else self.table[field]
        return self.made[field]

    def facts(self, name: str) -> list[dict[str, Any]]:
        """A JSON column as dicts; equal texts are parsed once."""
        key = f"{name} as facts"
        if key not in self.made:
            coded = self.table[name].combine_chunks().dictionary_encode()
            known = [_object(text) for text in coded.dictionary.to_pylist()]
            self.made[key] = [known[i] for i in coded.indices.to_pylist()]
        found: list[dict[str, Any]] = self.made[key]
        return found

    def numbers(self, name: str, take: Callable[[dict[str, Any]], Any]) -> pa.Array:
        return pa.array([_as_number(take(facts)) for facts in self.facts(name)], pa.float64())

    def date(self) -> pa.Array:
        changed = self.table["modified"].to_pylist()
        own = [
            next((d for k in _TAKEN if (d := _moment(facts.get(k))) is not None), None) for facts in self.facts("meta")
        ]
        return pa.array([c if d is None else d for d, c in zip(own, changed, strict=True)], pa.float64())


def _seconds(facts: dict[str, Any]) -> Any:
    stretch_ = facts.get("seconds")
    return stretch_[0] if isinstance(stretch_, list) and stretch_ else None


_DERIVED: dict[str, Callable[[_Mask], Any]] = {
    "name": lambda m: pc.replace_substring_regex(m.table["path"], r"(?s)^.*/", ""),
    "folder": lambda m: pc.replace_substring_regex(m.table["path"], r"(?s)[^/]*$", ""),
    "extension": lambda m: pc.if_else(
        pc.match_substring_regex(m.column("name"), r"(?s)^.+\.[^.]+$"),
        pc.replace_substring_regex(m.column("name"), r"(?s)^.*\.", ""),
        "",
    ),
    "page": lambda m: m.numbers("locator", lambda facts: facts.get("page")),
    "seconds": lambda m: m.numbers("locator", _seconds),
    "duration": lambda m: m.numbers("meta", lambda facts: facts.get("seconds", facts.get("duration"))),
    "date": _Mask.date,
}


def _text(column: Any, test: Compare, value: str) -> Mask:
    low, value = pc.utf8_lower(column), value.lower()
    if test.field == "folder" and test.op == "=":
        return _below(low, value)
    if test.field == "language" and test.op == "=":
        return _bool(pc.equal(low, value)) | _bool(pc.starts_with(low, value + "-"))
    if test.field == "extension":
        value = value.removeprefix(".")
    return _words(low, test.op, value)


def _below(folders: Any, value: str) -> Mask:
    """Folders end in "/". From the root: that folder and all below it; else any folder that is called so."""
    value = value.strip("/") if not value.startswith("/") else "/" + value.strip("/")
    value = value + "/" if value != "/" else "/"
    if value.startswith("/"):
        return _bool(pc.starts_with(folders, value))
    return _bool(pc.match_substring(folders, "/" + value)) | _bool(pc.starts_with(folders, value))


def _words(column: Any, op: str, value: str) -> Mask:
    if op == "=":
        return _bool(pc.equal(column, value))
    if op == "like":
        return _bool(pc.match_like(column, _like(value))) & _bool(pc.not_equal(column, ""))
    return _bool(
        {"contains": pc.match_substring, "startswith": pc.starts_with, "endswith": pc.ends_with}[op](column, value)
    )


def _like(glob: str) -> str:
    """A glob with * and ? as a LIKE pattern, whose own signs are escaped."""
    return re.sub(r"\*+", "%", re.sub(r"([\\%_])", r"\\\1", glob)).replace("?", "_")


def _number(column: Any, op: str, value: Value) -> Mask:
    call = {"=": pc.equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}[op]
    return _bool(call(pc.cast(column, pa.float64()), float(value)))


def _in_time(column: Any, op: str, start: float, end: float) -> Mask:
    """A date is a stretch: "=" is inside it, "<" before it, ">" after it, "<=" and ">=" include it."""
    if op in ("<", ">="):
        return _number(column, op, start)
    if op == "=":
        return _number(column, ">=", start) & _number(column, "<" if end > start else "<=", end)
    if end == start:
        return _number(column, op, end)
    return _number(column, ">=" if op == ">" else "<", end)


def _bool(column: Any) -> Mask:
    """Unknown does not hold."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), bool)


def _object(text: str) -> dict[str, Any]:
    try:
        made = json.loads(text) if text else {}
    except ValueError as err:
        raise QueryError(
            f"the index holds facts that are no JSON: {text[:60]!r}", "Run samespace doctor INDEX."
        ) from err
    return made if isinstance(made, dict) else {}


def _as_number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _moment(value: Any) -> float | None:
    """A date among the facts: seconds since 1970, an ISO date, or EXIF's 2024:05:31 10:30:00."""
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    text = re.sub(r"^([0-9]{4}):([0-9]{2}):([0-9]{2})", r"\1-\2-\3", value.strip())
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
