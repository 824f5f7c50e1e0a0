import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import gradient, picture
from PIL import Image

from samespace.errors import ReadError
from samespace.read.picture import open_picture
from samespace.read.protocol import Limits

LIMITS = Limits()


def corner_colours(image: Image.Image) -> tuple[str, ...]:
    """What the gradient shows in the corners: k black, r red, g green, y yellow."""
    w, h = image.size
    corners = (image.getpixel((x, y)) for x, y in ((1, 1), (w - 2, 1), (1, h - 2), (w - 2, h - 2)))
    return tuple({(0, 0): "k", (1, 0): "r", (0, 1): "g", (1, 1): "y"}[(c[0] > 127, c[1] > 127)] for c in corners)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "JPEG2000", "PCX", "SGI",
                                  "AVIF", "QOI", "DDS", "ICO"])  # fmt: skip
def test_formats(tmp_path: Path, form: str):
    path = tmp_path / "strange name\n.dat"
    gradient((64, 48)).save(path, form, **({"sizes": [(64, 48)]} if form == "ICO" else {}))
    found = open_picture(path, "image/any", LIMITS)
    assert (found.width, found.height, found.rgb.mode, found.frames) == (64, 48, "RGB", 1)
    assert corner_colours(found.rgb) == ("k", "r", "g", "y")


@pytest.mark.parametrize("form", ["EPS", "ICNS", "PDF"])
def test_formats_that_are_not_on_the_list_are_refused(tmp_path: Path, form: str):
    path = tmp_path / "a.png"
    gradient((64, 64)).save(path, form)
    with pytest.raises(ReadError, match="no picture of a format that is read"):
        open_picture(path, "image/png", LIMITS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_upright(tmp_path: Path, orientation: int):
    turned = {
        1: lambda p: p,
        2: lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda p: p.transpose(Image.Transpose.ROTATE_180),
        4: lambda p: p.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda p: p.transpose(Image.Transpose.TRANSPOSE),
        6: lambda p: p.transpose(Image.Transpose.ROTATE_90),
        7: lambda p: p.transpose(Image.Transpose.TRANSVERSE),
        8: lambda p: p.transpose(Image.Transpose.ROTATE_270),
    }[orientation](gradient((64, 48)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = open_picture(tmp_path / "a.jpg", "image/jpeg", LIMITS)
    assert (found.width, found.height) == (64, 48) == found.rgb.size
    assert corner_colours(found.rgb) == ("k", "r", "g", "y")


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path):
    """A header that promises 60,000 × 60,000 pixels, and nothing behind it: decoding would fail differently."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in
              ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")))  # fmt: skip
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(ReadError, match="3,600,000,000 pixels") as caught:
        open_picture(path, "image/png", LIMITS)
    assert caught.value.failure == "too_big"


def test_the_limit_of_pixels_is_the_one_given(tmp_path: Path):
    gradient((100, 50)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png", "image/png", replace(LIMITS, pixels=5_000)).width == 100
    with pytest.raises(ReadError, match="5,000 pixels, the limit is 4,999") as caught:
        open_picture(tmp_path / "a.png", "image/png", replace(LIMITS, pixels=4_999))
    assert caught.value.failure == "too_big"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_a_truncated_picture_fails_with_a_reason(tmp_path: Path, form: str):
    path = tmp_path / "a"
    Image.effect_noise((200, 200), 80).save(path, form)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ReadError, match=r"cut off|damaged") as caught:
        open_picture(path, "image/any", LIMITS)
    assert caught.value.failure == "decode"


def test_transparent_becomes_white(tmp_path: Path):
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(tmp_path / "a.png")
    palette = Image.new("P", (10, 10), 0)
    palette.putpalette([0, 0, 0] * 256)
    palette.save(tmp_path / "b.png", transparency=0)
    for name in ("a.png", "b.png"):
        assert open_picture(tmp_path / name, "image/png", LIMITS).rgb.getpixel((5, 5)) == (255, 255, 255)


def test_deep_greys_keep_their_order(tmp_path: Path):
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16)[None, :].repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    row = np.asarray(open_picture(tmp_path / "a.png", "image/png", LIMITS).rgb)[0, :, 0]
    assert row[0] == 0 and row[-1] == 255 and (np.diff(row.astype(int)) >= 0).all() and len(set(row)) > 250


def test_floats_are_stretched_also_with_holes_in_them(tmp_path: Path):
    values = np.linspace(-3, 5, 64, dtype=np.float32)[None, :].repeat(4, 0)
    values[1, 3] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    row = np.asarray(open_picture(tmp_path / "a.tif", "image/tiff", LIMITS).rgb)[0, :, 0]
    assert row[0] == 0 and row[-1] == 255


def test_a_bomb_inside_an_icon_is_refused(tmp_path: Path):
    """Its header says 64 × 64, the picture inside says more."""
    gradient((64, 64)).save(tmp_path / "a.ico", sizes=[(64, 64)])
    data = bytearray((tmp_path / "a.ico").read_bytes())
    at = data.index(b"IHDR") + 4
    data[at : at + 8] = struct.pack(">II", 60_000, 60_000)
    data[at + 13 : at + 17] = struct.pack(">I", zlib.crc32(bytes(data[at - 4 : at + 13])))
    (tmp_path / "a.ico").write_bytes(data)
    with pytest.raises(ReadError) as caught:
        open_picture(tmp_path / "a.ico", "image/x-icon", LIMITS)
    assert caught.value.failure == "too_big"


@pytest.mark.parametrize("mode", ["CMYK", "1", "L", "LA", "P", "YCbCr", "LAB"])
def test_all_modes_become_rgb(tmp_path: Path, mode: str):
    form = "TIFF"
    source = gradient().convert("L").convert(mode) if mode in ("LA", "1", "P") else gradient().convert(mode) \
        if mode != "LAB" else Image.new("LAB", (64, 48), (200, 128, 128))  # fmt: skip
    source.save(tmp_path / "a", form)
    assert open_picture(tmp_path / "a", "image/tiff", LIMITS).rgb.mode == "RGB"


def test_of_an_animation_the_first_frame(tmp_path: Path):
    frames = [Image.new("RGB", (30, 30), color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    found = open_picture(tmp_path / "a.gif", "image/gif", LIMITS)
    assert found.frames == 3 and found.rgb.getpixel((3, 3)) == (255, 0, 0)


def test_large_photos_are_decoded_small_but_counted_whole(tmp_path: Path):
    gradient((1600, 1200)).save(tmp_path / "a.jpg")
    found = open_picture(tmp_path / "a.jpg", "image/jpeg", LIMITS, side=200)
    assert (found.width, found.height) == (1600, 1200)
    assert found.rgb.size == (200, 150)


def test_heic_without_its_package_says_what_to_install(tmp_path: Path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        with pytest.raises(ReadError, match=r"pip install 'samespace\[heic\]'") as caught:
            open_picture(tmp_path / "a.heic", "image/heic", LIMITS)
        assert caught.value.failure == "unsupported"


def test_damaged_exif_does_not_lose_the_picture(tmp_path: Path):
    picture("HELLO").save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xaa" * 40)
    assert open_picture(tmp_path / "a.jpg", "image/jpeg", LIMITS).width == 640
