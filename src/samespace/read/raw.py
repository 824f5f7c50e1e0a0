"""Raw photos, by the extra `raw` (LibRaw): the picture that the camera put into the file, else the sensor's own.

Knows nothing of Items. Imports rawpy and Pillow where they are used.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.errors import ReadError
from samespace.read.protocol import Limits

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["developed"]

_DAMAGED = "Save it as JPEG, TIFF or AVIF with the program that you use for raw photos"


def developed(path: Path, limits: Limits) -> "tuple[Image, int, int]":
    """A raw photo, upright, in RGB, with the width and height its header says.

    Raises:
        ReadError: unsupported without the extra; too_big; decode.
    """
    try:
        import rawpy
    except ImportError as err:
        raise ReadError(
            "unsupported",
            "a raw photo needs the package 'rawpy'",
            "Install it: pip install 'samespace[raw]', then: samespace index --retry-failed",
        ) from err
    from PIL import Image, ImageOps

    try:
        with rawpy.imread(str(path)) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            if width * height > limits.pixels:
                raise ReadError(
                    "too_big", f"{width * height:,} pixels, the limit is {limits.pixels:,}", "Raise the limit of pixels"
                )
            if raw.sizes.flip in (5, 6):
                width, height = height, width
            inside = _inside(raw, limits)
            if inside is not None:
                return ImageOps.exif_transpose(inside).convert("RGB"), width, height
            return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True)), width, height
    except rawpy.LibRawError as err:
        raise ReadError("decode", f"the raw photo is damaged or of an unknown camera ({err})"[:200], _DAMAGED) from err


def _inside(raw: "object", limits: Limits) -> "Image | None":
    """The camera's own JPEG, if it put one in that is worth looking at."""
    import rawpy
    from PIL import Image

    try:
        thumb = raw.extract_thumb()  # type: ignore[attr-defined]
        if thumb.format != rawpy.ThumbFormat.JPEG:
            return None
        image = Image.open(io.BytesIO(thumb.data), formats=("JPEG",))
        if min(image.size) < 300 or image.width * image.height > limits.pixels:
            return None
        image.load()
        return image
    except (rawpy.LibRawError, OSError):
        return None
