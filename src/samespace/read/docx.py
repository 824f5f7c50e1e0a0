"""DOCX: paragraphs, tables and text boxes in order, then notes, comments, headers, footers, diagrams, charts."""

import re
from collections.abc import Iterator
from pathlib import Path

from samespace.read.archive import Archive
from samespace.read.office import blocks, joined, main_part, properties
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "DocxReader"]

_BESIDE = re.compile(
    r"/(?:footnotes|endnotes|comments|header\d*|footer\d*|diagrams/data\d*|charts/chart\d*)\.xml$", re.IGNORECASE
)
_TITLE = re.compile(r"^(?:title|titel|titre|heading\s*1|überschrift\s*1|berschrift1)$", re.IGNORECASE)


class DocxReader:
    """DOCX, DOCM, DOTX, DOTM."""

    name = "docx"
    version = 1
    mimes = frozenset({"application/vnd.openxmlformats-officedocument.wordprocessingml.document"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages in order, then Facts."""
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        with Archive(path, options.limits.unpacked_bytes) as archive:
            title = properties(archive, draft)
            main = main_part(archive, "word/document.xml")
            body = list(blocks(archive.read(main)))
            yield from draft.text(joined(body))
            seen: set[str] = set()  # the same header stands in every section
            for name in sorted(n for n in archive.names if _BESIDE.search(n)):
                text = joined(list(blocks(archive.read(name))))
                if text and text not in seen:
                    seen.add(text)
                    yield from draft.text(text)
        yield draft.facts(title=title or next((b.text for b in body if _TITLE.match(b.style)), None))


READER = DocxReader()
