"""EPUB: the chapters in reading order."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from samespace.errors import ReadError
from samespace.read.archive import Archive
from samespace.read.html import words
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.xml import local, parse

__all__ = ["READER", "EpubReader"]

_FONTS_ONLY = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})


class EpubReader:
    """EPUB 2 and 3."""

    name = "epub"
    version = 1
    mimes = frozenset({"application/epub+zip"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages chapter by chapter, then Facts."""
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        with Archive(path, options.limits.unpacked_bytes) as archive:
            _refuse_locked(archive)
            place = _package(archive)
            package = parse(archive.read(place))
            said = _properties(package, draft)
            for chapter in _spine(package, posixpath.dirname(place)):
                if not archive.has(chapter):
                    draft.note(f"the chapter {chapter} is missing")
                    continue
                text = words(archive.read(chapter)).text
                if text:
                    yield from draft.text(text)
                    draft.count(2)
        yield draft.facts(title=said.get("title"), tongue=said.get("language"))


def _refuse_locked(archive: Archive) -> None:
    """Raise ReadError if more than its fonts is under a key."""
    place = "META-INF/encryption.xml"
    if archive.has("META-INF/rights.xml"):
        raise ReadError("encrypted", "a book under copy protection", "Get a copy without it")
    if not archive.has(place):
        return
    for element in parse(archive.read(place)).iter():
        method = (element.get("Algorithm") or "").encode() if local(element) == "EncryptionMethod" else b""
        if method and method not in _FONTS_ONLY:
            raise ReadError("encrypted", "a book under copy protection", "Get a copy without it")


def _package(archive: Archive) -> str:
    """The name of the package document."""
    if archive.has("META-INF/container.xml"):
        for element in parse(archive.read("META-INF/container.xml")).iter():
            name = unquote(element.get("full-path") or "")
            if local(element) == "rootfile" and archive.has(name):
                return name
    found = next((n for n in archive.names if n.lower().endswith(".opf")), None)
    if found is None:
        raise ReadError("decode", "a book without a package document", "Convert it with the program that made it")
    return found


def _properties(package: Any, draft: Draft) -> dict[str, str]:
    """Title and language; the author goes to the draft's facts."""
    said: dict[str, str] = {}
    for element in package.iter():
        value = " ".join((element.text or "").split())
        if value:
            said.setdefault(local(element), value)
    if "creator" in said:
        draft.meta["author"] = said["creator"][:500]
    if "language" in said:
        said["language"] = said["language"].replace("_", "-").split("-")[0].lower()
    return {key: said[key] for key in ("title", "language") if key in said}


def _spine(package: Any, folder: str) -> list[str]:
    """The names of the chapters in reading order; of all pages if there is no order."""
    listed: dict[str, str] = {}
    order: list[str] = []
    for element in package.iter():
        match local(element):
            case "item" if (element.get("media-type") or "") in _PAGES:
                name = unquote((element.get("href") or "").partition("#")[0])
                listed[element.get("id") or name] = posixpath.normpath(posixpath.join(folder, name))
            case "itemref":
                order.append(element.get("idref") or "")
    return [listed[i] for i in dict.fromkeys(order) if i in listed] or list(listed.values())


READER = EpubReader()
