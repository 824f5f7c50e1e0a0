import re
import socket
from io import BytesIO
from pathlib import Path

import pytest
from made import gradient, picture
from PIL import Image, ImageDraw, ImageFont

from samespace.read import ocr
from samespace.read.ocr import Line, blocks, read_lines

CJK = Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc")


def line(text: str, left: float, top: float, right: float = 0.9, height: float = 0.02) -> Line:
    return Line(text, (left, top, right, top + height), 0.99)


def page(count: int, start: float = 0.0) -> list[Line]:
    return [line(f"Line {i:02} with some words in it", 0.1, start + 0.025 * i) for i in range(count)]


def test_lines_become_one_block_if_they_fit():
    (block,) = blocks(page(3), 700)
    assert block.text == "Line 00 with some words in it\nLine 01 with some words in it\nLine 02 with some words in it"
    assert block.box == pytest.approx((0.1, 0.0, 0.9, 0.07))


def test_a_name_stays_with_its_sum():
    (block,) = blocks([line("TOTAL", 0.1, 0.5, 0.3), line("30.90", 0.7, 0.502, 0.8), line("CASH", 0.1, 0.53, 0.3)], 700)
    assert block.text == "TOTAL  30.90\nCASH"


def test_a_long_page_is_cut_evenly_and_loses_no_line():
    made = list(blocks(page(36), 400))
    assert "\n".join(b.text for b in made).split("\n") == [x.text for x in page(36)]
    assert len(made) == 3 and all(len(b.text) <= 400 for b in made)
    assert min(len(b.text) for b in made) > 280


def test_blocks_are_parted_where_there_is_a_gap():
    made = list(blocks([*page(12), *page(13, start=0.4)], 400))
    assert [len(b.text.split("\n")) for b in made] == [12, 13]


def test_a_gap_near_the_beginning_does_not_part_a_block():
    (block,) = blocks([*page(2), *page(5, start=0.3)], 400)
    assert block.text.count("\n") == 6


def test_no_lines_no_blocks():
    assert list(blocks([], 700)) == []


def test_turning_back_finds_the_place():
    box = (0.1, 0.2, 0.3, 0.25)
    left, top, right, bottom = box
    assert ocr._turned_back((1 - right, 1 - bottom, 1 - left, 1 - top), 180) == pytest.approx(box)
    assert ocr._turned_back((top, 1 - right, bottom, 1 - left), 90) == pytest.approx(box)
    assert ocr._turned_back((1 - bottom, left, 1 - top, right), 270) == pytest.approx(box)


def test_icons_are_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ocr, "_engine", lambda: pytest.fail("an icon was looked at"))
    assert read_lines(gradient((31, 500))) == []


@pytest.mark.slow
def test_the_engine_uses_what_its_wheel_carries(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    ocr._engine.cache_clear()
    assert [x.text for x in read_lines(picture("Hello world"))] == ["Hello world"]


@pytest.mark.slow
def test_pictures_without_text_have_none():
    assert read_lines(gradient((800, 600))) == []
    assert read_lines(Image.effect_noise((600, 600), 60).convert("RGB")) == []


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_page_may_lie_on_its_side_or_stand_on_its_head(degrees: int):
    words = ["Minutes of the meeting", "of the bee club in May", "All members were there", "and had honey cake"]
    made = picture("\n".join(words), (800, 500)).rotate(degrees, expand=True)
    lines = read_lines(made)
    assert [x.text for x in lines] == words
    first = lines[0].box
    corner = {
        0: first[:2],
        90: (first[0], 1 - first[3]),
        180: (1 - first[2], 1 - first[3]),
        270: (1 - first[2], first[1]),
    }
    assert max(corner[degrees]) < 0.15, "the first line is where it stands in the picture"


@pytest.mark.slow
def test_a_long_screenshot_is_read_line_by_line():
    words = [f"Message number {i}" for i in range(30)]
    made = Image.new("RGB", (500, 60 * 30), "white")
    draw = ImageDraw.Draw(made)
    for i, text in enumerate(words):
        draw.text((20, 60 * i + 10), text, fill="black", font=ImageFont.load_default(28))
    lines = read_lines(made)
    assert [x.text for x in lines] == words
    assert all(abs(x.box[1] * 30 - i - 0.25) < 0.3 for i, x in enumerate(lines))


@pytest.mark.slow
@pytest.mark.skipif(not CJK.exists(), reason="no Chinese font is here")
def test_chinese():
    made = Image.new("RGB", (800, 200), "white")
    ImageDraw.Draw(made).text(
        (30, 60), "今天天气很好,我们去公园。", fill="black", font=ImageFont.truetype(str(CJK), 50)
    )
    (found,) = read_lines(made)
    assert re.sub(r"\W", "", found.text) == "今天天气很好我们去公园"


@pytest.mark.slow
def test_receipts(data: Path):
    """Real scans: the sum is there, and nearly all words are."""
    import pyarrow.parquet as pq

    rows = pq.read_table(data / "receipts" / "manifest.parquet").to_pylist()[::35]
    sums = words = count = 0
    for row in rows:
        made = list(blocks(read_lines(Image.open(BytesIO(row["bytes"])).convert("RGB")), 700))
        text = plain(" ".join(b.text for b in made))
        sums += plain(row["total"]) in text
        wanted = [plain(w) for w in row["ocr"].split() if len(plain(w)) > 2]
        words, count = words + sum(w in text for w in wanted), count + len(wanted)
        assert all(0 <= b.box[0] < b.box[2] <= 1 and 0 <= b.box[1] < b.box[3] <= 1 for b in made)
    assert sums >= len(rows) - 1
    assert words / count > 0.9


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
