"""PDF, page by page: the text layer where there is one, else the words in the rendered page, and how the page looks.

Knows nothing of models. Uses ocr, pypdfium2 where it is used.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import ReadError
from samespace.items import Blob, Document, Image, Locator, Text
from samespace.read import language, ocr
from samespace.read.budget import Budget
from samespace.read.charset import clean
from samespace.read.opening import open_regular
from samespace.read.preview import preview, webp
from samespace.read.protocol import Facts, Options, Passage
from samespace.read.split import split

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["READER", "PdfReader", "opened", "page_text", "rendered"]

_SIDE = 1600  # pixels of the long side of a page: letters of 10 points are 20 pixels high
_FEW = 20  # letters: a page with fewer has no text layer to speak of, a page number at most
_STAMP = 200  # letters: a page with fewer that is mostly a picture is a scan with a stamp on it
_SOME, _HALF = 0.1, 0.5  # shares of a page that a picture covers
_GARBLED = 0.3  # share of signs without a meaning, above which a text layer is worthless
_NO_MEANING = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")
_HYPHEN = re.compile("(?<=\\w)(?:[\x02\ufffe\u00ad]|-(?=\n[a-zà-ÿ]))\\s*\n\\s*(?=\\w)|[\x02\ufffe]\\s*(?=\\w)")
_WRAPPED = re.compile(r"(?<=[^\s.!?:;…。！？：；])[ \t]*\n[ \t]*(?=[a-zà-ÿ(„“\"'])")
_WIDE_WRAPPED = re.compile(r"(?<=[\u3041-\u30ff\u3400-\u9fff，、])\n(?=[\u3041-\u30ff\u3400-\u9fff])")
_DATE = re.compile(r"^D:(\d{4})(\d\d)(\d\d)")


class PdfReader:
    """PDF files."""

    name = "pdf"
    version = 1
    mimes = frozenset({"application/pdf"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield the passages of page after page, then Facts."""
        with opened(path) as document:
            reading = _Reading(path, options)
            yield from reading.budget.watch(reading.pages(document))
            yield reading.facts(document, mime, f"{self.name}/{self.version}")


