"""Text for people: safe to print, coloured on a terminal only, with a line of progress.

Names and snippets come from files of anybody; a control character in them must not reach the terminal.

Knows nothing of indexes. Imports click.
"""

import shutil
import sys
import time
import unicodedata

import click

__all__ = ["Line", "bold", "count", "dim", "duration", "elide", "printable"]

_JOINERS = "\u200c\u200d"  # without them Persian and emoji break


def printable(text: str, keep: str = "") -> str:
    r"""Text whose control, direction and private characters are written out.

    >>> printable("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    return "".join(c if c in keep or c in _JOINERS or unicodedata.category(c)[0] != "C" else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def elide(text: str, width: int) -> str:
    """Text of at most `width` characters, the middle left out."""
    if len(text) <= width:
        return text
    tail = max(0, width - 1) // 2
    return text[: max(0, width - 1 - tail)] + "…" + text[len(text) - tail :]


def duration(seconds: float) -> str:
    """For people: '8 s', '3 min 20 s', '2 h 05 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def count(number: int, one: str, many: str = "") -> str:
    """'1 file', '2,000 files'."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def bold(text: str) -> str:
    """Bold where there is a terminal; click takes it out elsewhere."""
    return click.style(text, bold=True)


def dim(text: str) -> str:
    """Dim where there is a terminal; click takes it out elsewhere."""
    return click.style(text, dim=True)


class Line:
    """Progress on stderr: one line that is written over on a terminal, else a plain line now and then."""

    def __init__(self, *, quiet: bool = False, every: float = 10.0) -> None:
        self._quiet, self._every = quiet, every
        self._live = sys.stderr.isatty()
        self._told = time.monotonic()
        self._open = False

    def show(self, text: str) -> None:
        """How it stands; may come to nothing if it was told a moment ago."""
        now = time.monotonic()
        if self._quiet or (not self._live and now - self._told < self._every):
            return
        self._told = now
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[2K{elide(text, width)}", nl=False, err=True)
            self._open = True
        else:
            click.echo(text, err=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        if not self._quiet:
            click.echo(text, err=True)

    def clear(self) -> None:
        """Take the line that is written over away."""
        if self._open:
            click.echo("\r\x1b[2K", nl=False, err=True)
            self._open = False
