from io import BytesIO

from made import gradient
from PIL import Image

from samespace.read.preview import preview, shrunk, webp


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def test_a_preview_is_a_small_webp_of_the_same_shape():
    made = opened(preview(gradient((1000, 500))))
    assert (made.format, made.size) == ("WEBP", (320, 160))
    red, green, _ = made.convert("RGB").getpixel((310, 5))
    assert red > 200 and green < 50, "not mirrored, not turned"


def test_small_pictures_stay_as_they_are():
    small = gradient((100, 40))
    assert shrunk(small, 320) is small
    assert opened(preview(small)).size == (100, 40)


def test_the_thinnest_picture_keeps_a_pixel():
    assert shrunk(gradient((4000, 2)), 320).size == (320, 1)


def test_nothing_of_the_metadata_is_kept():
    picture = gradient()
    picture.info["exif"] = b"Exif\0\0secret place"
    picture.info["xmp"] = b"secret place"
    assert b"secret" not in webp(picture, 64)


def test_webp_can_hold_no_more_than_16383_pixels():
    assert opened(webp(gradient((20_000, 3)), 20_000)).size[0] == 16_383
