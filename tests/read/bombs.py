# ruff: noqa: E501
"""Files made to break readers, the same bytes every time: each a name, how to make it, and how it may end.

An end is "indexed", "ignored", or the class of a failure.
"""

import io
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

__all__ = ["BOMBS", "lay", "strange_names", "unknown_kinds"]

Make = Callable[[], bytes]
BOMBS: dict[str, tuple[Make, frozenset[str]]] = {}
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)
MIME = "application/vnd.oasis.opendocument."
LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
DTD = f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
ZEROS = bytes(1 << 20)


def bomb(name: str, *ends: str) -> Callable[[Make], Make]:
    """Enter a maker of one file."""

    def enter(make: Make) -> Make:
        BOMBS[name] = make, frozenset(ends)
        return make

    return enter


def lay(folder: Path) -> dict[Path, frozenset[str]]:
    """Write all of them; how each may end."""
    folder.mkdir(parents=True, exist_ok=True)
    laid = {}
    for name, (make, ends) in BOMBS.items():
        (folder / name).write_bytes(make())
        laid[folder / name] = ends
    return laid


# --- containers ---


def packed(members: dict[str, bytes | Iterator[bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of members, in order."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method, compresslevel=1) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if name == "mimetype" else method
            with archive.open(info, "w", force_zip64=False) as member:
                for part in [data] if isinstance(data, bytes) else data:
                    member.write(part)
    return held.getvalue()


def docx(body: bytes | Iterator[bytes], **more: bytes) -> bytes:
    return packed({"[Content_Types].xml": b"<Types/>", "word/document.xml": body, **more})


def odf(kind: str, content: bytes | Iterator[bytes]) -> bytes:
    return packed({"mimetype": f"{MIME}{kind}".encode(), "content.xml": content})


def epub(chapters: dict[str, bytes | Iterator[bytes]], spine: str = "") -> bytes:
    items = "".join(f'<item id="{n}" href="{n}" media-type="application/xhtml+xml"/>' for n in chapters)
    spine = spine or "".join(f'<itemref idref="{n}"/>' for n in chapters)
    package = f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>".encode()
    head = {"mimetype": b"application/epub+zip", "META-INF/container.xml": b'<c><rootfile full-path="p.opf"/></c>'}
    return packed({**head, "p.opf": package, **chapters})


def repeated(part: bytes, count: int, before: bytes = b"", after: bytes = b"") -> Iterator[bytes]:
    yield before
    for _ in range(count):
        yield part
    yield after


def claiming(container: bytes, size: int) -> bytes:
    """A ZIP whose last member says that it unpacks to so many bytes."""
    data = bytearray(container)
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.rindex(mark)
        data[at + place : at + place + 4] = size.to_bytes(4, "little")
    return bytes(data)


@bomb("zip_bomb.docx", "too_big")
def _() -> bytes:
    return docx(repeated(b" " * (1 << 20), 600, b"<d>", b"</d>"))


@bomb("zip_bomb.epub", "too_big")
def _() -> bytes:
    return claiming(epub({"a.html": repeated(b"<p> </p>" * (1 << 17), 6)}), 600 << 20)


@bomb("zip_bomb.xlsx", "too_big")
def _() -> bytes:
    parts = {"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"}
    return claiming(packed({**parts, "xl/sharedStrings.xml": ZEROS}), 600 << 20)


@bomb("zip_bomb.pptx", "too_big")
def _() -> bytes:
    rels = b'<r><Relationship Id="a" Type="x/slide" Target="slides/slide1.xml"/></r>'
    show = b'<p><sldIdLst><sldId xmlns:r="r" r:id="a"/></sldIdLst></p>'
    return claiming(packed({"[Content_Types].xml": b"<Types/>", "ppt/presentation.xml": show,
                   "ppt/_rels/presentation.xml.rels": rels, "ppt/slides/slide1.xml": ZEROS}), 600 << 20)  # fmt: skip


@bomb("zip_bomb.odt", "too_big")
def _() -> bytes:
    return claiming(odf("text", ZEROS), 600 << 20)


@bomb("same_slide_5000_times.pptx", "indexed", "too_big")
def _() -> bytes:
    rels = b'<r><Relationship Id="a" Type="x/slide" Target="slides/slide1.xml"/></r>'
    show = b'<p xmlns:r="r"><sldIdLst>' + b'<sldId r:id="a"/>' * 5000 + b"</sldIdLst></p>"
    return packed({"[Content_Types].xml": b"<Types/>", "ppt/presentation.xml": show,
                   "ppt/_rels/presentation.xml.rels": rels,
                   "ppt/slides/slide1.xml": b"<s>" + b"<p><t>the same slide</t></p>" * 100 + b"</s>"})  # fmt: skip


@bomb("lying_size.docx", "decode", "too_big")
def _() -> bytes:
    return claiming(docx(repeated(b" " * (1 << 20), 64, b"<d>", b"</d>")), 100)


def _shared(count: int, name: Callable[[int], bytes], unpacked: bytes) -> bytes:
    """A ZIP whose directory names one and the same bytes many times."""
    body = zlib.compress(unpacked, 9)[2:-4]
    crc, first = zlib.crc32(unpacked), b"word/document.xml"
    sizes = struct.pack("<III", crc, len(body), len(unpacked))
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", len(first), 0) + first
    directory = b"".join(
        b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes
        + struct.pack("<HHHHHII", len(n), 0, 0, 0, 0, 0, 0) + n
        for n in (name(i) for i in range(count))
    )  # fmt: skip
    start = len(local) + len(body)
    end = struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), start, 0)
    return local + body + directory + b"PK\x05\x06" + end


@bomb("overlapping.docx", "too_big", "decode")
def _() -> bytes:
    return _shared(4000, lambda i: b"word/header%d.xml" % i if i else b"[Content_Types].xml", ZEROS * 4)


@bomb("a_million_names.docx", "too_big", "decode", "unsupported")
def _() -> bytes:
    return _shared(1_000_000, lambda i: b"word/%d" % i, b"<d/>")


@bomb("squeezed_otherwise.odt", "unsupported", "decode", "too_big")
def _() -> bytes:
    members: dict[str, bytes | Iterator[bytes]] = {"mimetype": f"{MIME}text".encode(), "content.xml": ZEROS * 300}
    return packed(members, zipfile.ZIP_BZIP2)


@bomb("mimetype_bomb.odt", "unsupported", "decode")
def _() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("mimetype", b"application/epub+zip" + ZEROS * 200)
    return held.getvalue()


@bomb("wide_cells.ods", "too_big", "indexed")
def _() -> bytes:
    cell = f'<table:table-cell table:number-columns-repeated="16384"><text:p>{"word " * 200_000}</text:p></table:table-cell>'
    row = f"<table:table-row>{cell}</table:table-row>"
    body = f"<office:body><office:spreadsheet><table:table>{row * 3}</table:table></office:spreadsheet></office:body>"
    return odf("spreadsheet", f"<office:document-content {OFFICE}>{body}</office:document-content>".encode())


@bomb("far_cells.xlsx", "too_big", "indexed")
def _() -> bytes:
    row = '<row r="%d"><c r="XFD%d" t="inlineStr"><is><t>far away</t></is></c></row>'
    rows = "".join(row % (i, i) for i in range(1, 600))
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rel = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    book = f'<workbook {main} {rel}><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>'
    ns = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    over = 'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml'
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Override PartName="/xl/workbook.xml" {over}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/a.xml" {over}.worksheet+xml"/></Types>'
    )
    return packed({
        "[Content_Types].xml": types.encode(),
        "_rels/.rels": f'<Relationships {ns}><Relationship Id="a" Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>'.encode(),
        "xl/workbook.xml": book.encode(),
        "xl/_rels/workbook.xml.rels": f'<Relationships {ns}><Relationship Id="r1" Type="{kind}/worksheet" Target="worksheets/a.xml"/></Relationships>'.encode(),
        "xl/worksheets/a.xml": f"<worksheet {main}><sheetData>{rows}</sheetData></worksheet>".encode(),
    })  # fmt: skip


