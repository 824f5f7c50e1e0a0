"""Opening pictures that may be anything: the header first, then pixels, upright, in plain RGB.

Formats are an allow-list by content: a file that Pillow knows but that runs programs (EPS) or is a project file (PSD)
is refused. What a decoder raises on a damaged file, whatever it is, becomes a ReadError.

Knows nothing of Items. Imports Pillow where it is used.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import ReadError
from samespace.read.opening import as_read_error, open_regular
from samespace.read.protocol import Limits

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Picture", "decoding", "open_picture", "upright_rgb"]

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "ICO", "TGA", "JPEG2000", "PCX", "SGI", "QOI",
            "AVIF", "DDS")  # fmt: skip
_HEIC = frozenset({"image/heic", "image/heif"})
_RAW = frozenset({"image/x-raw"})
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
_ORIENTATION = 0x0112
_WORDS = 20_000  # characters; longer entries of a header are data, not words
_AGAIN = "Open it and save it again with the program that made it, or take it from a backup"


@dataclass(frozen=True)
class Picture:
    """A picture, upright, in RGB.

    Attributes:
        rgb: its pixels; a JPEG may have been decoded at half or a quarter of its size.
        width: as the file says, upright.
        height: as the file says, upright.
        frames: how many it has, counted up to a limit; `rgb` is the first.
        format: Pillow's name of its format.
        exif: numbers and words of the camera, by tag.
        words: what the file says of itself, by name in lower case ("title", "description", ...).
    """

    rgb: "Image"
    width: int
    height: int
    frames: int
    format: str
    exif: dict[int, object]
    words: dict[str, str]


def open_picture(path: Path, mime: str, limits: Limits, side: int = 1600, page: int = 1) -> Picture:
    """Read a picture.

    Args:
        path: the file.
        mime: its media type by content.
        limits: `pixels` is checked on the header, before anything is decoded.
        side: a JPEG at least twice as large is decoded small, which is faster by as much.
        page: which picture of a file that has several, from 1.

    Raises:
        ReadError: unsupported, too_big, decode, or what opening raises.
    """
    if mime in _RAW:
        return _raw(path, limits)
    formats = _formats(mime)
    with open_regular(path) as file, decoding(limits):
        from PIL import Image

        image = Image.open(file, formats=formats)
        if page > 1:
            image.seek(page - 1)
        _check_size(image.width, image.height, limits)
        exif = _exif(image)
        words = {str(k).lower(): v for k, v in image.info.items() if isinstance(v, str) and len(v) < _WORDS}
        width, height = image.size
        if exif.get(_ORIENTATION) in _SIDEWAYS:
            width, height = height, width
        name = image.format or ""
        scale = side / max(image.size)
        image.draft("RGB", (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        image.load()
        return Picture(upright_rgb(image), width, height, _frames(image, limits), name, exif, words)


def _raw(path: Path, limits: Limits) -> Picture:
    from samespace.read.raw import developed

    with open_regular(path), decoding(limits):
        rgb, width, height = developed(path, limits)
        return Picture(rgb, width, height, 1, "RAW", {}, {})


@contextmanager
def decoding(limits: Limits) -> Iterator[None]:
    """Turn all that Pillow and its decoders raise into ReadErrors, and keep their warnings to themselves."""
    from PIL import Image, UnidentifiedImageError

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = limits.pixels  # some formats decode on opening, or hold pictures larger than they say
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except ReadError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as err:
        count = re.search(r"\((\d+) pixels\)", str(err))
        raise _too_big(limits, int(count.group(1)) if count else None) from err
    except MemoryError as err:
        raise ReadError("too_big", "its pixels do not fit in memory", "Make it smaller, or raise the limit") from err
    except UnidentifiedImageError as err:
        raise ReadError("decode", "no picture of a format that is read, or its header is damaged", _AGAIN) from err
    except Exception as err:
        if isinstance(err, OSError) and err.errno is not None:
            raise as_read_error(err) from err
        raise _damaged(err) from err
    finally:
        Image.MAX_IMAGE_PIXELS = before


def upright_rgb(image: "Image") -> "Image":
    """The first frame, turned as its EXIF says, on white where it is transparent, in 8-bit RGB."""
    from PIL import ImageOps

    try:
        turned = ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF is no reason to lose the picture
        turned = image
    return _rgb(turned)


def _rgb(image: "Image") -> "Image":
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        return _eight_bit(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        flat = Image.new("RGB", rgba.size, (255, 255, 255))
        flat.paste(rgba, mask=rgba.getchannel("A"))
        return flat
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _eight_bit(image: "Image") -> "Image":
    """16- and 32-bit greys: halved in depth if they are 16-bit, else stretched from their least to their greatest."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if not image.mode.startswith("F") and low >= 0 and 255 < high <= 65_535:
        low, high = 0.0, 65_535.0
    scaled = (values - low) * (255.0 / max(high - low, 1e-9))
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8), "L")


def _formats(mime: str) -> tuple[str, ...]:
    """The formats to try. Raises ReadError for those that need something that is not here."""
    if mime not in _HEIC:
        return _FORMATS
    try:
        import pillow_heif
    except ImportError as err:
        raise ReadError(
            "unsupported",
            "a HEIC picture needs the package 'pillow-heif'",
            "Install it: pip install 'samespace[heic]', then: samespace index --retry-failed",
        ) from err
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise ReadError("decode", f"its header says {width} × {height} pixels", _AGAIN)
    if width * height > limits.pixels:
        raise _too_big(limits, width * height)


def _too_big(limits: Limits, count: int | None = None) -> ReadError:
    size = f"{count:,} pixels" if count else "more pixels than are allowed"
    return ReadError(
        "too_big", f"{size}, the limit is {limits.pixels:,}", "Make it smaller, or raise the limit of pixels"
    )


def _damaged(err: Exception) -> ReadError:
    """The fault of a decoder in words; decoders raise nearly every class there is."""
    said = (str(err).splitlines() or [""])[0][:200]
    if "truncated" in said or "Truncated" in said or isinstance(err, EOFError):
        return ReadError("decode", f"the picture is cut off: {said or 'it ends too early'}", _AGAIN)
    if isinstance(err, NotImplementedError):
        return ReadError("unsupported", f"a rare kind of this format: {said}", "Save it as PNG or JPEG")
    return ReadError("decode", f"the picture is damaged: {said or type(err).__name__}", _AGAIN)


def _exif(image: "Image") -> dict[int, object]:
    """Tags of the picture and of its camera part; {} if they are damaged. The place (GPS) is left where it is."""
    try:
        exif = image.getexif()
        return {**dict(exif), **dict(exif.get_ifd(0x8769))}
    except Exception:
        return {}


def _frames(image: "Image", limits: Limits) -> int:
    """How many pictures are in it. Of a TIFF no more are counted than are read: each takes longer than the last."""
    count = 1
    try:
        if image.format != "TIFF":
            return min(int(getattr(image, "n_frames", 1)), limits.frames)
        while count <= limits.pages:
            image.seek(count)
            count += 1
    except Exception:  # the end, or a file that is cut off
        return count
    return count
