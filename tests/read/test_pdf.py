from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from made import pdf, picture
from PIL import Image

from samespace.errors import ReadError
from samespace.items import Document, Text
from samespace.items import Image as ImageItem
from samespace.read.pdf import READER
from samespace.read.protocol import Facts, Limits, Options, Passage, Reader

PLAIN = Options(ocr=False)
FIRST = "The first page is about the keeping of bees in a small garden."
THIRD = "The third page is about the honey that is in the end taken from them."


def read(data: bytes, folder: Path, options: Options = PLAIN) -> tuple[list[Passage], Facts]:
    path = folder / "a.pdf"
    path.write_bytes(data)
    made = list(READER.read(path, "application/pdf", options))
    (facts,) = (m for m in made if isinstance(m, Facts))
    return [m for m in made if isinstance(m, Passage)], facts


def scan(*pages: Image.Image) -> bytes:
    held = BytesIO()
    pages[0].save(held, "PDF", save_all=True, append_images=pages[1:])
    return held.getvalue()


def words(passages: list[Passage]) -> list[tuple[int | None, str]]:
    return [(p.item.locator.page, p.item.text) for p in passages if isinstance(p.item, Text)]


def test_it_is_a_reader():
    assert isinstance(READER, Reader)


def test_pages_keep_their_numbers_past_an_empty_one(tmp_path: Path):
    passages, facts = read(
        pdf([FIRST, "", THIRD], info="/Title (Bees) /Author (Jane) /CreationDate (D:20210703)"), tmp_path
    )
    assert words(passages) == [(1, FIRST), (3, THIRD)]
    assert {(p.kind, p.origin, p.language) for p in passages} == {("page", "body", "en")}
    assert (facts.title, facts.language, facts.kind) == ("Bees", "en", "page")
    assert facts.meta == {"pages": 3, "author": "Jane", "created": "2021-07-03"}
    assert facts.notes == (), "an empty page is no loss"


def test_ranges_count_within_the_page(tmp_path: Path):
    sentences = [f"Sentence number {i} says that bees like flower {i} best." for i in range(40)]
    passages, _ = read(pdf([FIRST, "\n".join(sentences)]), tmp_path)
    second = [p.item for p in passages if isinstance(p.item, Text) and p.item.locator.page == 2]
    assert len(second) > 2
    spans = [t.locator.chars or (0, 0) for t in second]
    assert spans[0][0] == 0 and all(b - a == len(t.text) for (a, b), t in zip(spans, second, strict=True))
    for before, after in pairwise(spans):
        assert before[0] < after[0] <= before[1] < after[1], "they go on, and nothing is lost between"
    assert second[-1].text.endswith(sentences[-1])


def test_wrapped_lines_are_joined_and_others_are_not(tmp_path: Path):
    passages, _ = read(pdf(["The bees of this\ngarden live in a\nhollow tree.\nTheir queen is old."]), tmp_path)
    assert words(passages) == [(1, "The bees of this garden live in a hollow tree.\nTheir queen is old.")]


def test_a_password_is_asked_for_in_words(tmp_path: Path):
    with pytest.raises(ReadError, match="Save a copy without a password") as caught:
        read(pdf([FIRST], password="honey"), tmp_path)
    assert caught.value.failure == "encrypted"


def test_an_empty_password_opens(tmp_path: Path):
    assert words(read(pdf([FIRST], password=""), tmp_path)[0]) == [(1, FIRST)]


@pytest.mark.parametrize("cut", [0.02, 0.3])
def test_a_damaged_pdf_says_so(tmp_path: Path, cut: float):
    data = pdf([FIRST])
    with pytest.raises(ReadError) as caught:
        read(data[: int(len(data) * cut)], tmp_path)
    assert caught.value.failure == "decode"


def test_too_many_pages_are_refused(tmp_path: Path):
    limits = Limits(pages=2)
    with pytest.raises(ReadError, match="3 pages, the limit is 2") as caught:
        read(pdf(["", "", ""]), tmp_path, replace(PLAIN, limits=limits))
    assert caught.value.failure == "too_big"
    assert read(pdf(["", ""]), tmp_path, replace(PLAIN, limits=limits))[1].meta["pages"] == 2


def test_too_many_characters_are_refused(tmp_path: Path):
    with pytest.raises(ReadError, match="characters"):
        read(pdf([FIRST, THIRD]), tmp_path, replace(PLAIN, limits=Limits(characters=len(FIRST) + 5)))


def test_the_preview_is_the_first_page(tmp_path: Path):
    shown = read(pdf([FIRST, THIRD]), tmp_path)[1].preview
    assert shown is not None
    image = Image.open(BytesIO(shown))
    assert image.format == "WEBP" and max(image.size) == 320 and image.width < image.height
    assert image.convert("L").getextrema()[0] < 128, "there is ink on it"


def test_a_scan_without_ocr_is_named(tmp_path: Path):
    passages, facts = read(scan(picture("HONEY"), Image.new("RGB", (200, 200), "white"), picture("WAX")), tmp_path)
    assert passages == []
    assert facts.notes == ("no text layer on pages 1-3, and OCR is off",)


@pytest.mark.parametrize(("wants", "kind"), [("document", Document), ("image", ImageItem)])
def test_the_look_of_a_page_if_it_is_wanted(tmp_path: Path, wants: str, kind: type):
    options = replace(PLAIN, wants=frozenset({"text", wants}))
    looks = [p for p in read(pdf([FIRST, THIRD]), tmp_path, options)[0] if p.origin == "pixels"]
    assert [type(p.item) for p in looks] == [kind, kind]
    assert [p.item.locator.page for p in looks] == [1, 2]
    item = looks[1].item
    if isinstance(item, Document):
        assert item.text == THIRD
    blob = item.picture if isinstance(item, Document) else item.blob
    assert max(Image.open(BytesIO(blob.data)).size) == 1600


@pytest.mark.slow
def test_a_scan_is_read_with_boxes_and_a_text_layer_is_left_alone(tmp_path: Path):
    page = Image.new("RGB", (1240, 1754), "white")
    page.paste(picture("Minutes of the bee club\nheld in the old barn", (1000, 300)), (100, 1200))
    passages, facts = read(scan(page), tmp_path, Options())
    (found,) = passages
    assert isinstance(found.item, Text)
    assert found.item.text == "Minutes of the bee club\nheld in the old barn"
    assert (found.kind, found.origin, found.item.locator.page) == ("page", "ocr", 1)
    left, top, right, bottom = found.item.locator.box or (0, 0, 0, 0)
    assert 0.05 < left < 0.15 and 0.68 < top < 0.75 and right < 0.6 and bottom < 0.8
    assert facts.notes == ()
    assert [p.origin for p in read(pdf([FIRST]), tmp_path, Options())[0]] == ["body"]


@pytest.mark.slow
def test_reading_words_in_scans_ends_in_time(tmp_path: Path):
    limits = replace(Limits(), cpu_seconds=1)
    pages = [picture("\n".join(f"Line {i} of page {n}" for i in range(20)), (1240, 1754)) for n in range(6)]
    passages, facts = read(scan(*pages), tmp_path, Options(limits=limits))
    assert 0 < len({p.item.locator.page for p in passages}) < 6, "what was read in time is kept"
    assert "the time for one file is over" in " ".join(facts.notes)
