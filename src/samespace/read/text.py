"""Plain text in any charset, source code, subtitles. Passages are ranges of the decoded text."""

from collections.abc import Iterator
from pathlib import Path

from samespace.errors import ReadError
from samespace.read.charset import decode
from samespace.read.opening import bounded_bytes
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "TextReader", "decoded"]

_BYTES_PER_CHARACTER = 4  # at most, in any charset in use


def decoded(path: Path, options: Options) -> tuple[str, str]:
    """The text of a file and its charset. Raises ReadError: too_big, or empty if there is only white space."""
    data = bounded_bytes(path, options.limits.characters * _BYTES_PER_CHARACTER, "text")
    text, charset = decode(data)
    if not text.strip():
        raise ReadError("empty", "nothing but white space", "Nothing to do")
    return text, charset


class TextReader:
    """Plain text and source code."""

    name = "text"
    version = 1
    mimes = frozenset({"text/plain", "text/x-source", "text/vtt", "application/x-subrip"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        text, charset = decoded(path, options)
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        draft.meta["charset"] = charset
        yield from draft.text(text)
        yield draft.facts()


READER = TextReader()
