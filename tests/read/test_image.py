from io import BytesIO
from pathlib import Path

import pytest
from made import gradient, picture
from PIL import Image, PngImagePlugin

from samespace.errors import ReadError
from samespace.items import Image as ImageItem
from samespace.items import Text
from samespace.read.image import READER
from samespace.read.protocol import Facts, Options, Passage, Reader

PLAIN = Options(ocr=False)


def read(path: Path, mime: str = "image/png", options: Options = PLAIN) -> tuple[list[Passage], Facts]:
    made = list(READER.read(path, mime, options))
    (facts,) = (m for m in made if isinstance(m, Facts))
    return [m for m in made if isinstance(m, Passage)], facts


def test_it_is_a_reader():
    assert isinstance(READER, Reader)


def test_pixels_only_if_they_are_wanted(tmp_path: Path):
    gradient((2000, 1000)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0] == []
    (found,), facts = read(tmp_path / "a.png", options=Options(wants=frozenset({"text", "image"}), ocr=False))
    assert isinstance(found.item, ImageItem)
    assert (found.kind, found.origin, found.item.locator.path) == ("image", "pixels", str(tmp_path / "a.png"))
    assert found.item.blob.data is not None and found.item.blob.data[8:12] == b"WEBP"
    assert Image.open(BytesIO(found.item.blob.data)).size == (1024, 512)
    assert found.preview == facts.preview is not None


def test_facts(tmp_path: Path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x010E] = "Acme", "Acme One\0", "Two dogs on the beach at noon"
    exif[0x013B] = "Jane"
    exif.get_ifd(0x8769)[0x9003] = "2021:07:05 12:34:56"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 0.0)  # where it was taken
    exif[0x0112] = 6
    gradient((64, 48)).save(tmp_path / "a.jpg", exif=exif)
    passages, facts = read(tmp_path / "a.jpg", "image/jpeg")
    assert facts.meta == {
        "taken": "2021-07-05T12:34:56", "camera": "Acme One", "author": "Jane", "format": "JPEG",
        "description": "Two dogs on the beach at noon", "width": 48, "height": 64,
    }  # fmt: skip
    assert (facts.mime, facts.kind, facts.reader) == ("image/jpeg", "image", "image/1")
    (said,) = passages
    assert isinstance(said.item, Text)
    assert (said.item.text, said.origin) == ("Two dogs on the beach at noon", "body")
    assert "OCR is off" in facts.notes[0]


@pytest.mark.parametrize("junk", ["OLYMPUS DIGITAL CAMERA         ", "\0\0\0\0", "???????"])
def test_what_cameras_write_of_themselves_is_no_description(tmp_path: Path, junk: str):
    exif = Image.Exif()
    exif[0x010E], exif[0x0132] = junk, "0000:00:00 00:00:00"
    gradient().save(tmp_path / "a.jpg", exif=exif)
    passages, facts = read(tmp_path / "a.jpg", "image/jpeg")
    assert passages == []
    assert "description" not in facts.meta and "taken" not in facts.meta


def test_the_title_of_a_png(tmp_path: Path):
    said = PngImagePlugin.PngInfo()
    said.add_text("Title", "The  old\nmill")
    gradient().save(tmp_path / "a.png", pnginfo=said)
    assert read(tmp_path / "a.png")[1].title == "The old mill"


def test_pictures_that_are_not_read_say_what_to_do(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"8BPS\0\1")
    with pytest.raises(ReadError, match="Save it as PNG or JPEG") as caught:
        read(tmp_path / "a", "image/vnd.adobe.photoshop")
    assert caught.value.failure == "unsupported"
    with pytest.raises(ReadError, match="raw photo"):
        read(tmp_path / "a", "image/x-raw")


@pytest.mark.slow
def test_words_in_a_picture_have_their_place(tmp_path: Path):
    picture("EXIT\nNo smoking", (800, 600)).save(tmp_path / "a.png")
    (found,), _ = read(tmp_path / "a.png", options=Options())
    assert isinstance(found.item, Text)
    assert found.item.text == "EXIT\nNo smoking"
    assert (found.kind, found.origin) == ("image", "ocr")
    left, top, right, bottom = found.item.locator.box or (9, 9, 9, 9)
    assert 0 <= left < 0.05 and 0 <= top < 0.1 and 0.2 < right < 0.5 and 0.15 < bottom < 0.35


@pytest.mark.slow
def test_every_page_of_a_fax_is_read(tmp_path: Path):
    pages = [picture(f"Page {word} of the fax", (800, 300)) for word in ("one", "two", "three")]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    passages, facts = read(tmp_path / "a.tif", "image/tiff", Options())
    found = [(p.item.locator.page, p.item.text) for p in passages if isinstance(p.item, Text)]
    assert found == [(1, "Page one of the fax"), (2, "Page two of the fax"), (3, "Page three of the fax")]
    assert facts.meta["frames"] == 3
