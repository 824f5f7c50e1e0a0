"""One place of a file as a WebP picture: a page, a picture upright, a frame of a film. For showing, not for embedding.

What is returned was made from pixels: no script, no metadata, nothing of the file's own bytes.

Knows nothing of servers. Uses pdf, picture, media.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.errors import ReadError
from samespace.items import Locator
from samespace.read import media, pdf
from samespace.read.picture import open_picture
from samespace.read.preview import webp
from samespace.read.protocol import Limits

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["LARGEST", "render"]

LARGEST = 2048  # pixels of the long side that are given at most
_SMALLEST = 16


def render(path: Path, mime: str, locator: Locator, pixels: int, limits: Limits | None = None) -> bytes:
    """Show a place of a file.

    Args:
        path: the file.
        mime: its media type by content.
        locator: which page (the first if none is named) or which second (the beginning); the rest is not looked at.
        pixels: of the long side, from 16 to 2048; a picture is never made larger than it is.
        limits: what one file may cost.

    Returns:
        WebP.

    Raises:
        ReadError: unsupported if such a file has no looks; too_big, decode, encrypted and so on as in reading.
    """
    limits = limits or Limits()
    side = max(_SMALLEST, min(pixels, LARGEST))
    if mime == "application/pdf":
        return webp(_page(path, locator.page or 1, side), side)
    family = mime.partition("/")[0]
    if family == "image" and mime != "image/svg+xml":
        return webp(open_picture(path, mime, limits, side, locator.page or 1).rgb, side)
    if family in ("video", "audio"):
        return webp(_frame(path, locator.seconds[0] if locator.seconds else 0.0, limits), side)
    raise ReadError("unsupported", f"{mime} has no picture to show", "Open the file with its own program")


def _page(path: Path, number: int, side: int) -> "Picture":
    with pdf.opened(path) as document:
        if not 1 <= number <= len(document):
            raise ReadError("decode", f"page {number} of {len(document)}", "Run the index again: the file has changed")
        page = document[number - 1]
        try:
            return pdf.rendered(page, side)
        finally:
            page.close()


def _frame(path: Path, second: float, limits: Limits) -> "Picture":
    """The frame that is seen at a second, the last one if the film is shorter; the cover of a recording."""
    with media.opened(path, limits) as container:
        tracks = media.tracks(container, limits)
        if not tracks.film:
            front = media.cover(container)
            if front is None:
                raise ReadError("unsupported", "a recording without a cover", "Play it")
            return front.convert("RGB")
        stream = next(s for s in container.streams.video if s.codec_context is not None and not media.is_cover(s))
        stream.codec_context.thread_count = 1
        zero = max(0.0, (container.start_time or 0) / 1e6)
        if second > 0:
            container.seek(int((zero + second) * 1e6), backward=True)
        shown: Any = None
        for frame in container.decode(stream):
            if shown is not None and (frame.time or 0.0) - zero > second + 1e-3:
                break
            shown = frame
        if shown is None:
            raise ReadError("decode", "no frame of the film can be decoded", "Play it with another program")
        picture: Picture = shown.to_image()
        return picture.convert("RGB")
