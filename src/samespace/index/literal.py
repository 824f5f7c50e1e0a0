"""Fields and literals of filters: which fields there are, and what may stand beside each.

A size is bytes ("10MB" is 10,000,000, "10MiB" 10,485,760). A date is kept as it was written, because "30d" means
another day tomorrow; `stretch` says which stretch of time it covers: a day, a month, a year, or a moment.

Knows nothing of trees, tables or indexes. Imports the standard library only.
"""

import math
import re
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from samespace.errors import QueryError, did_you_mean
from samespace.read.protocol import Kind, Origin

__all__ = ["FIELDS", "FieldType", "Value", "clip", "field_type", "stretch", "typed"]

FieldType = Literal["text", "number", "size", "date", "meta"]
Value = str | int | float

FIELDS: dict[str, FieldType] = {
    "kind": "text",
    "origin": "text",
    "path": "text",
    "name": "text",
    "folder": "text",
    "mime": "text",
    "extension": "text",
    "language": "text",
    "title": "text",
    "size": "size",
    "page": "number",
    "seconds": "number",
    "duration": "number",
    "date": "date",
    "modified": "date",
}
_CLOSED = {"kind": get_args(Kind), "origin": get_args(Origin)}
_UNITS = {"": 1, "b": 1, **{u: 1000 ** (i + 1) for i, u in enumerate(("kb", "mb", "gb", "tb"))}}
_UNITS |= {u: 1000 ** (i + 1) for i, u in enumerate("kmgt")}
_UNITS |= {u: 1024 ** (i + 1) for i, u in enumerate(("kib", "mib", "gib", "tib"))}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s?([a-z]{0,3})")
_CLOCK = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{2}(?:\.[0-9]{1,6})?)")
_AGO = re.compile(r"([0-9]{1,6})(min|h|d|w|mo|y)")
_AGO_SECONDS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "mo": 30.44 * 86400, "y": 365.25 * 86400}
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?)?)?)?")
_REAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,20})?(?:e[+-][0-9]{2,3})?")  # as Python writes any float
_LONGEST = 1_000  # characters of one literal
_LARGEST = 1 << 62


def clip(thing: object, length: int = 80) -> str:
    """A value for a message: quoted if it is text, never longer than a line."""
    text = repr(thing) if isinstance(thing, str) else str(thing)
    return text if len(text) <= length else text[: length - 1] + "…"


def field_type(field: str, where: str = "") -> FieldType:
    """What a field holds. Raises QueryError with the nearest names."""
    if field.startswith("meta.") and len(field) > len("meta."):
        return "meta"
    if field not in FIELDS:
        hint = did_you_mean(field, FIELDS) or "Known: " + ", ".join([*FIELDS, "meta.KEY"])
        raise QueryError(f"unknown field {clip(field)}{where}", hint)
    return FIELDS[field]


def typed(field: str, kind: FieldType, op: str, value: Any, where: str = "") -> Value:
    """Bring a value to the field's type. Raises QueryError that says what was expected."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QueryError(f"{field} is compared with {clip(value)}{where}", f"Give a {_EXAMPLES[kind]}")
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > _LARGEST):
        raise QueryError(f"{field} is compared with {clip(value)}{where}", "Give a finite number below 2^62.")
    if isinstance(value, str) and len(value) > _LONGEST:
        raise QueryError(f"{field} is compared with {len(value)} characters{where}", f"Use at most {_LONGEST}.")
    if kind == "text":
        return _text(field, op, str(value), where)
    if kind == "meta":
        return value
    found = {"number": _number, "size": _size, "date": _date}[kind](value)
    if found is None:
        raise QueryError(f"{field} is compared with {clip(value)}{where}", f"Give a {_EXAMPLES[kind]}")
    return found


_EXAMPLES = {
    "text": "text: kind = image",
    "number": "number: page >= 3, or for seconds and duration also minutes: seconds < 2:30",
    "size": "size: size > 10MB",
    "date": "date: date >= 2024-05-31, date = 2024-05, modified > 30d (in the last 30 days), modified >= yesterday",
    "meta": "text or a number",
}


def _text(field: str, op: str, value: str, where: str) -> str:
    closed = _CLOSED.get(field)
    value = value.lower() if closed else value
    if closed and op in ("=", "!=", "in") and value not in closed:
        hint = did_you_mean(value, closed) or "Known: " + ", ".join(closed)
        raise QueryError(f"{field} {clip(value)} does not exist{where}", hint)
    return value


def _number(value: Value) -> int | float | None:
    if not isinstance(value, str):
        return value
    if clock := _CLOCK.fullmatch(value):
        hours, minutes, seconds = clock.groups()
        return float(int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds))
    return _plain_number(value)


def _plain_number(text: str) -> int | float | None:
    if re.fullmatch(r"-?[0-9]{1,19}", text):
        return int(text)
    found = float(text) if _REAL.fullmatch(text) else math.inf
    return found if math.isfinite(found) else None


def _size(value: Value) -> int | None:
    if not isinstance(value, str):
        return int(value)
    found = _SIZE.fullmatch(value.lower())
    if not found or found[2] not in _UNITS:
        return None
    size = float(found[1]) * _UNITS[found[2]] if "." in found[1] else int(found[1]) * _UNITS[found[2]]
    return int(size) if size < _LARGEST else None


def _date(value: Value) -> str | None:
    text = str(value).strip().lower().replace("t", " ") if re.match(r"\s*[0-9]{4}-", str(value)) else str(value).lower()
    try:
        stretch(text, 0.0)
    except ValueError:
        return None
    return text


def stretch(text: str, now: float) -> tuple[float, float]:
    """From when until when a date reaches, in seconds since 1970, in this machine's time zone.

    "2024" is a year, "2024-05" a month, "2024-05-31" a day, "2024-05-31 10:30" a minute, "today", "yesterday" a day;
    "30d", "12h", "2w", "6mo", "1y", "90min" is the moment that long before `now`.

    Raises:
        ValueError: nothing of these, or a day that does not exist.
    """
    if ago := _AGO.fullmatch(text):
        moment = now - int(ago[1]) * _AGO_SECONDS[ago[2]]
        return moment, moment
    if text in ("today", "yesterday"):
        today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
        start = today - timedelta(days=text == "yesterday")
        return start.timestamp(), (start + timedelta(days=1)).timestamp()
    found = _DAY.fullmatch(text.replace("t", " "))
    if not found:
        raise ValueError(f"not a date: {clip(text)}")
    year, month, day, hour, minute, second = (int(g) if g else None for g in found.groups())
    if not 1971 <= (year or 0) <= 9998:
        raise ValueError(f"not a year this works for: {year}")
    assert year is not None
    start = datetime(year, month or 1, day or 1, hour or 0, minute or 0, second or 0)
    return start.timestamp(), _after(start, month, day, hour, second).timestamp()


def _after(start: datetime, month: int | None, day: int | None, hour: int | None, second: int | None) -> datetime:
    """The first moment that is no longer covered."""
    if month is None:
        return start.replace(year=start.year + 1)
    if day is None:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    if hour is None:
        return start + timedelta(days=1)
    return start + (timedelta(minutes=1) if second is None else timedelta(seconds=1))