# --- XML ---


@bomb("laughs.svg", "indexed", "decode", "empty")
def _() -> bytes:
    return f'<?xml version="1.0"?>{DTD}<svg xmlns="http://www.w3.org/2000/svg"><text>&l9;&secret;</text></svg>'.encode()


@bomb("laughs.docx", "indexed", "decode")
def _() -> bytes:
    return docx(f'<?xml version="1.0"?>{DTD}<w:d {W}><w:p><w:r><w:t>&l9;&secret;</w:t></w:r></w:p></w:d>'.encode())


@bomb("laughs.odt", "indexed", "decode")
def _() -> bytes:
    return odf("text", f'<?xml version="1.0"?>{DTD}<o {OFFICE}><office:body><text:p>&l9;&secret;</text:p></office:body></o>'.encode())  # fmt: skip


@bomb("laughs.fodt", "indexed", "decode")
def _() -> bytes:
    kind = f'office:mimetype="{MIME}text"'
    return f'<?xml version="1.0"?>{DTD}<office:document {OFFICE} {kind}><office:body><text:p>&l9;</text:p></office:body></office:document>'.encode()  # fmt: skip


@bomb("quadratic.xml", "indexed", "decode", "empty")
def _() -> bytes:
    dtd = f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]>'
    return f'<?xml version="1.0"?>{dtd}<x>{"&a;" * 50_000}</x>'.encode()


