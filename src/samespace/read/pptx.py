"""PPTX: a slide is a page; its texts and tables, then diagrams, charts and the speaker's notes."""

import re
from collections.abc import Iterator
from pathlib import Path

from samespace.errors import ReadError
from samespace.read.archive import Archive
from samespace.read.office import blocks, joined, main_part, properties, relations
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.xml import local, parse

__all__ = ["READER", "PptxReader"]

_BESIDE = ("diagramData", "chart", "notesSlide")
_SLIDE = re.compile(r"^ppt/slides/slide(\d+)\.xml$", re.IGNORECASE)


class PptxReader:
    """PPTX, PPTM, PPSX, POTX and their kin."""

    name = "pptx"
    version = 1
    mimes = frozenset({"application/vnd.openxmlformats-officedocument.presentationml.presentation"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages slide by slide, then Facts."""
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        with Archive(path, options.limits.unpacked_bytes) as archive:
            title = properties(archive, draft)
            for slide in _slides(archive):
                page = draft.page()
                try:
                    parts = list(blocks(archive.read(slide)))
                    text = "\n\n".join(filter(None, (joined(parts), *_beside(archive, slide))))
                except ReadError as err:
                    if err.failure != "decode":
                        raise
                    draft.note(f"slide {page} is damaged")
                    continue
                title = title or next((b.text for b in parts), None)
                yield from draft.text(text, page=page, kind="page")
                draft.count(2)  # slides are apart by an empty line
        draft.meta["pages"] = draft.pages
        yield draft.facts("page", title=title)


def _slides(archive: Archive) -> list[str]:
    """The parts of the slides in the order of the show; by their numbers if the list is damaged."""
    try:
        main = main_part(archive, "ppt/presentation.xml")
        known = relations(archive, main)
        ids = [
            value
            for element in parse(archive.read(main)).iter()
            if local(element) == "sldId"
            for key, value in element.attrib.items()
            if local(key) == "id" and key != "id"
        ]
        listed = [known[i][1] for i in ids if i in known and archive.has(known[i][1])]
    except ReadError as err:
        if err.failure != "decode":
            raise
        listed = []
    if listed:
        return listed
    numbered = sorted((int(m.group(1)), n) for n in archive.names if (m := _SLIDE.match(n)))
    return [name for _, name in numbered]


def _beside(archive: Archive, slide: str) -> list[str]:
    """What the diagrams, charts and speaker's notes of a slide say, the notes last."""
    found = [(kind, name) for kind, name in relations(archive, slide).values() if kind in _BESIDE and archive.has(name)]
    found.sort(key=lambda pair: _BESIDE.index(pair[0]))
    return [joined(list(blocks(archive.read(name)))) for _, name in found]


READER = PptxReader()
