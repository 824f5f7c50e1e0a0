"""What the office formats of ECMA-376 (DOCX, PPTX, XLSX) have in common: parts, relations, properties, paragraphs.

Elements are known by their local names, so the strict and the transitional dialect read alike.
Knows nothing of files. Imports archive and xml.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

from samespace.errors import ReadError
from samespace.read.archive import Archive
from samespace.read.passages import Draft
from samespace.read.xml import events, local, parse

__all__ = ["Block", "blocks", "main_part", "properties", "relations"]

_SILENT = frozenset({"Fallback", "fld", "instrText", "delText", "moveFrom", "pPr", "rPr", "tblPr", "sectPr"})
_MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}


@dataclass(frozen=True)
class Block:
    """A paragraph, or a row of a table with its cells apart by bars.

    Attributes:
        text: its words.
        style: name of its style, "" if none.
        row: whether it is a row of a table.
    """

    text: str
    style: str = ""
    row: bool = False


@dataclass
class _State:
    """Where the walk through a part is: open paragraphs, cells and rows, innermost last."""

    paragraphs: list[list[str]] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    silent: int = 0


def blocks(data: bytes) -> Iterator[Block]:
    """Yield the paragraphs and table rows of a part in order, text boxes before the paragraph they hang on."""
    state = _State()
    for event, element in events(data):
        name = local(element)
        if name in _SILENT:
            if name == "pPr" and event == "end" and state.styles:
                state.styles[-1] = _style(element)
            state.silent += 1 if event == "start" else -1
        elif state.silent:
            continue
        elif event == "start":
            _start(state, name)
        elif (made := _end(state, name, element.text)) is not None:
            yield made


def _style(properties: object) -> str:
    for child in properties:  # type: ignore[attr-defined]
        if local(child) == "pStyle":
            return next((v for k, v in child.attrib.items() if local(k) == "val"), "")
    return ""


def _start(state: _State, name: str) -> None:
    if name == "p":
        state.paragraphs.append([])
        state.styles.append("")
    elif name == "tc":
        state.cells.append([])
    elif name == "tr":
        state.rows.append([])


def _end(state: _State, name: str, text: str | None) -> Block | None:
    if name == "t" and state.paragraphs:
        state.paragraphs[-1].append(text or "")
    elif name in _MARKS and state.paragraphs:
        state.paragraphs[-1].append(_MARKS[name])
    elif name == "p" and state.paragraphs:
        words, style = "".join(state.paragraphs.pop()).strip(), state.styles.pop()
        if words and state.cells:
            state.cells[-1].append(words)
        elif words:
            return Block(words, style)
    elif name == "tc" and state.cells:
        cell = " ".join(state.cells.pop())
        if cell and state.rows:
            state.rows[-1].append(cell)
    elif name == "tr" and state.rows:
        row = " | ".join(state.rows.pop())
        if row and state.cells:
            state.cells[-1].append(row)
        elif row:
            return Block(row, row=True)
    return None


def joined(parts: list[Block]) -> str:
    """Blocks as text: paragraphs apart by an empty line, rows by a line."""
    out: list[str] = []
    for before, block in zip([None, *parts], parts, strict=False):
        if before is not None:
            out.append("\n" if before.row and block.row else "\n\n")
        out.append(block.text)
    return "".join(out)


def relations(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """What a part refers to: id → (last word of the relation's type, name of the other part)."""
    folder, name = posixpath.split(part)
    place = posixpath.join(folder, "_rels", f"{name}.rels")
    if not archive.has(place):
        return {}
    found: dict[str, tuple[str, str]] = {}
    for element in parse(archive.read(place)):
        if element.get("TargetMode") != "External" and element.get("Id"):
            target = element.get("Target") or ""
            whole = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[element.get("Id")] = ((element.get("Type") or "").rpartition("/")[2], whole)
    return found


def main_part(archive: Archive, usual: str) -> str:
    """The name of the part that a reader begins with. Raises ReadError if it is not there."""
    for kind, name in relations(archive, "").values():
        if kind == "officeDocument" and archive.has(name):
            return name
    if archive.has(usual):
        return usual
    raise ReadError("decode", f"its main part {usual} is missing", "Open and save it with the program that made it")


def properties(archive: Archive, draft: Draft) -> str | None:
    """The title it gives itself; its author and date go to the draft's facts."""
    title: str | None = None
    if not archive.has("docProps/core.xml"):
        return None
    try:
        root = parse(archive.read("docProps/core.xml"))
    except ReadError:
        draft.note("its properties (title, author) are damaged")
        return None
    for element in root:
        value = (element.text or "").strip()[:500]
        if not value:
            continue
        match local(element):
            case "title":
                title = value
            case "creator":
                draft.meta["author"] = value
            case "modified":
                draft.meta["modified"] = value
    return title