@bomb("entity_in_attribute.svg", "indexed", "decode", "empty")
def _() -> bytes:
    return (
        f'<?xml version="1.0"?>{DTD}<svg xmlns="http://www.w3.org/2000/svg" a="&l9;"><text>words</text></svg>'.encode()
    )


@bomb("deep.xml", "indexed", "decode", "empty")
def _() -> bytes:
    return b"<?xml version='1.0'?>" + b"<a>" * 1_000_000 + b"deep" + b"</a>" * 1_000_000


@bomb("deep.docx", "indexed", "decode")
def _() -> bytes:
    return docx(f"<w:d {W}>".encode() + b"<w:tc><w:tr><w:p>" * 300_000)


@bomb("deep.odt", "indexed", "decode")
def _() -> bytes:
    body = b"<office:body>" + b"<text:p><text:span>" * 300_000
    return odf("text", f"<o {OFFICE}>".encode() + body)


@bomb("many_attributes.xml", "indexed", "decode", "empty")
def _() -> bytes:
    return b"<?xml version='1.0'?><a " + b" ".join(b'a%d="x"' % i for i in range(200_000)) + b">text</a>"


# --- plain text ---


@bomb("deep.json", "indexed", "decode")
def _() -> bytes:
    return b"[" * 5_000_000 + b"1" + b"]" * 5_000_000


@bomb("deep_enough.json", "indexed", "decode")
def _() -> bytes:
    return b'{"a":' * 900 + b"1" + b"}" * 900


@bomb("long_number.json", "indexed", "decode")
def _() -> bytes:
    return b'{"n": ' + b"9" * 2_000_000 + b', "f": 1e999999}'


@bomb("deep.html", "indexed", "decode")
def _() -> bytes:
    return b"<!doctype html><html><body>" + b"<div><b>" * 500_000 + b"deep"


@bomb("comments.html", "indexed", "decode", "empty")
def _() -> bytes:
    return b"<!--" * 200_000 + b"<html>words</html>"


@bomb("open_comments.html", "indexed", "decode", "empty")
def _() -> bytes:
    return b"<!-- a -->\n \n" * 100_000 + b"<xhtml words"


@bomb("deep.rtf", "indexed", "decode")
def _() -> bytes:
    return b"{\\rtf1 " + b"{" * 3_000_000 + b"deep" + b"}" * 3_000_000 + b"}"


@bomb("deep.md", "indexed")
def _() -> bytes:
    return b">" * 500_000 + b" deep\n" + b"[" * 500_000 + b"a" + b"](" * 500_000


@bomb("front.md", "indexed")
def _() -> bytes:
    return b"---\n" + b"title: \n" * 200_000 + b"# " + b" \t" * 200_000


@bomb("one_line.txt", "too_big")
def _() -> bytes:
    return b"word " * 20_000_000


@bomb("one_word.txt", "indexed")
def _() -> bytes:
    return b"Donaudampfschiff!" * 200_000


@bomb("one_letter.txt", "indexed")
def _() -> bytes:
    return b"?" * 500_000


