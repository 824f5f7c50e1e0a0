"""Small WebP pictures of pictures: what a person is shown before anything is opened.

They are made from pixels, so nothing of the original's metadata (place, camera, owner) is in them.

Imports Pillow where it is used.
"""

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PREVIEW_SIDE", "preview", "shrunk", "webp"]

PREVIEW_SIDE = 320  # pixels of the long side


def shrunk(picture: "Image", side: int) -> "Image":
    """The picture with its long side at most `side` pixels; itself if it is small enough. Never larger."""
    longest = max(picture.size)
    if longest <= side:
        return picture
    scale = side / longest
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, resample=_bicubic(), reducing_gap=2.0)


def webp(picture: "Image", side: int, quality: int = 80) -> bytes:
    """An RGB picture as WebP with its long side at most `side` pixels, without metadata."""
    held = BytesIO()
    shrunk(picture, min(side, 16_383)).save(held, "WEBP", quality=quality, method=2)  # 16,383 is all WebP can hold
    return held.getvalue()


def preview(picture: "Image") -> bytes:
    """A WebP of at most 320 px, about 5-15 kB."""
    return webp(picture, PREVIEW_SIDE, quality=70)


def _bicubic() -> int:
    from PIL import Image

    return int(Image.Resampling.BICUBIC)
