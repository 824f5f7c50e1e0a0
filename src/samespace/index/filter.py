"""Filters: typed conditions on what is known about an item and its file.

    kind = image and date >= 2024-05 and not folder = "Trash"
    size > 10MB or (extension in (pdf, docx) and language = zh)
    meta.camera like "Pixel*" and modified > 30d

A Filter is a small tree of frozen nodes, made from text (`Filter.parse`) or from JSON (`Filter.from_json`), checked
when it is made and carried out on an Arrow table as a mask (index/mask.py). There is no SQL and no evaluation of code
in it. Conditions on unknown facts do not hold, so `language != en` holds for an item whose language nobody knows.

Knows nothing of indexes, models or the table's layout. Imports the standard library only, numpy's types apart.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from samespace.errors import QueryError
from samespace.index.literal import FIELDS, Value, clip, field_type, typed

if TYPE_CHECKING:
    import numpy as np

__all__ = ["And", "Compare", "Filter", "Node", "Not", "Op", "Or"]

Op = Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains", "startswith", "endswith", "like"]
_TEXT_ONLY = frozenset({"contains", "startswith", "endswith", "like"})
_JSON_OPS: dict[str, Op] = {
    **{op: op for op in get_args(Op)},
    "==": "=",
    "<>": "!=",
    "eq": "=",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "lte": "<=",
    "gt": ">",
    "ge": ">=",
    "gte": ">=",
    "startsWith": "startswith",
    "endsWith": "endswith",
}
_DEPTH, _SIZE = 40, 2_000  # of a tree: far more than a person writes, far less than Python's stack


@dataclass(frozen=True)
class Compare:
    """One condition: a field, an operator, one value (or several for "in"). Made by `condition`, which checks."""

    field: str
    op: Op
    values: tuple[Value, ...]

    def __str__(self) -> str:
        if self.op == "in":
            return f"{_name(self.field)} in ({', '.join(map(_literal, self.values))})"
        return f"{_name(self.field)} {self.op} {_literal(self.values[0])}"


@dataclass(frozen=True)
class And:
    """All of two or more."""

    parts: "tuple[Node, ...]"

    def __str__(self) -> str:
        return " and ".join(map(_nested, self.parts))


@dataclass(frozen=True)
class Or:
    """Any of two or more."""

    parts: "tuple[Node, ...]"

    def __str__(self) -> str:
        return " or ".join(map(_nested, self.parts))


@dataclass(frozen=True)
class Not:
    """The opposite of one."""

    part: "Node"

    def __str__(self) -> str:
        return f"not {_nested(self.part)}"


Node = Compare | And | Or | Not


@dataclass(frozen=True)
class Filter:
    """A checked condition. `parse(str(f)) == f`, and `from_json(f.to_json()) == f`."""

    node: Node

    def __post_init__(self) -> None:
        _check_size(self.node)

    def __str__(self) -> str:
        return str(self.node)

    def __and__(self, other: "Filter") -> "Filter":
        return Filter(And((self.node, other.node)))

    def __or__(self, other: "Filter") -> "Filter":
        return Filter(Or((self.node, other.node)))

    def __invert__(self) -> "Filter":
        return Filter(Not(self.node))

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """From text. Raises QueryError that names the position and the mend."""
        from samespace.index.filter_text import parse

        return cls(parse(text))

    @classmethod
    def from_json(cls, data: Any) -> "Filter":
        """From plain JSON data (or its text): {"and": [{"kind": {"in": ["image", "page"]}}, {"size": {"gt": 1000}}]}.

        "and", "or" take lists, "not" takes one; everything else is a field with {operator: value}, or with a value
        alone for "=". Several keys in one object must all hold. Raises QueryError that names the place.
        """
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except (ValueError, RecursionError) as err:
                raise QueryError(f"the filter is not JSON: {clip(err)}", _MEND_JSON) from err
        return cls(_from_json(data, "filter", 0))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return _to_json(self.node)

    def mask(self, table: Any, *, now: float | None = None) -> "np.ndarray":
        """Which rows of an Arrow table hold: (rows,) bool. `now`: for relative dates, seconds since 1970."""
        from samespace.index.mask import mask

        return mask(self.node, table, now)


_MEND_JSON = 'Write it as {"and": [{"kind": {"in": ["image"]}}, {"size": {"gt": 1000}}]}'


def condition(field: str, op: str, values: Sequence[Any], where: str = "") -> Compare:
    """Check a condition and bring its values to the field's type. `where` says in errors where it stands.

    Raises:
        QueryError: unknown field, operator that does not suit it, value of another type.
    """
    kind = field_type(field, where)
    known = _JSON_OPS.get(op)
    if known is None:
        raise QueryError(f"unknown operator {clip(op)}{where}", "Use one of: " + " ".join(get_args(Op)))
    if kind in ("number", "size", "date") and known in _TEXT_ONLY:
        raise QueryError(
            f"{field} is a {kind}, so {known!r} does not apply to it{where}", f"Use = != < <= > >= or in: {field} > …"
        )
    if kind == "text" and known in ("<", "<=", ">", ">="):
        raise QueryError(
            f"{field} is text, so {known!r} does not apply to it{where}",
            f'Use = != in contains startswith endswith like: {field} contains "…"',
        )
    if not values:
        raise QueryError(f"'{field} in' has an empty list{where}", f"Name what is allowed: {field} in (a, b)")
    return Compare(field, known, tuple(typed(field, kind, known, v, where) for v in values))


def both(parts: Sequence[Node], kind: type[And] | type[Or]) -> Node:
    """Join nodes; one alone stays itself."""
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _from_json(data: Any, place: str, depth: int) -> Node:
    if depth > _DEPTH:
        raise QueryError(f"the filter is nested deeper than {_DEPTH} levels", "Write it flatter.")
    if not isinstance(data, Mapping) or not data:
        raise QueryError(f"{place} is {clip(data)}, where an object with a field is needed", _MEND_JSON)
    parts = [part for key, value in data.items() for part in _entry(str(key), value, f"{place}.{key}", depth)]
    return both(parts, And)


def _entry(key: str, value: Any, place: str, depth: int) -> Iterator[Node]:
    """What one key of an object says."""
    if key in ("and", "or") and key not in FIELDS:
        if not isinstance(value, list) or not value:
            raise QueryError(f"{clip(place)} needs a list of conditions", _MEND_JSON)
        parts = [_from_json(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value)]
        yield both(parts, And if key == "and" else Or)
    elif key == "not":
        yield Not(_from_json(value, place, depth + 1))
    elif isinstance(value, Mapping):
        if not value:
            raise QueryError(f"{clip(place)} says nothing", f'Give an operator and a value: {{"{key}": {{"=": …}}}}')
        for op, given in value.items():
            values = given if op == "in" and isinstance(given, list) else [given]
            yield condition(key, str(op), values, f" at {clip(place)}")
    else:
        yield condition(key, "=", [value], f" at {clip(place)}")


def _to_json(node: Node) -> dict[str, Any]:
    match node:
        case Compare(field, op, values):
            return {field: {op: list(values) if op == "in" else values[0]}}
        case Not(part):
            return {"not": _to_json(part)}
        case And(parts):
            return {"and": [_to_json(p) for p in parts]}
        case Or(parts):
            return {"or": [_to_json(p) for p in parts]}


def _check_size(node: Node) -> None:
    """Refuse trees that only a program would write: the stack is finite."""
    level, count = [node], 0
    for _ in range(_DEPTH + 2):
        count += len(level)
        if count > _SIZE:
            break
        level = [c for n in level for c in ((n.part,) if isinstance(n, Not) else getattr(n, "parts", ()))]
        if not level:
            return
    raise QueryError(
        f"the filter has more than {_SIZE} conditions or {_DEPTH} levels", "Write it shorter, with 'field in (a, b, …)'"
    )


def _nested(node: Node) -> str:
    return f"({node})" if isinstance(node, And | Or) else str(node)


def _name(field: str) -> str:
    key = field.removeprefix("meta.")
    return field if key == field or key.replace("_", "").isalnum() else f"meta.{_quoted(key)}"


def _literal(value: Value) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