@bomb("combining.txt", "indexed", "empty", "decode", "unsupported")
def _() -> bytes:
    return ("a" + "\u0301" * 500_000).encode()


@bomb("joined.txt", "indexed")
def _() -> bytes:
    return "\N{MAN}\u200d".encode() * 200_000


@bomb("columns.csv", "indexed", "too_big")
def _() -> bytes:
    return b"\n".join([b",".join(b"c%d" % i for i in range(1_000_000))] * 2)


@bomb("open_quote.csv", "indexed", "too_big")
def _() -> bytes:
    return b'a,b\n1,"' + b'x,y\n"" ' * 500_000


@bomb("quotes.csv", "indexed", "too_big")
def _() -> bytes:
    return b'a,b\n"' * 60_000


@bomb("deep.eml", "indexed", "decode")
def _() -> bytes:
    head = b"Subject: a\nFrom: b\nDate: c\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n"
    return head * 1000 + b"Subject: x\n\nwords"


@bomb("deep_parts.eml", "indexed", "decode")
def _() -> bytes:
    head = b"Subject: a\nFrom: b\nMIME-Version: 1.0\n"
    return head + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(1000))


@bomb("many_parts.eml", "indexed", "decode", "too_big")
def _() -> bytes:
    head = b"Subject: a\nFrom: b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
    return head + b"--x\nContent-Type: text/plain\n\nwords\n" * 4_000 + b"--x--"


@bomb("long_header.eml", "indexed", "decode")
def _() -> bytes:
    return b"From: b\nDate: c\nSubject: " + b"=?utf-8?q?a?= " * 20_000 + b"\nTo: " + b"a@b.c, <" * 20_000 + b"\n\nwords"


@bomb("many.mbox", "indexed", "too_big")
def _() -> bytes:
    return b"From a@b Thu Jan  1 00:00:00 1970\nSubject: s\nFrom: a@b\nDate: d\n\nwords of it\n\n" * 2_000


@bomb("nested.ics", "indexed")
def _() -> bytes:
    return b"BEGIN:VCALENDAR\r\n" * 200_000


# --- pictures ---


