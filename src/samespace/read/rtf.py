"""RTF: its words. Fonts, styles, pictures and objects are left out; charsets by the document's code page."""

import re
from collections.abc import Iterator
from pathlib import Path

from samespace.read.opening import bounded_bytes
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "RtfReader"]

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_SILENT = frozenset(
    b"""fonttbl colortbl stylesheet listtable listoverridetable rsidtbl generator info pict object objdata themedata
    colorschememapping datastore latentstyles xmlnstbl fldinst filetbl revtbl template mmathPr header footer headerl
    headerr headerf footerl footerr footerf bkmkstart bkmkend pgdsctbl nonshppict""".split()
)
_WORDS = {
    **dict.fromkeys((b"par", b"sect", b"page"), "\n\n"),
    **dict.fromkeys((b"line", b"row"), "\n"),
    **dict.fromkeys((b"tab",), "\t"),
    **dict.fromkeys((b"cell", b"nestcell"), " | "),
    b"emdash": "—",
    b"endash": "–",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
    b"bullet": "•",
}
_SIGNS = {b"~": "\u00a0", b"_": "-", b"{": "{", b"}": "}", b"\\": "\\", b"\n": "\n\n", b"\r": "\n\n"}
_PAGES = {b"mac": "mac-roman", b"pc": "cp437", b"pca": "cp850"}


class RtfReader:
    """RTF."""

    name = "rtf"
    version = 1
    mimes = frozenset({"application/rtf"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        data = bounded_bytes(path, options.limits.unpacked_bytes, "RTF")
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        title = re.search(rb"\{\\title\s([^{}]{1,500})\}", data[: 1 << 20])
        halves = "".join(_text(data)).encode("utf-16-le", "surrogatepass")  # characters beyond 16 bits come as two
        yield from draft.text(halves.decode("utf-16-le", "replace"))
        yield draft.facts(title="".join(_text(title.group(1), _declared_page(data))) if title else None)


def _text(data: bytes, page: str = "cp1252") -> Iterator[str]:
    """The characters of a document, in pieces; `page` holds until it names another."""
    pending = bytearray()  # bytes of a code page that may need two for a character
    silent: list[bool] = [False]
    skips, skip = [1], 0  # characters that stand in for one in Unicode, by group, and those still to leave out
    fresh = False  # right after the beginning of a group

    def flush() -> str:
        text = pending.decode(page, "replace")
        pending.clear()
        return text

    for match in _TOKEN.finditer(data):
        word, number, code, sign, brace, run = match.groups()
        if code is not None and not silent[-1]:
            if skip:
                skip -= 1
            else:
                pending.append(int(code, 16))
            fresh = False
            continue
        if pending:
            yield flush()
        if brace == b"{":
            silent.append(silent[-1])
            skips.append(skips[-1])
        elif brace == b"}" and len(silent) > 1:
            silent.pop()
            skips.pop()
            skip = 0
        elif word is not None:
            if word == b"ansicpg" and number:
                page = _code_page(number)
            elif word in _PAGES and len(silent) <= 2:
                page = _PAGES[word]
            elif word == b"uc" and number:
                skips[-1] = min(max(int(number), 0), 10)
            elif word in _SILENT and fresh:
                silent[-1] = True
            elif word == b"bin" and number:
                pass  # raw bytes stand only in pictures and objects, which are left out
            elif word == b"u" and number and not silent[-1]:
                yield _unicode(int(number))
                skip = skips[-1]
                fresh = False
                continue
            elif word in _WORDS and not silent[-1]:
                yield _WORDS[word]
        elif sign == b"*" and fresh:
            silent[-1] = True
        elif sign is not None and not silent[-1]:
            yield _SIGNS.get(sign, "")
        elif run is not None and not silent[-1]:
            plain = run[skip:].decode(page, "replace")
            skip = max(0, skip - len(run))
            yield plain
        fresh = brace == b"{"
    yield flush()


def _unicode(number: int) -> str:
    """The character of a Unicode word, which is signed and sixteen bits wide."""
    value = number & 0xFFFF if number < 0 else number
    return chr(value) if 0 < value <= 0x10FFFF else "\ufffd"


def _declared_page(data: bytes) -> str:
    found = re.search(rb"\\ansicpg(\d{1,6})", data[:4096])
    return _code_page(found.group(1)) if found else "cp1252"


def _code_page(number: bytes) -> str:
    import codecs

    name = {b"10000": "mac-roman", b"65001": "utf-8"}.get(number, f"cp{int(number)}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


READER = RtfReader()
