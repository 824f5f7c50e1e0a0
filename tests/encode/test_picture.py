import io

import pytest
from PIL import Image

from samespace.encode import picture
from samespace.errors import ReadError
from samespace.items import Blob


def blob(image, kind="PNG", **settings):
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return Blob(data=stream.getvalue())


def test_a_photo_on_its_side_stands_up():
    lying = Image.new("RGB", (40, 20), "black")
    lying.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees
    made = blob(lying, exif=exif)
    assert picture.size(made) == (20, 40)
    assert picture.decode(made).size == (20, 40)
    assert picture.decode(made).getpixel((19, 0)) == (255, 255, 255)


def test_what_is_transparent_becomes_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert picture.decode(blob(clear)).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 0)
    assert picture.decode(blob(palette, "GIF", transparency=0)).getpixel((1, 1)) == (255, 255, 255)


def test_first_frame_of_a_moving_picture():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    made = blob(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert picture.decode(made).getpixel((0, 0)) == (255, 0, 0)


def test_from_a_path(tmp_path):
    Image.new("L", (6, 3), 7).save(tmp_path / "a.png")
    made = picture.decode(Blob(path=tmp_path / "a.png"))
    assert (made.mode, made.size, made.getpixel((0, 0))) == ("RGB", (6, 3), (7, 7, 7))


def test_too_many_pixels_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(picture, "MAX_PIXELS", 99)
    with pytest.raises(ReadError, match="too_big: 10 x 10") as caught:
        picture.decode(blob(Image.new("RGB", (10, 10))))
    assert caught.value.failure == "too_big"
    monkeypatch.setattr(picture, "MAX_PIXELS", 100)
    assert picture.size(blob(Image.new("RGB", (10, 10)))) == (10, 10)


def test_no_picture_is_a_read_error():
    with pytest.raises(ReadError, match="not a picture") as caught:
        picture.decode(Blob(data=b"words, not pixels"))
    assert caught.value.failure == "decode"
    with pytest.raises(ReadError, match="not a picture"):
        picture.decode(Blob(data=blob(Image.effect_noise((50, 50), 50)).data[:300]))
    with pytest.raises(FileNotFoundError):
        picture.decode(Blob(path=__import__("pathlib").Path("gone.png")))