def png(width: int, height: int, data: bytes, *, chunks: bytes = b"", bits: int = 8, color: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunks + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(count: int) -> bytes:
    """So many bytes of zero, deflated."""
    packer = zlib.compressobj(1)
    whole = [packer.compress(ZEROS) for _ in range(count >> 20)]
    return b"".join([*whole, packer.compress(bytes(count & 0xFFFFF)), packer.flush()])


@bomb("megapixels.png", "too_big")
def _() -> bytes:
    return png(12_000, 10_000, zeros(12_001 * 10_000))


@bomb("nearly_too_many.png", "indexed")
def _() -> bytes:
    return png(9_999, 9_999, zeros((9_999 // 8 + 2) * 9_999), bits=1)


@bomb("lying_header.png", "decode")
def _() -> bytes:
    return png(9_000, 9_000, zeros(1000))


@bomb("lying_small.png", "indexed", "decode")
def _() -> bytes:
    return png(10, 10, zeros(300 << 20))


@bomb("profile_bomb.png", "indexed", "decode", "too_big")
def _() -> bytes:
    more = chunk(b"iCCP", b"p\0\0" + zeros(100 << 20)) + chunk(b"zTXt", b"title\0\0" + zeros(100 << 20))
    return png(10, 10, zeros(110), chunks=more)


@bomb("frames.gif", "indexed", "too_big")
def _() -> bytes:
    frame = b"\x21\xf9\x04\x00\x01\x00\x00\x00\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\x00\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\x00\x00\x00\x00\x00\xff\xff\xff" + frame * 100_000 + b";"


@bomb("screen.gif", "too_big")
def _() -> bytes:
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\x00\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\x00\x00\x00\x00\x00\xff\xff\xff" + frame + b";"


def _ifd(next_at: int, width: int = 1, height: int = 1, data_at: int = 8) -> bytes:
    entries = ((256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
               (273, 4, 1, data_at), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, 1))  # fmt: skip
    return (
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", *e) for e in entries)
        + struct.pack("<I", next_at)
    )


@bomb("pages.tiff", "indexed", "too_big")
def _() -> bytes:
    size = len(_ifd(0))
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + b"".join(_ifd(16 + size * (i + 1)) for i in range(100_000))


@bomb("loop.tiff", "indexed", "decode")
def _() -> bytes:
    size = len(_ifd(0))
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + _ifd(16 + size) + _ifd(16 + 2 * size) + _ifd(16)


@bomb("counts.tiff", "decode", "indexed", "too_big")
def _() -> bytes:
    tags = b"".join(struct.pack("<HHII", 256 + i, 1 + i % 12, 0xFFFFFFF0, 0) for i in range(2000))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2000) + tags + struct.pack("<I", 0)


@bomb("huge.bmp", "too_big", "decode")
def _() -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)  # fmt: skip


@bomb("png_inside.ico", "too_big", "decode")
def _() -> bytes:
    inside = png(20_000, 20_000, zeros(1 << 20))
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22) + inside


@bomb("huge.webp", "too_big", "decode", "unsupported")
def _() -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\xff\xff" * 2
    return b"RIFF" + struct.pack("<I", len(body)) + body


@bomb("huge.jpg", "too_big", "decode")
def _() -> bytes:
    held = io.BytesIO()
    Image.new("L", (16, 16)).save(held, "JPEG")
    data = bytearray(held.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


@bomb("huge.ppm", "too_big", "decode")
def _() -> bytes:
    return b"P6 99999 99999 255\n" + bytes(1000)


@bomb("long_header.ppm", "decode", "too_big")
def _() -> bytes:
    return b"P5\n" + b"#" * 5_000_000 + b"\n" + b"1" * 100_000


@bomb("huge.jp2", "too_big", "decode", "unsupported")
def _() -> bytes:
    size = struct.pack(">HHIIIIIIIIH", 41, 0, 2**31, 2**31, 0, 0, 1, 1, 0, 0, 1) + b"\7\1\1"
    return b"\xff\x4f\xff\x51" + size + bytes(100)


# --- PDF ---


def pdf(objects: dict[int, bytes]) -> bytes:
    out, places = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    count = max(objects) + 1
    rows = [b"%010d 00000 n \n" % places[i] if i in places else b"%010d 65535 f \n" % 0 for i in range(count)]
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(out))
    return out + b"xref\n0 %d\n" % count + b"".join(rows) + tail


CATALOG = {1: b"<< /Type /Catalog /Pages 2 0 R >>"}
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n" % (len(data), more) + data + b"\nendstream"


@bomb("tree_loop.pdf", "decode", "empty", "indexed", "too_big")
def _() -> bytes:
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 10 /Kids [3 0 R 2 0 R] >>",
                3: b"<< /Type /Pages /Count 5 /Parent 2 0 R /Kids [2 0 R 3 0 R] >>"})  # fmt: skip


@bomb("million_pages.pdf", "too_big", "decode", "indexed")
def _() -> bytes:
    tree = {
        2 + i: b"<< /Type /Pages /Count %d /Kids [%s] >>" % (10 ** (6 - i), b"%d 0 R " % (3 + i) * 10) for i in range(6)
    }
    return pdf({**CATALOG, **tree, 8: PAGE})


@bomb("claimed_pages.pdf", "too_big", "decode", "indexed")
def _() -> bytes:
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 4900 /Kids [3 0 R] >>", 3: PAGE})


@bomb("stream_bomb.pdf", "indexed", "too_big", "decode", "timeout")
def _() -> bytes:
    packer = zlib.compressobj(9)
    body = b"".join([packer.compress(b"q 1 0 0 1 0 0 cm " * 65536) for _ in range(100)]) + packer.flush()
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", 3: PAGE[:-2] + b"/Contents 4 0 R >>",
                4: stream(body, b"/Filter /FlateDecode")})  # fmt: skip


@bomb("picture_bomb.pdf", "indexed", "too_big", "decode")
def _() -> bytes:
    look = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    page = PAGE[:-2] + b"/Resources << /XObject << /I 5 0 R >> >> /Contents 4 0 R >>"
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", 3: page,
                4: stream(b"q 200 0 0 200 0 0 cm /I Do Q"),
                5: stream(zlib.compress(zeros(200 << 20)), look + b"/Filter [/FlateDecode /FlateDecode]")})  # fmt: skip


