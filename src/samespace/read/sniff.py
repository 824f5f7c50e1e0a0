"""What a file is, by its content; its name only tells apart the formats that are all plain text.

`magic.py` has the table of first bytes, `container.py` looks inside the formats that hold several kinds.
Knows nothing of Readers. Imports the standard library only.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO

from samespace.errors import ReadError
from samespace.read import container, magic
from samespace.read.charset import looks_like_text
from samespace.read.opening import as_read_error, open_regular

__all__ = ["UNKNOWN", "sniff"]

UNKNOWN = "application/octet-stream"
_HEAD = 64 << 10  # bytes that are looked at; formats with their mark further in are not known

_TEXT_BY_NAME = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx", ".rmd", ".qmd"), "text/markdown"),
    **dict.fromkeys((".csv",), "text/csv"),
    **dict.fromkeys((".tsv", ".tab"), "text/tab-separated-values"),
    **dict.fromkeys((".json", ".geojson", ".webmanifest", ".ipynb"), "application/json"),
    **dict.fromkeys((".jsonl", ".ndjson"), "application/jsonl"),
    **dict.fromkeys((".htm", ".html", ".xhtml", ".xht", ".shtml"), "text/html"),
    **dict.fromkeys((".eml",), "message/rfc822"),
    **dict.fromkeys((".vtt",), "text/vtt"),
    **dict.fromkeys((".srt",), "application/x-subrip"),
}
_SOURCE = frozenset(
    """.ada .adb .ads .asm .awk .bas .bash .bat .c .cc .cfg .clj .cljs .cls .cmake .cob .coffee .conf .cpp .cs .css .cu
    .cxx .d .dart .diff .el .elm .erl .ex .exs .f .f77 .f90 .f95 .fish .for .fs .fsx .glsl .go .gradle .groovy .h .hh
    .hpp .hs .hxx .ini .java .jl .js .jsx .kt .kts .less .lisp .lua .m .mjs .ml .mli .mm .nim .nix .pas .patch .php .pl
    .pm .proto .ps1 .py .pyi .pyx .r .rb .rs .sas .sass .scala .scm .scss .sh .sql .sty .svelte .swift .tcl .tex .tf
    .thrift .toml .ts .tsx .v .vb .vhd .vhdl .vue .wgsl .yaml .yml .zig .zsh""".split()  # noqa: SIM905
)
_SOURCE_NAMES = frozenset(
    {"makefile", "dockerfile", "cmakelists.txt", "gnumakefile", "rakefile", "gemfile", "justfile"}
)
# No pattern here may go back far: sniffing is done in the caller's process, and the bytes may be made to hold it up.
_HTML = re.compile(rb"<(?:!doctype\s{1,99}html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(
    rb"<(?:\?x|!doctype\s|!--|[a-z][\w.:-]{0,99}(?:\s{1,99}[\w:.-]{1,99}\s{0,99}=\s{0,99}[\"']|\s{0,99}/?>))",
    re.IGNORECASE,
)
_PREAMBLE = ((b"<?xml", b"?>"), (b"<!--", b"-->"))
_MAIL = re.compile(
    rb"^(?:return-path|received|delivered-to|message-id|from|to|cc|subject|date|mime-version|x-[\w-]+|reply-to|sender"
    rb"|content-type|dkim-signature|status|list-[a-z]+)[ \t]*:",
    re.IGNORECASE,
)
_MAIL_SURE = re.compile(
    rb"^(?:received|message-id|mime-version|return-path|subject|date)[ \t]*:", re.IGNORECASE | re.MULTILINE
)


def sniff(path: Path) -> str:
    """The media type of a file's content.

    Returns:
        A media type; application/octet-stream for bytes that nothing here knows.

    Raises:
        ReadError: empty, vanished, permission, or unsupported if it is no regular file.
    """
    with open_regular(path) as file:
        try:
            return sniff_file(file, Path(os.fsdecode(path)).name)
        except OSError as err:
            raise as_read_error(err) from err


def sniff_file(file: BinaryIO, name: str) -> str:
    """The media type of an open file; `name` only tells text formats apart. Raises ReadError if it is empty."""
    head = file.read(_HEAD)
    if not head:
        raise ReadError("empty", "it has no bytes", "Nothing to do, or copy it again if it should have some")
    suffix = Path(name.lower()).suffix
    found = magic.match(head, suffix)
    if found is not None:
        return container.look_inside(file, head, found)
    if looks_like_text(head):
        return _text_type(head, name.lower(), suffix)
    return magic.weak_match(head, suffix) or UNKNOWN


def _text_type(head: bytes, name: str, suffix: str) -> str:
    """Which of the text formats it is: by unmistakable content, then by name, then by likely content."""
    start = _ascii_view(head)
    if _HTML.match(_after_comments(start)):
        return "text/html"
    if start.startswith(b"{\\rtf"):
        return "application/rtf"
    if start.startswith(b"WEBVTT"):
        return "text/vtt"
    if _is_xml(start, suffix):
        return _xml_type(start)
    if suffix in _TEXT_BY_NAME and suffix != ".eml":
        return _TEXT_BY_NAME[suffix]
    if suffix in _SOURCE or name in _SOURCE_NAMES or (start.startswith(b"#!") and b"\n" in start[:200]):
        return "text/x-source"
    if start.startswith(b"From ") and (suffix == ".mbox" or _is_mail(start.partition(b"\n")[2])):
        return "application/mbox"
    if _is_mail(start) or suffix == ".eml":
        return "message/rfc822"
    return "text/plain"


def _ascii_view(head: bytes) -> bytes:
    """The head without a byte-order mark and, if it is UTF-16, without its zeros: enough to find ASCII marks."""
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        head = head.removeprefix(mark)
    return head.replace(b"\x00", b"") if b"\x00" in head[:64] else head


def _after_comments(start: bytes) -> bytes:
    """What comes after white space, an XML declaration and comments."""
    at = len(start) - len(start.lstrip())
    while (mark := next((end for begin, end in _PREAMBLE if start.startswith(begin, at)), b"")) and (
        end := start.find(mark, at)
    ) >= 0:
        at = end + len(mark)
        at += len(start[at : at + 1024]) - len(start[at : at + 1024].lstrip())
    return start[at : at + 1024]


def _is_xml(start: bytes, suffix: str) -> bool:
    bare = start.lstrip()[:1024]
    if bare.startswith((b"<?xml", b"<?xpacket")):
        return True
    return suffix not in _TEXT_BY_NAME and suffix not in _SOURCE and _XML.match(bare) is not None


def _xml_type(start: bytes) -> str:
    """The kind of XML, by its root element where that is known."""
    root = re.search(
        rb"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)", re.sub(rb"<[?!][^>]*>|<!--.*?-->", b"", start[:8192], flags=re.DOTALL)
    )
    name = root.group(1).lower() if root else b""
    if name == b"svg":
        return "image/svg+xml"
    if name == b"html":
        return "text/html"
    if name == b"document" and b"opendocument:xmlns:office" in start[:8192]:
        kind = re.search(rb"application/vnd\.oasis\.opendocument\.(text|spreadsheet|presentation)", start[:16384])
        return kind.group().decode() if kind else "application/xml"
    return "application/xml"


def _is_mail(start: bytes) -> bool:
    """Whether it begins with at least three header lines of a mail, one of them a sure sign."""
    headers = start.lstrip(b"\r\n")[:16384].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    lines = [line for line in headers.split(b"\n") if line and line[:1] not in b" \t"]
    fitting = sum(_MAIL.match(line) is not None for line in lines)
    return fitting >= 3 and fitting >= 0.5 * len(lines) and _MAIL_SURE.search(headers) is not None
