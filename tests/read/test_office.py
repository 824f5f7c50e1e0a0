"""Office files, books and their containers, made by the libraries that people's programs are like."""

import zipfile
from pathlib import Path

import pytest
from reading import ending, failure, passages, texts

from samespace.errors import ReadError
from samespace.read.archive import Archive
from samespace.read.protocol import Done, Limits, Options

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pack(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def docx(tmp_path: Path) -> Path:
    import docx as library

    document = library.Document()
    document.core_properties.title, document.core_properties.author = "The report", "Ada"
    document.add_heading("Summary", 1)
    document.add_paragraph("First paragraph.").add_run(" Second run.")
    table = document.add_table(2, 2)
    for cell, word in zip([c for row in table.rows for c in row.cells], ("name", "age", "Ada", "36"), strict=True):
        cell.text = word
    document.add_paragraph("After the table.")
    document.sections[0].header.paragraphs[0].text = "Confidential"
    document.save(str(tmp_path / "a.docx"))
    return tmp_path / "a.docx"


def test_docx_in_reading_order(docx: Path):
    assert texts(docx) == [
        "Summary\n\nFirst paragraph. Second run.\n\nname | age\nAda | 36\n\nAfter the table.",
        "Confidential",
    ]
    facts = ending(docx).facts
    assert (facts.title, facts.meta["author"], facts.kind, facts.reader) == ("The report", "Ada", "text", "docx/1")


def test_docx_leaves_out_what_was_struck_and_takes_text_boxes_once(tmp_path: Path):
    body = (
        f"<w:document {_W} xmlns:mc='x'><w:body><w:p><w:r><w:t>kept</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<mc:AlternateContent><mc:Choice><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Choice>"
        "<mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:p></w:body></w:document>"
    )
    path = pack(tmp_path / "a.docx", {"[Content_Types].xml": "", "word/document.xml": body})
    assert texts(path) == ["box\n\nkept"]


def test_docx_cut_in_the_middle_gives_what_is_there(tmp_path: Path):
    body = f"<w:document {_W}><w:body><w:p><w:r><w:t>before</w:t></w:r></w:p><w:p><w:r><w:t>aft"
    path = pack(tmp_path / "a.docx", {"[Content_Types].xml": "", "word/document.xml": body})
    assert texts(path)[0].startswith("before")


def test_a_slide_is_a_page(tmp_path: Path):
    import pptx

    show = pptx.Presentation()
    for words, notes in (("First slide", ""), ("Second slide", "say this")):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = words
        slide.placeholders[1].text = f"Body of {words}"
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    show.slides._sldIdLst.insert(0, show.slides._sldIdLst[1])  # the order of the show, not of the parts
    show.save(str(tmp_path / "a.pptx"))
    found = passages(tmp_path / "a.pptx")
    assert [(p.item.locator.page, p.item.text, p.kind) for p in found] == [
        (1, "Second slide\n\nBody of Second slide\n\nsay this", "page"),
        (2, "First slide\n\nBody of First slide", "page"),
    ]
    assert ending(tmp_path / "a.pptx").facts.meta["pages"] == 2


def test_a_sheet_is_a_page_and_its_rows_name_their_columns(tmp_path: Path):
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Staff"
    for row in (
        ["name", "born", "pay"],
        ["Ada", datetime.datetime(1815, 12, 10), 3.0],
        [None, None, None],
        ["Alan", None, 0.5],
    ):
        book.active.append(row)
    book.create_sheet("Sheet2").append(["alone"])
    book.save(tmp_path / "a.xlsx")
    assert [(p.item.locator.page, p.item.text) for p in passages(tmp_path / "a.xlsx")] == [
        (1, "Staff"),
        (1, "name: Ada; born: 1815-12-10; pay: 3\nname: Alan; pay: 0.5"),
        (2, "alone"),
    ]


_ODF = (
    '<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="b" xmlns:draw="d"><office:body>{}'
    "</office:body></office:document-content>"
)


def odf(path: Path, kind: str, body: str, **members: str) -> Path:
    mime = f"application/vnd.oasis.opendocument.{kind}"
    return pack(path, {"mimetype": mime, "content.xml": _ODF.format(body), **members})


def test_odt(tmp_path: Path):
    body = (
        "<office:text><text:h>Title</text:h><text:p>one<text:s/><text:span>two</text:span><text:tab/>three</text:p>"
        "<office:annotation><text:p>a comment</text:p></office:annotation></office:text>"
    )
    assert texts(odf(tmp_path / "a.odt", "text", body)) == ["Title\n\none two\tthree"]


def test_ods_keeps_columns_apart_where_cells_repeat(tmp_path: Path):
    def row(*cells: str) -> str:
        return f"<table:table-row>{''.join(cells)}</table:table-row>"

    def cell(text: str, times: int = 1) -> str:
        return f'<table:table-cell table:number-columns-repeated="{times}"><text:p>{text}</text:p></table:table-cell>'

    body = (
        "<office:spreadsheet><table:table>"
        + row(cell("a"), cell("b"), cell("c"), '<table:table-cell table:number-columns-repeated="16000"/>')
        + row(cell("same", 2), cell("x"))
        + "</table:table></office:spreadsheet>"
    )
    found = passages(odf(tmp_path / "a.ods", "spreadsheet", body))
    assert [(p.item.locator.page, p.item.text) for p in found] == [(1, "a: same; b: same; c: x")]


def test_odp(tmp_path: Path):
    pages = "".join(f"<draw:page><text:p>{word}</text:p></draw:page>" for word in ("one", "two"))
    body = f"<office:presentation>{pages}</office:presentation>"
    found = passages(odf(tmp_path / "a.odp", "presentation", body))
    assert [(p.item.locator.page, p.item.text) for p in found] == [(1, "one"), (2, "two")]


def test_odf_under_a_password(tmp_path: Path):
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    path = odf(tmp_path / "a.odt", "text", "", **{"META-INF/manifest.xml": manifest})
    assert failure(path) == "encrypted"


def book(path: Path, **more: str) -> Path:
    package = (
        "<package><metadata><title>A book</title><creator>Ada</creator><language>en-US</language></metadata><manifest>"
        '<item id="2" href="two%20.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="1" href="one.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="1"/><itemref idref="2"/><itemref idref="9"/></spine></package>'
    )
    container = '<container><rootfiles><rootfile full-path="in/book.opf"/></rootfiles></container>'
    return pack(
        path,
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "in/book.opf": package,
            "in/one.xhtml": "<html><body><h1>One</h1><p>first words</p></body></html>",
            "in/two .xhtml": "<html><body><p>second words</p></body></html>",
            **more,
        },
    )