@bomb("form_loop.pdf", "indexed", "decode")
def _() -> bytes:
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F 5 0 R >> >>"
    page = PAGE[:-2] + b"/Resources << /XObject << /F 5 0 R >> >> /Contents 4 0 R >>"
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", 3: page, 4: stream(b"/F Do"),
                5: stream(b"/F Do", form)})  # fmt: skip


@bomb("huge_page.pdf", "indexed", "decode")
def _() -> bytes:
    wide = PAGE.replace(b"200 200", b"1e9 1e-9")
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 2 /Kids [3 0 R 4 0 R] >>", 3: wide,
                4: PAGE.replace(b"200 200", b"900000 1")})  # fmt: skip


@bomb("deep_arrays.pdf", "decode", "indexed", "empty", "crashed")
def _() -> bytes:
    return pdf({**CATALOG, 2: b"<< /Type /Pages /Count 1 /Kids " + b"[" * 500_000 + b" >>"})


# --- sound and film ---


def wav(rate: int, claimed: int, data: bytes, channels: int = 1) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * 2) & 0xFFFFFFFF, 2 * channels & 0xFFFF, 16)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", claimed) + data  # fmt: skip


@bomb("lying.wav", "indexed", "decode", "too_big")
def _() -> bytes:
    return wav(16_000, 0xFFFFFFFE, bytes(32_000))


@bomb("slow.wav", "indexed", "decode", "too_big")
def _() -> bytes:
    return wav(1, 0xFFFFFFFE, bytes(200_000))


@bomb("channels.wav", "indexed", "decode", "unsupported", "too_big")
def _() -> bytes:
    return wav(0xFFFFFFFF, 0xFFFFFFFE, bytes(100_000), 65535)


@bomb("lying.flac", "indexed", "decode", "too_big", "unsupported")
def _() -> bytes:
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + (16_000 << 44 | 15 << 36 | (1 << 36) - 1).to_bytes(8, "big")
    return b"fLaC" + b"\x80\0\0\x22" + info + bytes(16) + bytes(1000)


@bomb("lying.mp3", "indexed", "decode", "unsupported")
def _() -> bytes:
    return b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"TIT2" + b"\x7f" * 4 + bytes(2) + random.Random(1).randbytes(50_000)


@bomb("lying.ogg", "indexed", "decode", "unsupported", "too_big")
def _() -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIIII", 0, 255, 0xFFFFFFFF, 0, 0, 0) + b"\xff\x01"
    page = b"OggS\0\x02" + struct.pack("<qIII", 2**62, 1, 0, 0) + bytes([1, len(head)]) + head
    return page + b"OggS\0\x04" + struct.pack("<qIII", 2**62, 1, 1, 0) + b"\x01\x10" + bytes(16)


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _mp4(width: int, height: int, frames: int, ticks: int = 1) -> bytes:
    sample = (
        bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HH", width & 0xFFFF, height & 0xFFFF) + bytes(50)
    )
    table = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), box(b"mp4v", sample)),
                box(b"stts", struct.pack(">IIII", 0, 1, frames, ticks)),
                box(b"stsc", struct.pack(">IIIII", 0, 1, 1, frames, 1)),
                box(b"stsz", struct.pack(">III", 0, 1, frames)), box(b"stco", struct.pack(">III", 0, 1, 48)))  # fmt: skip
    media = box(b"mdia", box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 25, frames & 0xFFFFFFFF, 0, 0)),
                box(b"hdlr", struct.pack(">II", 0, 0) + b"vide" + bytes(13)),
                box(b"minf", box(b"vmhd", bytes(12)), table))  # fmt: skip
    track = box(
        b"trak",
        box(b"tkhd", bytes(76) + struct.pack(">II", width << 16 & 0xFFFFFFFF, height << 16 & 0xFFFFFFFF)),
        media,
    )
    movie = box(b"moov", box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 25, frames & 0xFFFFFFFF) + bytes(80)), track)
    return box(b"ftyp", b"isom\0\0\2\0isommp41") + box(b"mdat", bytes(64)) + movie


@bomb("huge.mp4", "too_big", "decode", "unsupported")
def _() -> bytes:
    return _mp4(65_535, 65_535, 100)


