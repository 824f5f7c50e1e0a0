"""OpenDocument: text, sheets and slides (a page each), zipped or flat."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samespace.errors import ReadError
from samespace.read import rows
from samespace.read.archive import Archive
from samespace.read.opening import bounded_bytes, open_regular
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.xml import local, parse

__all__ = ["READER", "OdfReader"]

_COLUMNS = 1024  # of a sheet; more hold nothing, or nobody looks at them
_REPEATED = 1000  # characters: no cell as long is repeated on purpose
_KIND = "application/vnd.oasis.opendocument."
_SILENT = frozenset(
    {"tracked-changes", "annotation", "settings", "forms", "sequence-decls", "binary-data", "object-ole"}
)
_GAPS = {"s": " ", "tab": "\t", "line-break": "\n", "soft-page-break": ""}


class OdfReader:
    """ODT, ODS, ODP, ODG, their templates and flat forms."""

    name = "odf"
    version = 1
    mimes = frozenset(
        f"{_KIND}{kind}"
        for kind in (
            *("text", "text-template", "spreadsheet", "spreadsheet-template"),
            *("presentation", "presentation-template", "graphics"),
        )
    )

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        content, meta = _roots(path, options)
        title = _properties(meta, draft)
        body = next((e for e in content.iter() if local(e) == "body"), None)
        if body is None:
            raise ReadError("decode", "it has no body", "Open and save it with the program that made it")
        if "spreadsheet" in mime:
            yield from _pages(draft, body, "table", _sheet)
        elif "presentation" in mime or "graphics" in mime:
            yield from _pages(draft, body, "page", _slide)
        else:
            yield from draft.text("\n\n".join(_blocks(body)))
        if draft.pages:
            draft.meta["pages"] = draft.pages
        yield draft.facts("page" if draft.pages else "text", title=title)


def _roots(path: Path, options: Options) -> tuple[Any, Any]:
    """The roots of content and of properties: two members of a container, or one flat document for both."""
    with open_regular(path) as file:
        zipped = file.read(2) == b"PK"
    if not zipped:
        root = parse(bounded_bytes(path, options.limits.unpacked_bytes, "XML"))
        return root, root
    with Archive(path, options.limits.unpacked_bytes) as archive:
        if archive.has("META-INF/manifest.xml") and b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise ReadError("encrypted", "its content is under a password", "Save a copy without a password")
        if not archive.has("content.xml"):
            raise ReadError("decode", "its content.xml is missing", "Open and save it with the program that made it")
        meta = parse(archive.read("meta.xml")) if archive.has("meta.xml") else None
        return parse(archive.read("content.xml")), meta


def _properties(root: Any, draft: Draft) -> str | None:
    """The title it gives itself; its author goes to the draft's facts."""
    title: str | None = None
    found = [] if root is None else [e for e in root.iter() if local(e) == "meta" and len(e)]
    for element in found[0] if found else ():
        value = (element.text or "").strip()[:500]
        if value and local(element) == "title":
            title = value
        elif value and local(element) in ("creator", "initial-creator"):
            draft.meta["author"] = value
    return title


def _pages(draft: Draft, body: Any, tag: str, read: Any) -> Iterator[Passage]:
    """Each element of that name as a page."""
    for element in body.iter():
        if local(element) == tag and not any(local(a) == tag for a in element.iterancestors()):
            yield from read(draft, element, draft.page())
            draft.count(2)


def _slide(draft: Draft, element: Any, page: int) -> Iterator[Passage]:
    return draft.text("\n\n".join(_blocks(element)), page=page, kind="page")


def _sheet(draft: Draft, table: Any, page: int) -> Iterator[Passage]:
    """The rows of a sheet. A repeated row counts once: no line is worth finding twice."""
    cells = (_cells(row) for row in table.iter() if local(row) == "table-row")
    return rows.passages(draft, ((c, None) for c in cells), page=page, kind="page")


def _cells(row: Any) -> list[str]:
    """The cells of a row, repeated ones written out so that columns stay columns; at most some."""
    found: list[str] = []
    for cell in row:
        if local(cell) in ("table-cell", "covered-table-cell") and len(found) < _COLUMNS:
            times = next((v for k, v in cell.attrib.items() if local(k) == "number-columns-repeated"), "1")
            repeats = min(int(times), _COLUMNS - len(found)) if times.isdecimal() and len(times) < 9 else 1
            words = " ".join(_blocks(cell))
            found += [words] * (repeats if len(words) <= _REPEATED else 1)
    return found


def _blocks(root: Any) -> Iterator[str]:
    """The paragraphs, headings and table rows below an element, in order."""
    stack = [iter(root)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
            continue
        name = local(element)
        if name in ("p", "h"):
            words = "".join(_inline(element)).strip()
            if words:
                yield words
        elif name == "table-row":
            row = " | ".join(filter(None, (" ".join(_blocks(cell)) for cell in element)))
            if row:
                yield row
        elif name not in _SILENT:
            stack.append(iter(element))


def _inline(element: Any) -> Iterator[str]:
    """The characters of a paragraph, spaces and tabs written out."""
    yield element.text or ""
    for child in element:
        name = local(child)
        if name in _GAPS:
            yield _GAPS[name]
        elif name not in _SILENT:
            yield from _inline(child)
            if name in ("p", "h"):  # a text box within a paragraph
                yield "\n"
        yield child.tail or ""


READER = OdfReader()