def test_epub_in_the_order_of_its_spine(tmp_path: Path):
    path = book(tmp_path / "a.epub")
    assert texts(path) == ["One\n\nfirst words", "second words"]
    facts = ending(path).facts
    assert (facts.title, facts.meta["author"], facts.language) == ("A book", "Ada", "en")


def test_epub_under_copy_protection(tmp_path: Path):
    locked = '<encryption><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'
    assert failure(book(tmp_path / "a.epub", **{"META-INF/encryption.xml": locked})) == "encrypted"
    fonts = '<encryption><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></encryption>'
    assert isinstance(ending(book(tmp_path / "b.epub", **{"META-INF/encryption.xml": fonts})), Done)


def test_a_bomb_is_refused_by_its_header(tmp_path: Path):
    words = f"<w:document {_W}><w:body><w:p><w:r><w:t>{'x' * 5_000_000}</w:t></w:r></w:p></w:body></w:document>"
    path = pack(tmp_path / "a.docx", {"[Content_Types].xml": "", "word/document.xml": words})
    assert path.stat().st_size < 20_000
    assert failure(path, Options(limits=Limits(unpacked_bytes=1_000_000))) == "too_big"


def test_a_bomb_that_lies_in_its_header_gives_no_more_than_it_says(tmp_path: Path):
    path = pack(tmp_path / "a.zip", {"big": b"x" * 3_000_000})
    data = path.read_bytes()
    size = (3_000_000).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with Archive(path, 1000) as archive, pytest.raises(ReadError, match="damaged"):
        archive.read("big")


def test_all_members_share_one_budget(tmp_path: Path):
    path = pack(tmp_path / "a.zip", {"one": b"x" * 700, "two": b"y" * 700})
    with Archive(path, 1000) as archive:
        assert archive.read("ONE") == b"x" * 700
        with pytest.raises(ReadError, match="unpacks to more than 1,000 bytes"):
            archive.read("two")
        with pytest.raises(ReadError, match="unpacks"):
            archive.whole()


def test_a_workbook_is_bounded_too(tmp_path: Path):
    import openpyxl

    book = openpyxl.Workbook()
    for i in range(2000):
        book.active.append([f"cell {i}"] * 5)
    book.save(tmp_path / "a.xlsx")
    assert failure(tmp_path / "a.xlsx", Options(limits=Limits(unpacked_bytes=10_000))) == "too_big"


def test_damaged_containers_are_failures_of_decoding(docx: Path):
    whole = docx.read_bytes()
    docx.write_bytes(whole[: len(whole) // 2])
    assert failure(docx) == "decode"
    docx.write_bytes(whole[:200] + bytes(400) + whole[600:])
    assert failure(docx) in ("decode", "unsupported")


def test_office_files_under_a_password_are_encrypted(tmp_path: Path):
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
    (tmp_path / "a.docx").write_bytes(head + "EncryptedPackage".encode("utf-16-le") + bytes(100))
    assert failure(tmp_path / "a.docx") == "encrypted"


def test_old_office_files_and_archives_say_what_to_do(tmp_path: Path):
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
    (tmp_path / "a.doc").write_bytes(head + "WordDocument".encode("utf-16-le") + bytes(100))
    end = ending(tmp_path / "a.doc")
    assert (end.failure, ".docx" in end.mend) == ("unsupported", True)
    end = ending(pack(tmp_path / "a.zip", {"a": "b"}))
    assert (end.failure, "Unpack" in end.mend) == ("unsupported", True)
