from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made import film, gradient, pdf, tone
from PIL import Image

from samespace.errors import ReadError
from samespace.items import Locator
from samespace.read.render import LARGEST, render


def shown(path: Path, mime: str, locator: Locator | None = None, pixels: int = 400) -> Image.Image:
    image = Image.open(BytesIO(render(path, mime, locator or Locator(), pixels)))
    assert image.format == "WEBP"
    return image.convert("RGB")


def ink(image: Image.Image) -> int:
    return int((np.asarray(image.convert("L")) < 128).sum())


def test_a_page_of_a_pdf(tmp_path: Path):
    (tmp_path / "a.pdf").write_bytes(pdf(["Few", "Many\nmany\nmany\nlines of words, which is much more ink"]))
    first = shown(tmp_path / "a.pdf", "application/pdf")
    second = shown(tmp_path / "a.pdf", "application/pdf", Locator(page=2))
    assert first.size == second.size and max(first.size) == 400
    assert ink(second) > 3 * ink(first) > 0


@pytest.mark.parametrize("page", [0, 3, -1, 10**9])
def test_pages_that_are_not_there(tmp_path: Path, page: int):
    (tmp_path / "a.pdf").write_bytes(pdf(["One", "Two"]))
    if page == 0:  # no page named
        assert shown(tmp_path / "a.pdf", "application/pdf", Locator(page=page)).size
        return
    with pytest.raises(ReadError, match="of 2"):
        render(tmp_path / "a.pdf", "application/pdf", Locator(page=page), 100)


def test_a_picture_upright_and_never_larger_than_it_is(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient((64, 48)).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = shown(tmp_path / "a.jpg", "image/jpeg")
    assert image.size == (64, 48)
    assert image.getpixel((60, 4))[0] > 200 > image.getpixel((4, 4))[0]


def test_the_size_is_bounded(tmp_path: Path):
    gradient((3000, 30)).save(tmp_path / "a.png")
    assert shown(tmp_path / "a.png", "image/png", pixels=10**9).size[0] == LARGEST
    assert shown(tmp_path / "a.png", "image/png", pixels=-5).size[0] == 16


def test_the_frame_at_a_second(tmp_path: Path):
    scenes = [(Image.new("RGB", (64, 48), (v, v, v)), 2.0) for v in (20, 120, 220)]
    film(tmp_path / "a.mp4", scenes, gop=30)
    greys = [
        int(np.asarray(shown(tmp_path / "a.mp4", "video/mp4", Locator(seconds=(s, s + 1)))).mean()) // 100
        for s in (0.0, 1.8, 2.1, 3.9, 4.0, 5.5, 99.0)
    ]
    assert greys == [0, 0, 1, 1, 2, 2, 2]
    assert int(np.asarray(shown(tmp_path / "a.mp4", "video/mp4")).mean()) // 100 == 0


def test_what_has_no_looks_says_so(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", tone(1), 16_000)
    (tmp_path / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    for name, mime in (("a.wav", "audio/wav"), ("a.svg", "image/svg+xml"), ("a.svg", "text/plain")):
        with pytest.raises(ReadError) as caught:
            render(tmp_path / name, mime, Locator(), 100)
        assert caught.value.failure == "unsupported"