class _Reading:
    """One file on its way through: what was counted and left out."""

    def __init__(self, path: Path, options: Options) -> None:
        self.path, self.options = path, options
        self.budget = Budget(options.limits)
        self.no_ocr = ocr.missing() if options.ocr else "OCR is off"
        self.characters = 0
        self.first: bytes | None = None
        self.unread: list[int] = []
        self.damaged: list[int] = []
        self.languages: Counter[str | None] = Counter()
        self.late: int | None = None

    def pages(self, document: Any) -> Iterator[Passage]:
        """Passages of all pages."""
        count, limit = len(document), self.options.limits.pages
        if count > limit:
            raise ReadError(
                "too_big", f"{count:,} pages, the limit is {limit:,}", "Cut it into parts, or raise the limit"
            )
        if count == 0:
            raise ReadError("empty", "it has no pages", "Nothing to do")
        for number in range(1, count + 1):
            try:
                page = document[number - 1]
            except Exception:  # pypdfium2 raises its own error for a page that is not there
                self.damaged.append(number)
                continue
            try:
                yield from self.page(page, number)
            finally:
                page.close()

    def page(self, page: Any, number: int) -> Iterator[Passage]:
        """Passages of one page."""
        text = page_text(page)
        self.count(len(text))
        scanned = _is_scan(page, text)
        looks = self.options.wants & {"document", "image"}
        picture = None
        if looks or number == 1 or (scanned and self.no_ocr is None and not self.budget.spent()):
            picture = rendered(page, _SIDE)
        small = preview(picture) if picture else None
        if number == 1:
            self.first = small
        if text.strip():
            yield from self.body(text, number, small)
        if scanned and picture is not None:
            yield from self.words(picture, text, number, small)
        elif scanned:
            self.unread.append(number)
        if looks and picture is not None:
            yield self.look(picture, text, number, small)

    def body(self, text: str, number: int, small: bytes | None) -> Iterator[Passage]:
        """Passages of the text layer; ranges count within the page's text."""
        whole = language.guess(text)
        for start, end in split(text, self.options.passage_chars, self.options.overlap_chars):
            words = text[start:end]
            tongue = language.guess(words, whole) or whole
            self.languages[tongue] += len(words)
            place = Locator(path=str(self.path), page=number, chars=(start, end))
            yield Passage(Text(words, place), "page", "body", language=tongue, preview=small)

    def words(self, picture: "Picture", text: str, number: int, small: bytes | None) -> Iterator[Passage]:
        """Passages of the words in the rendered page, with boxes."""
        if _is_blank(picture):
            return
        if self.no_ocr is not None:
            self.unread.append(number)
            return
        if self.budget.spent():
            self.late = self.late or number
            return
        lines = ocr.read_lines(picture)
        if sum(len(line.text) for line in lines) <= 1.5 * len(text):  # the text layer has it already
            return
        for block in ocr.blocks(lines, self.options.passage_chars):
            words = clean(block.text)
            self.count(len(words))
            tongue = language.guess(words)
            self.languages[tongue] += len(words)
            place = Locator(path=str(self.path), page=number, box=block.box)
            yield Passage(Text(words, place), "page", "ocr", language=tongue, preview=small)

    def look(self, picture: "Picture", text: str, number: int, small: bytes | None) -> Passage:
        """The page as it looks: a Document for a model that takes pages, else a picture."""
        place = Locator(path=str(self.path), page=number)
        blob = Blob(data=webp(picture, _SIDE))
        item = Document(blob, text, place) if "document" in self.options.wants else Image(blob, place)
        return Passage(item, "page", "pixels", preview=small)

    def count(self, characters: int) -> None:
        """Add to the characters read. Raises ReadError if there are too many."""
        self.characters += characters
        limit = self.options.limits.characters
        if self.characters > limit:
            raise ReadError(
                "too_big", f"more than {limit:,} characters of text", "Cut it into parts, or raise the limit"
            )

    def facts(self, document: Any, mime: str, reader: str) -> Facts:
        """What is known of the whole."""
        said = _said(document)
        notes = []
        if self.unread:
            why = self.no_ocr or "the time for one file is over"
            notes.append(f"no text layer on {_pages(self.unread)}, and {why}")
        if self.late is not None:
            notes.append(
                f"words in the pictures of pages from {self.late} on were not read: the time for one file is over"
            )
        if self.damaged:
            notes.append(f"damaged and left out: {_pages(self.damaged)}")
        meta: dict[str, str | int | float] = {"pages": len(document)}
        meta |= {name: said[key] for name, key in (("author", "Author"), ("subject", "Subject")) if key in said}
        if made := _DATE.match(said.get("CreationDate", "")):
            meta["created"] = "-".join(made.groups())
        return Facts(
            mime=mime,
            kind="page",
            reader=reader,
            title=said.get("Title"),
            language=language.most_common(self.languages),
            meta=meta,
            notes=tuple(notes),
            preview=self.first,
        )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A pypdfium2 document.

    Raises:
        ReadError: encrypted, decode, or what opening raises.
    """
    import pypdfium2

    with open_regular(path) as file:
        try:
            document = pypdfium2.PdfDocument(file)
        except pypdfium2.PdfiumError as err:
            if "password" in str(err).lower() or "security" in str(err).lower():
                raise ReadError("encrypted", "a PDF under a password", "Save a copy without a password") from err
            raise ReadError(
                "decode", "the PDF is damaged", "Open it and save it again with the program that made it"
            ) from err
        try:
            yield document
        finally:
            document.close()


def page_text(page: Any) -> str:
    """The text layer of a page: hyphens at line ends taken out, wrapped lines joined. "" if it is worthless."""
    textpage = page.get_textpage()
    try:
        raw: str = textpage.get_text_bounded(errors="replace")
    finally:
        textpage.close()
    if len(_NO_MEANING.findall(raw)) > _GARBLED * max(1, len(raw)):
        return ""
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    text = _HYPHEN.sub("", text)
    text = _WIDE_WRAPPED.sub("", _WRAPPED.sub(" ", text))
    return clean(text)


def rendered(page: Any, side: int) -> "Picture":
    """The page as an RGB picture whose long side is `side` pixels.

    Raises:
        ReadError: decode, if the page has no size.
    """
    width, height = page.get_size()
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise ReadError("decode", "a page without a size", "Open it and save it again with the program that made it")
    bitmap = page.render(scale=side / max(width, height), may_draw_forms=False)
    try:
        picture: Picture = bitmap.to_pil().convert("RGB")
    finally:
        bitmap.close()
    return picture


def _is_scan(page: Any, text: str) -> bool:
    """True if the words of a page are likely in its pictures, not in its text layer."""
    letters = sum(not c.isspace() for c in text)
    if letters >= _STAMP:
        return False
    if letters == 0:
        return next(page.get_objects(max_depth=1), None) is not None  # pictures, or letters drawn as lines
    return _pictured(page) >= (_SOME if letters < _FEW else _HALF)


def _pictured(page: Any) -> float:
    """The share of the page that its largest picture covers."""
    import pypdfium2.raw as raw

    width, height = page.get_size()
    covered = (_area(thing) for thing in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))
    return max(covered, default=0.0) / max(1.0, float(width * height))


def _area(thing: Any) -> float:
    """Of an object on a page; 0 for one so damaged that it has none."""
    import pypdfium2

    try:
        bounds: tuple[float, float, float, float] = thing.get_bounds()
    except pypdfium2.PdfiumError:
        return 0.0
    left, bottom, right, top = bounds
    return (right - left) * (top - bottom)


def _is_blank(picture: "Picture") -> bool:
    """True for a page of one colour, so that no time is spent on it."""
    greys: tuple[int, int] = picture.convert("L").getextrema()  # type: ignore[assignment]  # one band, one pair
    return greys[1] - greys[0] < 16


def _said(document: Any) -> dict[str, str]:
    """What the file says of itself, clean; {} if that is damaged."""
    try:
        raw = dict(document.get_metadata_dict(skip_empty=True))
    except Exception:
        return {}
    told = {key: " ".join(clean(str(value)).split())[:500] for key, value in raw.items()}
    return {key: value for key, value in told.items() if value and value.lower() not in ("untitled", "unknown", "none")}


def _pages(numbers: list[int]) -> str:
    """For people: page 3, pages 1-4, 9; a long list is cut."""
    ranges: list[list[int]] = []
    for n in numbers:
        if ranges and ranges[-1][1] == n - 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges[:10])
    return f"page{'s' if len(numbers) > 1 else ''} {shown}{', ...' if len(ranges) > 10 else ''}"


READER = PdfReader()
