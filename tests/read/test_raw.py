"""Raw photos and HEIC, by their extras, on files made here."""

import struct
from pathlib import Path

import numpy as np
import pytest
from made import picture
from reading import ending, failure

from samespace.errors import ReadError
from samespace.read.picture import open_picture
from samespace.read.protocol import Done, Limits
from samespace.read.sniff import sniff

SHORT, LONG, RATIONAL, SIGNED, BYTE, ASCII = 3, 4, 5, 10, 1, 2


def dng(width: int = 96, height: int = 64) -> bytes:
    """A small uncompressed DNG: a bright left half, a dark right half, as a sensor with an RGGB filter sees it."""
    grey = np.where(np.arange(width) < width // 2, 40_000, 2_000).astype("<u2")
    data = np.tile(grey, (height, 1)).tobytes()
    matrix = [v for row in np.eye(3, dtype=int).tolist() for n in row for v in (n, 1)]
    tags = [
        (254, LONG, [0]), (256, LONG, [width]), (257, LONG, [height]), (258, SHORT, [16]), (259, SHORT, [1]),
        (262, SHORT, [32803]), (271, ASCII, list(b"samespace\0")), (272, ASCII, list(b"test\0")), (273, LONG, [0]),
        (277, SHORT, [1]), (278, LONG, [height]), (279, LONG, [len(data)]), (33421, SHORT, [2, 2]),
        (33422, BYTE, [0, 1, 1, 2]), (50706, BYTE, [1, 4, 0, 0]), (50708, ASCII, list(b"samespace test\0")),
        (50721, SIGNED, matrix), (50728, RATIONAL, [1, 1, 1, 1, 1, 1]), (50778, SHORT, [21]),
    ]  # fmt: skip
    code = {SHORT: "H", LONG: "I", RATIONAL: "I", SIGNED: "i", BYTE: "B", ASCII: "B"}
    at = 8 + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    packed = {tag: struct.pack(f"<{len(v)}{code[sort]}", *v) for tag, sort, v in tags}
    size = sum(len(p) + len(p) % 2 for p in packed.values() if len(p) > 4)
    packed[273] = struct.pack("<I", at + size)
    for tag, sort, values in tags:
        body = packed[tag]
        count = len(values) // 2 if sort in (RATIONAL, SIGNED) else len(values)
        if len(body) > 4:
            entries += struct.pack("<HHII", tag, sort, count, at + len(extra))
            extra += body + b"\0" * (len(body) % 2)
        else:
            entries += struct.pack("<HHI", tag, sort, count) + body.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0\0\0\0" + extra + data


def test_a_raw_photo_is_developed(tmp_path: Path):
    pytest.importorskip("rawpy")
    path = tmp_path / "a.dng"
    path.write_bytes(dng())
    assert sniff(path) == "image/x-raw"
    made = open_picture(path, "image/x-raw", Limits())
    assert (made.width, made.height, made.format) == (96, 64, "RAW")
    pixels = np.asarray(made.rgb).astype(int)
    assert pixels[:, : pixels.shape[1] // 3].mean() > pixels[:, -pixels.shape[1] // 3 :].mean() + 60
    assert isinstance(ending(path), Done)


def test_a_raw_photo_that_is_none(tmp_path: Path):
    pytest.importorskip("rawpy")
    path = tmp_path / "a.nef"
    path.write_bytes(dng()[:60])
    assert failure(path) == "decode"


def test_a_raw_photo_over_the_limit(tmp_path: Path):
    pytest.importorskip("rawpy")
    path = tmp_path / "a.dng"
    path.write_bytes(dng())
    with pytest.raises(ReadError, match="6,144 pixels"):
        open_picture(path, "image/x-raw", Limits(pixels=1000))


def test_a_heic_picture(tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(picture("harbour")).save(path)
    assert sniff(path) in ("image/heic", "image/heif")
    assert isinstance(ending(path), Done)
    assert open_picture(path, "image/heic", Limits()).rgb.size == (640, 360)
