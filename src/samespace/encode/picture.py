"""Pictures on their way into a model: bytes → upright RGB, within limits, one at a time.

The reader has cleaned them; this still checks, because an encoder is also used alone.

Knows nothing of models. Imports Pillow where it decodes.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from samespace.errors import ReadError
from samespace.items import Blob

__all__ = ["MAX_PIXELS", "decode", "size"]

MAX_PIXELS = 200_000_000
"""More pixels than this are refused before they are decoded: a small file can hold a very large picture."""

_ORIENTATION = 0x0112  # the EXIF tag; values 5 to 8 lie on their side


def size(blob: Blob) -> tuple[int, int]:
    """Width and height in pixels, as it stands upright, from the header alone. Raises ReadError."""
    with _open(blob) as picture:
        width, height = picture.size
        return (height, width) if picture.getexif().get(_ORIENTATION, 1) >= 5 else (width, height)


def decode(blob: Blob) -> Any:
    """The picture (PIL.Image, RGB, upright, first frame; what is transparent becomes white). Raises ReadError."""
    from PIL import Image, ImageOps

    with _open(blob) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            upright = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
        return upright.convert("RGB")


@contextmanager
def _open(blob: Blob) -> Iterator[Any]:
    """Open lazily, refuse what is too large, and turn Pillow's many errors into one of ours."""
    from PIL import Image, UnidentifiedImageError

    source: Any = blob.path if blob.path is not None else io.BytesIO(blob.read())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(source) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise ReadError("too_big", f"{width} x {height} pixels", f"At most {MAX_PIXELS:,} pixels are taken")
                yield picture
        except Image.DecompressionBombError as err:
            raise ReadError("too_big", str(err), f"At most {MAX_PIXELS:,} pixels are taken") from err
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as err:
            if isinstance(err, ReadError | FileNotFoundError | PermissionError):
                raise
            raise ReadError("decode", f"not a picture that Pillow opens ({err})", "Convert it to PNG or JPEG") from err
