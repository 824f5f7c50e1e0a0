"""Markdown: its source as text, so ranges of characters hold in the file; title by front matter or first heading."""

import re
from collections.abc import Iterator
from pathlib import Path

from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.text import decoded

__all__ = ["READER", "MarkdownReader"]

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*\r?\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE | re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*\r?$|^(\S.*)\r?\n(?:=+|-+)[ \t]*\r?$", re.MULTILINE)


class MarkdownReader:
    """Markdown."""

    name = "markdown"
    version = 1
    mimes = frozenset({"text/markdown"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        text, charset = decoded(path, options)
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        draft.meta["charset"] = charset
        yield from draft.text(text)
        yield draft.facts(title=_title(text))


def _title(text: str) -> str | None:
    front = _FRONT.match(text)
    named = _FRONT_TITLE.search(front.group(1)) if front else None
    if named:
        return named.group(1)
    heading = _HEADING.search(text, front.end() if front else 0, 20_000)
    return (heading.group(1) or heading.group(2)) if heading else None


READER = MarkdownReader()
