"""From the text of a file to its Passages and Facts: what all Readers of text do alike.

A Draft goes with one file through its reading: it splits text, guesses languages, counts what was read against the
limits, and collects notes.

Knows nothing of formats. Imports split and language.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from samespace.errors import ReadError
from samespace.items import Locator, Text
from samespace.read import language
from samespace.read.charset import clean
from samespace.read.protocol import Facts, Kind, Options, Origin, Passage
from samespace.read.split import split

__all__ = ["Draft"]


_NOTES = 50
_NOTE = 500  # characters of one: names in it are the file's own choice
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{200,}")  # longer than any word: base64 or the like


@dataclass
class Draft:
    """What is known so far about one file.

    Attributes:
        path: the file.
        mime: its media type.
        options: how to read.
        reader: "name/version" of the Reader.
        characters: read so far; where the next text begins in the file's text.
        pages: read so far.
        notes: what was left out and why.
        meta: plain facts about the file.
    """

    path: Path
    mime: str
    options: Options
    reader: str
    characters: int = 0
    pages: int = 0
    notes: list[str] = field(default_factory=list)
    meta: dict[str, str | int | float] = field(default_factory=dict)
    _languages: Counter[str | None] = field(default_factory=Counter)

    def note(self, line: str) -> None:
        """Say once what was left out; after 50 notes no more are taken."""
        line = clean(line)[:_NOTE]
        if line not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(line)

    def page(self) -> int:
        """Begin the next page, slide or sheet; its number, from 1. Raises ReadError if there are too many."""
        self.pages += 1
        if self.pages > self.options.limits.pages:
            raise ReadError(
                "too_big",
                f"more than {self.options.limits.pages:,} pages",
                "Cut it into parts, or raise the limit of pages",
            )
        return self.pages

    def count(self, characters: int) -> None:
        """Add to the characters read. Raises ReadError if there are too many."""
        self.characters += characters
        if self.characters > self.options.limits.characters:
            raise ReadError(
                "too_big",
                f"more than {self.options.limits.characters:,} characters of text",
                "Cut it into parts, or raise the limit of characters",
            )

    def text(
        self, text: str, *, page: int | None = None, kind: Kind = "text", origin: Origin = "body"
    ) -> Iterator[Passage]:
        """Split the next stretch of the file's text into Passages; their ranges go on from the last stretch."""
        text = self._without_encoded(clean(text))
        offset = self.characters
        self.count(len(text))
        whole = language.guess(text)
        for start, end in split(text, self.options.passage_chars, self.options.overlap_chars):
            yield self.passage(
                text[start:end], (offset + start, offset + end), whole, page=page, kind=kind, origin=origin
            )

    def _without_encoded(self, text: str) -> str:
        """Blank out what no model makes sense of; every index stays."""
        text, count = _ENCODED.subn(lambda found: "\n" * len(found.group()), text)
        if count:
            self.note("encoded data (base64 or the like) was left out")
        return text

    def passage(
        self,
        words: str,
        chars: tuple[int, int] | None,
        hint: str | None = None,
        *,
        page: int | None = None,
        kind: Kind = "text",
        origin: Origin = "body",
    ) -> Passage:
        """One Passage, its language guessed or else `hint`, with its place."""
        tag = language.guess(words, hint) or hint
        self._languages[tag] += len(words)
        locator = Locator(path=str(self.path), page=page, chars=chars)
        return Passage(Text(clean(words), locator), kind, origin, language=tag)

    def facts(self, kind: Kind = "text", *, title: str | None = None, tongue: str | None = None) -> Facts:
        """The Facts of the file. `tongue` is the language it claims to be in, for when none is sure."""
        if not self._languages:
            self.note("no text in it")
        shown = " ".join(clean(title).split())[:500] if title else None
        return Facts(
            mime=self.mime,
            kind=kind,
            reader=self.reader,
            title=shown or None,
            language=language.most_common(self._languages) or tongue,
            meta={key: clean(value) if isinstance(value, str) else value for key, value in self.meta.items()},
            notes=tuple(self.notes),
        )
