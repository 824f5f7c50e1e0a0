"""Rows of a table as text: "column: value" where the columns have names, as many rows to a passage as fit.

Knows nothing of files. Imports passages and split.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from samespace.read.passages import Draft
from samespace.read.protocol import Kind, Passage
from samespace.read.split import split, width

__all__ = ["Row", "has_header", "line", "passages"]

Row = tuple[Sequence[str], tuple[int, int] | None]
"""The cells of a row, and its range of characters in the file, if it has one."""

_LOOKED_AT = 20  # rows that say whether there is a header
_NAME = 80  # characters of the longest name of a column
_NUMBER = re.compile(r"^[\s$€£¥+(-]*\d[\d\s.,:/%eE)+-]*$")


def passages(draft: Draft, rows: Iterable[Row], *, page: int | None = None, kind: Kind = "text") -> Iterator[Passage]:
    """Yield the Passages of a table, never more than some rows in memory."""
    stream = ((cells, place) for cells, place in rows if any(c.strip() for c in cells))
    first = list(islice(stream, _LOOKED_AT))
    names: list[str] = []
    if has_header([cells for cells, _ in first]):
        names = [" ".join(c.split()) for c in first.pop(0)[0]]
    held: list[str] = []
    room, begin, end = float(draft.options.passage_chars), 0, 0
    for cells, place in chain(first, stream):
        text = line(names, cells)
        start = draft.characters
        draft.count(len(text) + 1)
        here = place or (start, start + len(text))
        if held and (cost := width(text) + 1) > room:
            yield draft.passage("\n".join(held), (begin, end), page=page, kind=kind)
            held, room = [], float(draft.options.passage_chars)
        if not held:
            begin = here[0]
        cost = width(text) + 1
        if cost > draft.options.passage_chars + 1:  # one row that is too long by itself
            for a, b in split(text, draft.options.passage_chars, draft.options.overlap_chars):
                yield draft.passage(text[a:b], here, page=page, kind=kind)
            continue
        held.append(text)
        room -= cost
        end = here[1]
    if held:
        yield draft.passage("\n".join(held), (begin, end), page=page, kind=kind)


def line(names: Sequence[str], cells: Sequence[str]) -> str:
    """One row as text; empty cells are left out.

    >>> line(["name", "age"], ["Ada", "36"]), line([], ["Ada", "", "36"])
    ('name: Ada; age: 36', 'Ada | 36')
    """
    values = [" ".join(cell.split()) if cell else "" for cell in cells]
    if not names:
        return " | ".join(filter(None, values))
    named = ((names[i] if i < len(names) else "", value) for i, value in enumerate(values) if value)
    return "; ".join(f"{name}: {value}" if name else value for name, value in named)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: short words, no numbers, none twice, and something follows."""
    if len(rows) < 2:
        return False
    cells = [c.strip() for c in rows[0]]
    filled = [c for c in cells if c]
    columns = max(len([c for c in row if c.strip()]) for row in rows)
    return (
        len(filled) >= 2
        and len(filled) >= 0.6 * columns
        and len(set(filled)) == len(filled)
        and all(len(c) <= _NAME and not _NUMBER.match(c) for c in filled)
    )
