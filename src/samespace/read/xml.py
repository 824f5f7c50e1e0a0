"""XML: safe parsing for all formats made of it, and a Reader of XML that is no known format (and of SVG).

No entity is expanded, no DTD loaded, nothing fetched; depth and sizes are bounded by the parser. Damaged XML gives
what stands before the damage and around it.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from samespace.errors import ReadError
from samespace.read.charset import decode
from samespace.read.opening import bounded_bytes
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "XmlReader", "events", "local", "parse"]

_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "recover": True}
_TITLES = frozenset({"title", "book-title"})
_SILENT = frozenset({"style", "stylesheet", "script", "binary", "path", "metadata"})


def parse(data: bytes) -> Any:
    """The root element. Raises ReadError if there is none."""
    from lxml import etree

    try:
        root = etree.fromstring(data, etree.XMLParser(remove_comments=True, remove_pis=True, **_SAFE))
    except (etree.LxmlError, ValueError) as err:
        raise _damaged(err) from err
    if root is None:
        raise _damaged("there is no element in it")
    return root


def events(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield ("start" | "end", element) as they come; elements that ended are let go when their parent ends."""
    from lxml import etree

    try:
        for event, element in etree.iterparse(
            BytesIO(data), ("start", "end"), remove_comments=True, remove_pis=True, **_SAFE
        ):
            yield event, element
            if event == "end" and len(element):
                element.clear(keep_tail=True)
    except (etree.LxmlError, ValueError) as err:
        raise _damaged(err) from err


def local(element: Any) -> str:
    """An element's or attribute's name without its namespace; "" for what is no element."""
    name = element if isinstance(element, str) else element.tag
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def _damaged(why: object) -> ReadError:
    return ReadError("decode", f"damaged XML: {why}", "Open and save it with the program that made it")


class XmlReader:
    """Any XML: the texts of its elements, one a line."""

    name = "xml"
    version = 1
    mimes = frozenset({"application/xml", "image/svg+xml"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        data = bounded_bytes(path, options.limits.characters * 4, "text")
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        title: str | None = None
        lines: list[str] = []
        for element in _root(data).iter():
            if local(element) in _SILENT:
                continue
            own = " ".join(" ".join(filter(None, (element.text, *(child.tail for child in element)))).split())
            if own:
                lines.append(own)
                title = own if title is None and local(element) in _TITLES else title
        yield from draft.text("\n".join(lines))
        yield draft.facts(title=title)


def _root(data: bytes) -> Any:
    """The root; if the charset is declared wrongly, by the charset it is really in."""
    try:
        return parse(data)
    except ReadError:
        text, _ = decode(data)
        return parse(text.partition("?>")[2].encode() if text.lstrip().startswith("<?xml") else text.encode())


READER = XmlReader()
