"""HTML: its words in reading order, without scripts, styles and comments; also for books and mails made of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samespace.errors import ReadError
from samespace.read.charset import decode
from samespace.read.opening import bounded_bytes
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "HtmlReader", "Words", "words"]

_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_SILENT = frozenset({"script", "style", "template", "noscript", "head", "iframe", "object", "svg", "math"})
_PARAGRAPHS = frozenset(
    """address article aside blockquote body center details dialog div dl fieldset figcaption figure footer form h1 h2
    h3 h4 h5 h6 header hgroup hr main nav ol p pre section summary table tbody tfoot thead title
    ul""".split()  # noqa: SIM905
)
_LINES = frozenset(("br", "caption", "dd", "dt", "legend", "li", "option", "tr"))
_GAPS = ("", " ", " | ", "\n", "\n\n")  # what may stand between two texts; the greatest asked for wins


@dataclass(frozen=True)
class Words:
    """What an HTML document says.

    Attributes:
        text: paragraphs apart by an empty line, cells of a table by a bar.
        title: of its head, or its first heading.
        language: it claims to be in.
        author: it names.
    """

    text: str
    title: str | None = None
    language: str | None = None
    author: str | None = None


class _Pen:
    """Writes text with the right gaps."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._gap = 0

    def gap(self, rank: int) -> None:
        self._gap = max(self._gap, rank)

    def write(self, text: str | None, *, verbatim: bool = False) -> None:
        if not text:
            return
        core = text.strip("\n") if verbatim else " ".join(text.split())
        if text[0].isspace():
            self.gap(1)
        if not core:
            return
        if self.parts:
            self.parts.append(_GAPS[self._gap])
        self._gap = 0
        self.parts.append(core)
        if text[-1].isspace():
            self.gap(1)


def words(data: bytes, declared: str | None = None) -> Words:
    """The words of an HTML document.

    Args:
        data: the document.
        declared: its charset by a mail's header; else by itself.
    """
    from lxml import etree

    found = _DECLARED.search(data[:4096])
    text, _ = decode(data, declared or (found.group(1).decode("ascii", "replace") if found else None))
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, recover=True
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.LxmlError, ValueError) as err:
        if "empty" in str(err).lower():
            return Words("")
        raise ReadError("decode", f"damaged HTML: {err}", "Open and save it with a browser") from err
    return Words("") if root is None else _walk(root)


def _walk(root: Any) -> Words:
    from lxml import etree

    pen = _Pen()
    silent: Any = None
    verbatim = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if silent is None and tag in _SILENT:
                silent = element
            if silent is None:
                verbatim += tag == "pre"
                _open(pen, tag, element)
                pen.write(element.text, verbatim=verbatim > 0)
            continue
        if silent is None:
            verbatim -= tag == "pre"
            _close(pen, tag)
        elif element is silent:
            silent = None
        if silent is None:
            pen.write(element.tail, verbatim=verbatim > 0)
    return Words(
        "".join(pen.parts),
        _first(root, "//head//title//text()") or _first(root, "//title//text()") or _first(root, "//h1//text()"),
        (root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or "").split("-")[0].lower()
        or None,
        _first(root, "//meta[translate(@name,'AUTHOR','author')='author']/@content"),
    )


def _open(pen: _Pen, tag: str, element: Any) -> None:
    _close(pen, tag)
    if tag in ("td", "th"):
        pen.gap(2)
    elif tag == "img":
        pen.gap(1)
        pen.write(element.get("alt"))
        pen.gap(1)


def _close(pen: _Pen, tag: str) -> None:
    if tag in _PARAGRAPHS:
        pen.gap(4)
    elif tag in _LINES:
        pen.gap(3)


def _first(root: Any, path: str) -> str | None:
    """The texts that an XPath finds, as one line."""
    return " ".join(" ".join(map(str, root.xpath(path)[:20])).split()) or None


class HtmlReader:
    """HTML and XHTML."""

    name = "html"
    version = 1
    mimes = frozenset({"text/html"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        page = words(bounded_bytes(path, options.limits.characters * 4, "text"))
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        if page.author:
            draft.meta["author"] = page.author
        yield from draft.text(page.text)
        yield draft.facts(title=page.title, tongue=page.language)


READER = HtmlReader()
