"""The text form of filters: a tokenizer and a parser by recursive descent.

    expr    = all ("or" all)*
    all     = one ("and" one)*
    one     = "not" one | "(" expr ")" | field test
    test    = op value | ["not"] "in" "(" value ("," value)* ")"
    field   = word | "meta." string
    value   = word | string                    a word has no space, quote, bracket, comma or comparison sign in it
    string  = '...' or "...", the quote inside doubled

Keywords in any case. Knows nothing of tables. Imports the standard library only.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from samespace.errors import QueryError
from samespace.index.filter import _DEPTH, And, Compare, Node, Not, Or, both, condition
from samespace.index.literal import FIELDS, Value, _plain_number, clip, field_type

__all__ = ["parse"]

_LONGEST = 10_000  # characters of one filter
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")"""
    r"""|(?P<sign><=|>=|!=|<>|==|[=<>(),])"""
    r"""|(?P<word>[^\s'"()<>=!,]+)|(?P<bad>\S))"""
)
_WORDS_OF_OPS = frozenset({"contains", "startswith", "endswith", "like", "in"})
_KEYWORDS = _WORDS_OF_OPS | {"and", "or", "not"}
_EXAMPLE = "For example: kind = image and date >= 2024-05"


@dataclass(frozen=True)
class _Token:
    kind: str  # "string", "sign", "word", "end"
    text: str
    at: int

    @property
    def key(self) -> str:
        """What a keyword or sign is recognised by; "" for strings, which never are one."""
        return "" if self.kind == "string" else self.text.lower()

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else clip(self.text)


def parse(text: str) -> Node:
    """Parse a whole filter. Raises QueryError that names the position, counted from 1."""
    if len(text) > _LONGEST:
        raise QueryError(f"the filter has {len(text)} characters", f"Use at most {_LONGEST}.")
    parser = _Parser(_tokens(text))
    node = parser.expr(0)
    if parser.now.kind != "end":
        parser.fail("where 'and', 'or' or the end is needed", "Join conditions with 'and' or 'or'. " + _EXAMPLE)
    return node


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind == "bad":
            mend = "Close the quote." if found[kind] in "'\"" else _EXAMPLE
            raise QueryError(f"{clip(found[kind])} makes no sense at character {found.start(kind) + 1}", mend)
        tokens.append(_Token(kind, found[kind], found.start(kind) + 1))
    return [*tokens, _Token("end", "", len(text) + 1)]


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


class _Parser:
    """The tokens and how far we are."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens, self.position = tokens, 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.position]

    def take(self) -> _Token:
        token = self.now
        self.position += token.kind != "end"
        return token

    def fail(self, needed: str, mend: str = _EXAMPLE) -> NoReturn:
        raise QueryError(f"{self.now} stands at character {self.now.at} {needed}", mend)

    def expr(self, depth: int) -> Node:
        if depth > _DEPTH:
            self.fail("nested too deeply", "Write the filter flatter.")
        parts = [self.all(depth)]
        while self.now.key == "or":
            self.take()
            parts.append(self.all(depth))
        return both(parts, Or)

    def all(self, depth: int) -> Node:
        parts = [self.one(depth)]
        while self.now.key == "and":
            self.take()
            parts.append(self.one(depth))
        return both(parts, And)

    def one(self, depth: int) -> Node:
        if self.now.key == "not":
            self.take()
            if depth > _DEPTH:
                self.fail("after too many 'not'", "Write the filter flatter.")
            return Not(self.one(depth + 1))
        if self.now.key == "(":
            self.take()
            node = self.expr(depth + 1)
            self.expect(")")
            return node
        return self.test()

    def test(self) -> Node:
        field, at = self.field()
        where = f" at character {at}"
        field_type(field, where)  # an unknown field is the better message than a strange operator
        negated = self.now.key == "not"
        if negated:
            self.take()
        if self.now.key == "in":
            self.take()
            made: Compare = condition(field, "in", self.values(), where)
            return Not(made) if negated else made
        if negated or not (self.now.key in _WORDS_OF_OPS or (self.now.kind == "sign" and self.now.text not in "(),")):
            self.fail("where a comparison is needed", f"Use = != < <= > >= in contains like: {field} = …")
        op = self.take().key
        return condition(field, op, [self.value()], where)

    def field(self) -> tuple[str, int]:
        token = self.now
        if token.kind != "word" or token.key in _KEYWORDS:
            self.fail("where a field is needed", "Fields: " + ", ".join([*FIELDS, "meta.KEY"]))
        self.take()
        if token.key == "meta." and self.now.kind == "string":
            return "meta." + _unquoted(self.take().text), token.at
        name = token.text
        return (name if name.startswith("meta.") else name.lower()), token.at

    def values(self) -> list[Value]:
        self.expect("(")
        values = [self.value()]
        while self.now.key == ",":
            self.take()
            values.append(self.value())
        self.expect(")")
        return values

    def value(self) -> Value:
        token = self.now
        if token.kind == "string":
            return _unquoted(self.take().text)
        if token.kind != "word" or token.key in _KEYWORDS:
            self.fail("where a value is needed", 'Put text with spaces or keywords in quotes: title = "Not now"')
        text = self.take().text
        number = _plain_number(text)
        return text if number is None else number

    def expect(self, sign: str) -> None:
        if self.now.key != sign:
            self.fail(f"where {sign!r} is needed")
        self.take()
