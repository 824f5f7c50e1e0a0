"""Formats that hold several kinds: which one it is, by what is inside.

ZIP: office files, books, archives. OLE: old office files, and new ones under a password. MP4, Ogg, Matroska, ASF,
FLV: film, or sound alone.

This runs in the process of the caller, not in a worker: nothing here takes memory or time that a file's bytes choose.

Knows nothing of Readers. Imports the standard library only.
"""

import errno
import zipfile
from collections.abc import Callable
from typing import BinaryIO

__all__ = ["ENCRYPTED_OFFICE", "METHODS", "look_inside", "too_many_names"]

ENCRYPTED_OFFICE = "application/x-encrypted-office"
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # how documents are packed; the others have no bounds
_DIRECTORY = 16 << 20  # bytes of names in a ZIP: an office file has some thousands
_OOXML = "application/vnd.openxmlformats-officedocument."
_IMAGE_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "image/heif"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    b"crx ": "image/x-raw",
    b"jp2 ": "image/jp2",
    b"jxl ": "image/jxl",
}


def look_inside(file: BinaryIO, head: bytes, mime: str) -> str:
    """The media type of what a container holds; `mime` itself if it is none or tells nothing."""
    look = _LOOKS.get(mime)
    return look(file, head) if look else mime


def too_many_names(file: BinaryIO) -> bool:
    """Whether the directory of a ZIP is larger than any document's, by its own word: not to be read at all."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # what ZipFile itself goes by
    return bool(end) and int(end[5]) > _DIRECTORY


def _zip(file: BinaryIO, head: bytes) -> str:
    try:
        if too_many_names(file):
            return _cut_zip(head)
        with zipfile.ZipFile(file) as archive:
            return _zip_kind(archive)
    except OSError as err:
        if err.errno not in (errno.EINVAL, errno.EOVERFLOW):  # those are of a place that no file has
            raise
        return _cut_zip(head)
    except Exception:  # the library raises nearly every class there is at a damaged directory
        return _cut_zip(head)


def _zip_kind(archive: zipfile.ZipFile) -> str:
    names = set(archive.namelist())
    if "mimetype" in names and archive.getinfo("mimetype").compress_type in METHODS:
        with archive.open("mimetype") as entry:
            said = entry.read(200).decode("ascii", "replace").strip()
        if said.startswith(("application/epub+zip", "application/vnd.oasis.opendocument.")):
            return said
        if "/" in said:
            return "application/zip"
    if "[Content_Types].xml" in names or any(n.endswith("_rels/.rels") for n in names):
        return _ooxml_kind(names)
    if "META-INF/container.xml" in names:
        return "application/epub+zip"
    return "application/zip"


def _ooxml_kind(names: set[str]) -> str:
    lower = {name.lower() for name in names}
    if any(n.endswith("workbook.bin") for n in lower):
        return "application/vnd.ms-excel.sheet.binary.macroenabled.12"
    for folder, kind in (
        ("word/", "wordprocessingml.document"),
        ("ppt/", "presentationml.presentation"),
        ("xl/", "spreadsheetml.sheet"),
    ):
        if any(n.lstrip("/").startswith(folder) for n in lower):
            return _OOXML + kind
    return "application/zip"


def _cut_zip(head: bytes) -> str:
    """A ZIP whose directory is damaged or cut off: what its first names say."""
    for mark, mime in (
        (b"mimetypeapplication/epub+zip", "application/epub+zip"),
        (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        (b"word/document.xml", _OOXML + "wordprocessingml.document"),
        (b"ppt/presentation.xml", _OOXML + "presentationml.presentation"),
        (b"xl/workbook.xml", _OOXML + "spreadsheetml.sheet"),
    ):
        if mark in head:
            return mime
    return "application/zip"


def _ole(file: BinaryIO, head: bytes) -> str:
    """Old office files by the names of their streams, which stand in UTF-16 somewhere in the directory."""
    file.seek(0)
    data = file.read(32 << 20)
    for name, mime in (
        ("EncryptedPackage", ENCRYPTED_OFFICE),
        ("WordDocument", "application/msword"),
        ("PowerPoint Document", "application/vnd.ms-powerpoint"),
        ("__substg1.0_", "application/vnd.ms-outlook"),
        ("__properties_version1", "application/vnd.ms-outlook"),
        ("Workbook", "application/vnd.ms-excel"),
        ("VisioDocument", "application/vnd.visio"),
        ("FileHeader", "application/x-hwp"),
    ):
        if name.encode("utf-16-le") in data:
            return mime
    return "application/x-ole-storage"


def _mp4(file: BinaryIO, head: bytes) -> str:
    """Pictures by the brand; else film if there is a track of pictures, sound if there are only tracks of sound."""
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), 4096, len(head))
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))]
        if head[8:12] in _IMAGE_BRANDS:
            specific = [_IMAGE_BRANDS[b] for b in brands if b in _IMAGE_BRANDS]
            return next((m for m in specific if m != "image/heif"), "image/heif")
        quick = head[8:12] == b"qt  "
    else:
        quick = True
    handlers = _handlers(file)
    if b"soun" in handlers and b"vide" not in handlers:
        return "audio/mp4"
    if not handlers and head[8:12] in (b"M4A ", b"M4B ", b"M4P "):
        return "audio/mp4"
    return "video/quicktime" if quick else "video/mp4"


def _handlers(file: BinaryIO) -> set[bytes]:
    """The kinds of the tracks of an MP4: b"vide", b"soun", ..."""
    file.seek(0, 2)
    found: set[bytes] = set()
    _walk(file, 0, file.tell(), found, depth=0, budget=[10_000])
    return found


def _walk(file: BinaryIO, at: int, end: int, found: set[bytes], depth: int, budget: list[int]) -> None:
    """Go through the boxes in [at, end), down into those that lead to handlers."""
    while at + 8 <= end and budget[0] > 0:
        budget[0] -= 1
        file.seek(at)
        header = file.read(24)
        if len(header) < 8:
            return
        size, kind, skip = int.from_bytes(header[:4], "big"), header[4:8], 8
        if size == 1 and len(header) >= 16:
            size, skip = int.from_bytes(header[8:16], "big"), 16
        elif size == 0:
            size = end - at
        if size < skip:
            return
        if kind == b"hdlr":
            found.add(header[16:20])
        elif kind in (b"moov", b"trak", b"mdia") and depth < 4:
            _walk(file, at + skip, min(at + size, end), found, depth + 1, budget)
        at += size


def _ogg(file: BinaryIO, head: bytes) -> str:
    return "video/ogg" if any(m in head[:4096] for m in (b"\x80theora", b"BBCD\x00", b"\x01video")) else "audio/ogg"


def _matroska(file: BinaryIO, head: bytes) -> str:
    """By the names of the codecs in the list of tracks, which stands near the beginning as a rule."""
    kind = "webm" if b"webm" in head[:64] else "x-matroska"
    film = any(m in head for m in (b"V_VP", b"V_AV1", b"V_MPEG", b"V_MS", b"V_THEORA", b"V_UNCOMPRESSED", b"V_REAL"))
    return f"audio/{kind}" if b"A_" in head and not film else f"video/{kind}"


_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def _asf(file: BinaryIO, head: bytes) -> str:
    return "video/x-ms-wmv" if _ASF_VIDEO in head else "audio/x-ms-wma"


def _flv(file: BinaryIO, head: bytes) -> str:
    return "audio/x-flv" if head[4:5] == b"\x04" else "video/x-flv"


_LOOKS: dict[str, Callable[[BinaryIO, bytes], str]] = {
    "application/zip": _zip,
    "application/x-ole-storage": _ole,
    "video/mp4": _mp4,
    "application/ogg": _ogg,
    "video/x-matroska": _matroska,
    "video/x-ms-asf": _asf,
    "video/x-flv": _flv,
}