@bomb("frames.mp4", "too_big", "decode", "unsupported")
def _() -> bytes:
    return _mp4(64, 64, 1_000_000_000)


@bomb("deep.mp4", "decode", "unsupported")
def _() -> bytes:
    made = b""
    for _ in range(20_000):
        made = struct.pack(">I", 8 + len(made)) + (b"moov", b"trak", b"mdia")[len(made) // 8 % 3] + made if len(made) < 200_000 else made  # fmt: skip
    return box(b"ftyp", b"isom\0\0\2\0isommp41") + made


@bomb("many_boxes.mp4", "decode", "unsupported", "too_big")
def _() -> bytes:
    return box(b"ftyp", b"isom\0\0\2\0isommp41") + box(b"moov", box(b"trak") * 300_000)


@bomb("deep.mkv", "decode", "unsupported")
def _() -> bytes:
    return b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01" + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" * 50_000


@bomb("playlist.mp4", "decode", "unsupported", "indexed")
def _() -> bytes:
    return b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" * 10


# --- what stands in a folder but is no plain file, and kinds that nothing reads ---


def strange_names(folder: Path) -> int:
    """Files with names no one should have, special files, loops, a sparse file; how many regular ones."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["new\nline.txt", "\u202ertl.txt", os.fsdecode(b"not\xffutf8.txt"), "e" + "\u0301" * 120 + ".txt",
             "-rf.txt", "%41%zz.txt", " .txt", "a'\"`$(x).txt", "\x1b[31mred.txt", "..txt"]  # fmt: skip
    for number, name in enumerate(names):
        (folder / name).write_text(f"words of strange file {number}")
    with (folder / "sparse.bin").open("wb") as file:
        file.truncate(3 << 30)
    os.mkfifo(folder / "pipe.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "null.txt").symlink_to("/dev/zero")
    (folder / "self").symlink_to(".")
    return len(names) + 1


def unknown_kinds(folder: Path) -> int:
    """A file of each of many kinds that nothing here reads, some with real heads; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(7).randbytes(4096)
    heads = {
        "a.ttf": b"\0\1\0\0\0\x10", "a.exe": b"MZ\x90\0", "a.sqlite": b"SQLite format 3\0", "a.7z": b"7z\xbc\xaf\x27\x1c",
        "a.pcap": b"\xd4\xc3\xb2\xa1", "a.psd": b"8BPS\0\1", "a.djvu": b"AT&TFORM", "a.doc": bytes.fromhex("d0cf11e0a1b11ae1"),
        "a.rar": b"Rar!\x1a\x07\0", "a.tar.gz": b"\x1f\x8b\x08", "a.class": b"\xca\xfe\xba\xbe", "a.woff2": b"wOF2",
        "a.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a.parquet": b"PAR1", "a.h5": b"\x89HDF\r\n\x1a\n", "a.elf": b"\x7fELF",
        "a.avif": b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", "a.swf": b"CWS", "a.iso": b"CD001", "a.eps": b"%!PS-Adobe-3.0 EPSF",
        "a.wmf": b"\xd7\xcd\xc6\x9a", "a.dcm": bytes(128) + b"DICM", "a.nef": b"MM\0*", "a.cr2": b"II*\0", "a.xcf": b"gimp xcf ",
        "empty": b"", "white.txt": b" \n\t ", "a.npy": b"\x93NUMPY", "a.pyc": b"\xa7\r\r\n", "a.blend": b"BLENDER-v",
        "a.dat": b"", "a.mid": b"MThd", "a.jxl": b"\xff\x0a", "a.exr": b"\x76\x2f\x31\x01", "a.mxf": b"\x06\x0e\x2b\x34",
        "a.mov": b"\0\0\0\x14ftypqt  ", "a.ra": b".ra\xfd", "a.amr": b"#!AMR\n", "a.au": b".snd", "a.caf": b"caff\0",
        "a.qoi": b"qoif\0\0\xff\xff\0\0\xff\xff\4\0", "a.tga": b"\0\0\2", "a.icns": b"icns", "a.dds": b"DDS |\0\0\0",
    }  # fmt: skip
    for name, head in heads.items():
        (folder / name).write_bytes(head + noise if name not in ("empty", "white.txt") else head)
    return len(heads)
