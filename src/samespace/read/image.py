"""Pictures: how they look, the words in them, and what the file says of itself.

A picture of several pages (a fax as TIFF) is read page by page; of an animated one the first frame.

Knows nothing of models. Uses picture, ocr, preview.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import ReadError
from samespace.items import Blob, Image, Locator, Text
from samespace.read import language, ocr
from samespace.read.budget import Budget
from samespace.read.charset import clean
from samespace.read.picture import Picture, open_picture
from samespace.read.preview import preview, webp
from samespace.read.protocol import Facts, Kind, Options, Passage

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels

__all__ = ["READER", "ImageReader", "read_words"]

_KINDS = (
    *("png", "jpeg", "gif", "webp", "bmp", "tiff", "x-icon", "vnd.microsoft.icon", "jp2", "j2c", "avif", "qoi", "sgi"),
    *("x-portable-bitmap", "x-portable-graymap", "x-portable-pixmap", "x-portable-arbitrarymap"),
    *("vnd.zbrush.pcx", "x-tga", "vnd-ms.dds", "heic", "heif", "x-raw"),
)
_SIDE = 1024  # pixels of the long side of what an encoder gets; all known ones shrink it further
_MAKE, _MODEL, _DESCRIPTION, _CHANGED, _ARTIST, _TAKEN = 0x010F, 0x0110, 0x010E, 0x0132, 0x013B, 0x9003
_SUBFILE = 0x00FE
_CAMERA_TALK = re.compile(r"digital camera|^(?:sony dsc|dcim|default|untitled|created with|exif)", re.IGNORECASE)
_DATE = re.compile(r"^(\d{4})[:-](\d\d)[:-](\d\d)(?:[ T](\d\d):(\d\d):(\d\d))?")


class ImageReader:
    """Pictures of the formats that Pillow reads safely; HEIC with the extra."""

    name = "image"
    version = 1
    mimes = frozenset(f"image/{kind}" for kind in _KINDS)

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield the picture, its own description, its words, then Facts."""
        budget = Budget(options.limits)
        yield from budget.watch(self._read(path, mime, options, budget))

    def _read(self, path: Path, mime: str, options: Options, budget: Budget) -> Iterator[Passage | Facts]:
        if mime not in self.mimes:
            raise ReadError("unsupported", f"pictures of the kind {mime} are not read", "Save it as PNG or JPEG")
        picture = open_picture(path, mime, options.limits)
        small = preview(picture.rgb)
        here = Locator(path=str(path))
        if "image" in options.wants:
            blob = Blob(data=webp(picture.rgb, _SIDE, quality=90))
            yield Passage(Image(blob, here), "image", "pixels", preview=small)
        meta = _meta(picture)
        said = str(meta.get("description", ""))
        if len(said) >= 10:
            yield Passage(Text(said, here), "image", "body", language=language.guess(said), preview=small)
        notes: list[str] = []
        several = picture.format == "TIFF" and picture.frames > 1
        first = Locator(path=str(path), page=1) if several else here
        yield from read_words(picture.rgb, first, "image", options, notes, small)
        if several and not notes:
            yield from _pages(path, mime, picture, options, budget, notes)
        yield Facts(
            mime=mime,
            kind="image",
            reader=f"{self.name}/{self.version}",
            title=str(meta["title"]) if "title" in meta else None,
            meta=meta,
            notes=tuple(notes),
            preview=small,
        )


def _pages(
    path: Path, mime: str, first: Picture, options: Options, budget: Budget, notes: list[str]
) -> Iterator[Passage]:
    """The words on the second and later pages of a fax or scan. Smaller copies of the first are left out."""
    last = min(first.frames, options.limits.pages)
    if last < first.frames:
        notes.append(f"pages after {last} were not read: the limit is {options.limits.pages}")
    for number in range(2, last + 1):
        if budget.spent():
            notes.append(f"pages from {number} on were not read: the time for one file is over")
            return
        try:
            page = open_picture(path, mime, options.limits, page=number)
        except ReadError as err:
            notes.append(f"page {number} was left out: {err.reason}")
            continue
        if int(str(page.exif.get(_SUBFILE) or 0)) & 1 == 0:
            place = Locator(path=str(path), page=number)
            yield from read_words(page.rgb, place, "page", options, notes, preview(page.rgb))


def read_words(
    picture: "Pixels", place: Locator, kind: Kind, options: Options, notes: list[str], small: bytes
) -> Iterator[Passage]:
    """The words in a picture as Passages with boxes; why there are none goes to `notes`."""
    absent = ocr.missing() if options.ocr else "text in pictures was not read: OCR is off"
    if absent:
        notes.append(absent)
        return
    for block in ocr.blocks(ocr.read_lines(picture), options.passage_chars):
        spot = Locator(place.path, place.page, place.seconds, None, block.box)
        yield Passage(Text(clean(block.text), spot), kind, "ocr", language=language.guess(block.text), preview=small)


def _meta(picture: Picture) -> dict[str, str | int | float]:
    """Facts that people look for. The place where it was taken is private and stays in the file."""
    exif, words = picture.exif, picture.words
    make, model = _words(exif.get(_MAKE)), _words(exif.get(_MODEL))
    described = _words(exif.get(_DESCRIPTION)) or _words(words.get("description"))
    found = {
        "taken": _date(exif.get(_TAKEN)) or _date(exif.get(_CHANGED)),
        "camera": model if not make or model.lower().startswith(make.lower()) else f"{make} {model}".strip(),
        "author": _words(exif.get(_ARTIST)) or _words(words.get("author")),
        "title": _words(words.get("title")),
        "description": "" if _CAMERA_TALK.search(described) else described,
        "format": picture.format,
    }
    facts: dict[str, str | int | float] = {name: value for name, value in found.items() if value}
    facts |= {"width": picture.width, "height": picture.height}
    if picture.frames > 1:
        facts["frames"] = picture.frames
    return facts


def _words(value: object) -> str:
    """What stands in a tag, as clean words on one line; "" if nothing does."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    line = " ".join(clean(value.replace("\x00", " ")).split())[:2000]
    return line if line.strip("\ufffd ?.-_") else ""


def _date(value: object) -> str:
    """An EXIF time as ISO 8601, "" if it is none; cameras without a clock write zeros."""
    match = _DATE.match(_words(value))
    if not match or match.group(1) == "0000" or match.group(2) == "00":
        return ""
    day = "-".join(match.group(1, 2, 3))
    return f"{day}T{':'.join(match.group(4, 5, 6))}" if match.group(4) else day


READER = ImageReader()
