"""Tables as text: CSV and TSV. Passages are whole rows; their ranges are those of the rows in the file."""

import csv
from collections.abc import Iterator
from pathlib import Path

from samespace.read import rows
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.text import decoded

__all__ = ["READER", "TableReader"]

_SAMPLE = 16 << 10  # characters that decide on the delimiter
_DELIMITERS = ",;\t|"


class TableReader:
    """CSV and TSV."""

    name = "table"
    version = 1
    mimes = frozenset({"text/csv", "text/tab-separated-values"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        text, charset = decoded(path, options)
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        draft.meta["charset"] = charset
        delimiter = "\t" if mime == "text/tab-separated-values" else _delimiter(text)
        yield from rows.passages(draft, _rows(text, delimiter, draft))
        yield draft.facts()


def _delimiter(text: str) -> str:
    """The character that cuts the first lines into equally many cells, more than one if any does."""
    sample = text[:_SAMPLE].splitlines()[:50]
    best, most = ",", (0.0, 0)
    for mark in _DELIMITERS:
        counts = [len(row) for row in csv.reader(sample, delimiter=mark) if row]
        if not counts or max(counts) < 2:
            continue
        common = max(set(counts), key=counts.count)
        score = (counts.count(common) / len(counts) if common > 1 else 0.0, common)
        if score > most:
            best, most = mark, score
    return best


def _rows(text: str, delimiter: str, draft: Draft) -> Iterator[rows.Row]:
    """The rows with their ranges of characters. A quote that never closes ends the table with a note."""
    at = 0

    def lines() -> Iterator[str]:
        nonlocal at
        for piece in text.splitlines(keepends=True):
            at += len(piece)
            yield piece

    csv.field_size_limit(max(len(text), 1 << 17))
    reader = csv.reader(lines(), delimiter=delimiter)
    count = 0
    while True:
        begin = at
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as err:
            draft.note(f"row {reader.line_num} is no CSV: {err}")
            continue
        count += 1
        yield cells, (begin, at)
    draft.meta["rows"] = count


READER = TableReader()
