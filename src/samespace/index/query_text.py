"""The command line's grammar of queries.

    samespace search red bag + photo.jpg - "people" 2:"at night"

    query  = part*              neighbouring plain words are one text: red bag is "red bag"
    part   = [sign] [weight] thing
    sign   = "+" | "-"          alone, or attached: +photo.jpg, -people
    weight = NUMBER ":"         2:red counts double; alone ("2:" red) it belongs to what follows
    thing  = words | file       a file if there is one of that name; text:photo.jpg and file:red force

What looks like a file (./ ../ / ~/ in front, or a known ending; no spaces) but is not there is an error, never a
search for its name. An address (https://…) is one too: nothing is fetched.

Knows nothing of encoders or indexes. Imports the standard library only.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import QueryError
from samespace.items import Text

if TYPE_CHECKING:
    from samespace.index.query import Query

__all__ = ["parse"]

_WEIGHT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6}):(.*)", re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LONGEST = 10_000  # characters of one text
_MOST = 100  # parts
_EXAMPLE = 'For example: samespace search "red bag" + photo.jpg - people'
_ENDINGS = (
    "avif bmp c cc cpp cs css csv doc docx eml epub flac gif go h heic htm html ipynb java jpeg jpg js json jsonl kt "
    "log m4a md mkv mov mp3 mp4 odp ods odt ogg opus pdf php png ppt pptx py rb rs rst rtf srt svg swift tex tif "
    "tiff toml ts tsv txt wav webm webp xls xlsx xml yaml yml"
)
ENDINGS = frozenset(re.findall(r"\w+", _ENDINGS))


@dataclass(frozen=True)
class _Piece:
    """One argument, understood."""

    weight: float
    file: bool
    content: str
    plain: bool  # bare words that join with bare neighbours


def _there(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False  # a name no file can have


def parse(args: Sequence[str], exists: Callable[[str], bool] = _there) -> "Query":
    """Make a Query from the arguments of a command line.

    Args:
        args: as the shell gave them.
        exists: whether there is a file of that name. A folder's name is a word like any other.

    Raises:
        QueryError: nothing to look for, a sign or weight without a part, a file that is not there.
    """
    from samespace.index.query import File, Part, Query, Total

    pieces = _pieces(args, exists)
    if not pieces:
        raise QueryError("the query is empty", "Say what to look for. " + _EXAMPLE)
    if len(pieces) > _MOST:
        raise QueryError(f"the query has {len(pieces)} parts", f"Use at most {_MOST}; put words of one text in quotes.")
    notes = tuple(f"{p.content}: taken as a file; write text:{p.content} for the words" for p in pieces if p.file)
    parts = (Part(p.weight, File(Path(p.content).expanduser()) if p.file else Text(_clean(p.content))) for p in pieces)
    return Query(Total(tuple(parts)), notes=notes)


def _clean(text: str) -> str:
    """Bytes that are no UTF-8 become signs that any tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def _pieces(args: Sequence[str], exists: Callable[[str], bool]) -> list[_Piece]:
    pieces: list[_Piece] = []
    sign, weight = "", ""
    for given in args:
        rest = given.strip()
        if not rest:
            continue
        if rest[0] in "+-" and not (rest[0] == "-" and exists(rest)):
            if sign or weight:
                raise QueryError(f"{sign or weight + ':'} is followed by {given!r}", "Put a part after it. " + _EXAMPLE)
            sign, rest = rest[0], rest[1:].lstrip()
        found = None if exists(rest) else _WEIGHT.fullmatch(rest)
        if found:
            if weight:
                raise QueryError(f"weight {weight}: is followed by weight {found[1]}:", "Give one weight a part.")
            weight, rest = found[1], found[2].strip()
            if float(weight) == 0:
                raise QueryError(f"a part has weight {weight}", "Use a number other than 0, or leave the part out.")
        if rest:
            pieces = _added(pieces, _piece(rest, sign, weight, exists))
            sign, weight = "", ""
    if sign or weight:
        raise QueryError(f"nothing follows {sign}{weight + ':' if weight else ''}", "Put a part after it. " + _EXAMPLE)
    return pieces


def _piece(rest: str, sign: str, weight: str, exists: Callable[[str], bool]) -> _Piece:
    scheme, colon, after = rest.partition(":")
    forced = scheme if colon and scheme in ("text", "file") and not exists(rest) else ""
    content = after.strip() if forced else rest
    if not content:
        raise QueryError(f"nothing follows {rest!r}", "Put words after text:, a name after file:.")
    file = forced == "file" or (not forced and exists(content))
    if file and not exists(content):
        raise QueryError(f"there is no file {content!r}", "Look at the name, or write the words without file:.")
    if not file and not forced:
        _refuse_lost_files(content, exists)
    if not file and len(content) > _LONGEST:
        raise QueryError(f"a text has {len(content)} characters", f"Use at most {_LONGEST}, or put it into a file.")
    number = float(weight or 1) * (-1 if sign == "-" else 1)
    return _Piece(number, file, content, plain=not (file or forced or sign or weight))


def _added(pieces: list[_Piece], new: _Piece) -> list[_Piece]:
    """Bare words join the bare words before them."""
    last = pieces[-1] if pieces else None
    if last is not None and last.plain and new.plain:
        return [*pieces[:-1], _Piece(1.0, False, f"{last.content} {new.content}", True)]
    return [*pieces, new]


def _refuse_lost_files(content: str, exists: Callable[[str], bool]) -> None:
    if re.search(r"\s", content):
        return
    if _URL.match(content):
        raise QueryError(
            f"{content[:80]!r} is an address, and nothing is fetched", f"For the words write text:{content[:80]}"
        )
    name = content.rpartition("/")[2]
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    pathlike = content.startswith(("/", "./", "../", "~/")) and len(content) > 2
    if pathlike or (ending in ENDINGS and len(name) > len(ending) + 1):
        raise QueryError(
            f"there is no file {content[:200]!r}", f"Look at the name; for the words write text:{content[:200]}"
        )
