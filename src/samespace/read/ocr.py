"""Text in pictures: lines with their boxes, in the order a person reads them, gathered into passages.

The engine is rapidocr with the ONNX models that its wheel carries (Latin script, Chinese, Japanese; Apache-2.0).
They are named by their paths, because an engine that is left to choose downloads what it does not find.

One engine a process, made when the first picture needs it, on one thread: files are read in parallel by processes.
Cost, on one core: 0.05 s for a picture without text (a small copy is looked at first), about 1.1 s for a receipt of
45 lines, nearly all of it in reading the lines.

Knows nothing of files. Imports rapidocr, Pillow, numpy where they are used.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.read.layout import Box, in_reading_order, union
from samespace.read.preview import shrunk

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Block", "Line", "blocks", "missing", "read_lines"]

_GLANCE = 512  # pixels of the long side: a picture without any text region at this size has none worth reading
_DETECT = 960  # pixels of the long side for finding lines; 800 reads 1 % less, 1280 no more
_LARGEST = 2000  # pixels of the long side; more only costs memory
_SMALLEST = 32  # pixels of the short side; below is an icon
_TALL = 3  # times its width: a taller picture is read in tiles, or its letters would be lost in shrinking
_TILE, _TILES = 640, 200  # pixels a tile has at least; tiles at most
_SMALL = 480  # pixels of the long side below which letters are too small to be found, so that it is doubled
_SURE = 0.5  # confidence of a line
_SURE_LETTER = 0.9  # of a single sign: a round thing in a photo is easily read as an O
_FEW = 3  # lines: fewer do not tell how a picture stands
_POOR, _CLEAR = 0.8, 0.9  # mean confidence below which a picture may stand on its head; from which on it does not
_MODELS = {
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}


@dataclass(frozen=True)
class Line:
    """One line of text in a picture.

    Attributes:
        text: its words.
        box: (left, top, right, bottom) as shares of width and height.
        confidence: the engine's, in [0, 1].
    """

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True)
class Block:
    """Lines that stand together: one passage.

    Attributes:
        text: rows below each other, one a line.
        box: around all of them.
    """

    text: str
    box: Box


def missing() -> str | None:
    """Why text in pictures cannot be read here, with the mend; None if it can."""
    if find_spec("rapidocr") is None or find_spec("onnxruntime") is None:
        return "text in pictures was not read: rapidocr is not installed. Install it: pip install 'samespace[read]'"
    return None


def read_lines(picture: "Image") -> list[Line]:
    """Read a picture (RGB, upright).

    Returns:
        Lines in reading order; [] for pictures without text, and for icons.
    """
    if min(picture.size) < _SMALLEST:
        return []
    if picture.height > _TALL * picture.width:
        return [line for tile in _tiles(picture) for line in tile]
    return _read(picture)


def _read(picture: "Image") -> list[Line]:
    """Lines of a picture that is not too tall, in reading order."""
    engine = _engine()
    if max(picture.size) > _GLANCE and engine(_bgr(shrunk(picture, _GLANCE)), use_rec=False).boxes is None:
        return []
    ready = _sized(picture)
    best = _run(engine, ready)
    for degrees in _turns(best, ready):
        turned = _run(engine, ready.rotate(degrees, expand=True))
        if _worth(turned) > _worth(best):
            best = [replace(line, box=_turned_back(line.box, degrees)) for line in turned]
        if _sureness(turned) >= _CLEAR:
            break
    return [line for line in best if line.confidence >= (_SURE if len(line.text) > 1 else _SURE_LETTER)]


def _turns(lines: Sequence[Line], picture: "Image") -> tuple[int, ...]:
    """How many degrees to turn a picture for another try: it lies on its side, or stands on its head, or neither."""
    if len(lines) < _FEW:
        return ()
    sides = [((x.box[2] - x.box[0]) * picture.width, (x.box[3] - x.box[1]) * picture.height) for x in lines]
    if sum(height > 1.5 * width for width, height in sides) > 0.7 * len(lines):
        return (90, 270) if _sureness(lines) >= _CLEAR else (270, 90)  # the engine turns tall lines by 90 itself
    return (180,) if _sureness(lines) < _POOR else ()


def _sureness(lines: Sequence[Line]) -> float:
    """Mean confidence over letters, 0 for none."""
    return sum(len(x.text) * x.confidence for x in lines) / max(1, sum(len(x.text) for x in lines))


def _worth(lines: Sequence[Line]) -> float:
    """How much was read and how surely; lines as wide as they should be count more, as they come in their order."""
    wide = sum(x.box[2] - x.box[0] > x.box[3] - x.box[1] for x in lines)
    return sum(len(x.text) * x.confidence for x in lines) * (1.0 if wide > 0.5 * len(lines) else 0.6)


def _turned_back(box: Box, degrees: int) -> Box:
    """A box in a picture that was turned counter-clockwise, as it is in the picture before."""
    left, top, right, bottom = box
    if degrees == 90:
        return _rounded(1 - bottom, left, 1 - top, right)
    if degrees == 270:
        return _rounded(top, 1 - right, bottom, 1 - left)
    return _rounded(1 - right, 1 - bottom, 1 - left, 1 - top)


def _rounded(left: float, top: float, right: float, bottom: float) -> Box:
    """Four digits are less than a pixel, and what was clipped stays within [0, 1]."""
    a, b, c, d = (round(min(max(v, 0.0), 1.0), 4) for v in (left, top, right, bottom))
    return a, b, c, d


def _tiles(picture: "Image") -> Iterator[list[Line]]:
    """Lines of a long screenshot, tile by tile; of two tiles that overlap, each line comes from where it is whole."""
    width, height = picture.size
    tile = max(2 * width, _TILE)
    lap = tile // 8
    for top in range(0, height - lap, tile - lap)[:_TILES]:
        bottom = min(top + tile, height)
        low = 0 if top == 0 else top + lap // 2
        high = height if bottom == height else bottom - lap // 2
        lines = [_moved(line, top, bottom, height) for line in _read(picture.crop((0, top, width, bottom)))]
        yield [line for line in lines if low <= (line.box[1] + line.box[3]) / 2 * height < high]
        if bottom == height:
            return


def _moved(line: Line, top: int, bottom: int, height: int) -> Line:
    """A line of a tile from `top` to `bottom`, its box in shares of the whole height."""
    left, upper, right, lower = line.box
    scale = (bottom - top) / height
    return replace(line, box=_rounded(left, top / height + upper * scale, right, top / height + lower * scale))


def blocks(lines: Sequence[Line], size: int) -> Iterator[Block]:
    """Gather lines in reading order into Blocks of about `size` letters.

    A Block ends where there is no more room; then the wider the gap above a line, the sooner it begins a new one.
    Lines side by side come in one row of text, so that "TOTAL" stays with its sum.
    """
    rows = list(_rows(lines))
    total = sum(len(text) for text, _ in rows)
    even = total / max(1, -(-total // size))  # blocks of about equal length read better than a full one and a rest
    held: list[tuple[str, Box]] = []
    length = 0
    for text, box in rows:
        if held and (length + len(text) > size or (length >= 0.8 * even and _apart(held[-1][1], box))):
            yield _block(held)
            held, length = [], 0
        held.append((text, box))
        length += len(text) + 1
    if held:
        yield _block(held)


def _block(rows: Sequence[tuple[str, Box]]) -> Block:
    return Block("\n".join(text for text, _ in rows), union([box for _, box in rows]))


def _rows(lines: Sequence[Line]) -> Iterator[tuple[str, Box]]:
    """Lines that follow each other at the same height, left to right, as one row."""
    held: list[Line] = []
    for line in lines:
        if held and not _beside(held[-1].box, line.box):
            yield "  ".join(part.text for part in held), union([part.box for part in held])
            held = []
        held.append(line)
    if held:
        yield "  ".join(part.text for part in held), union([part.box for part in held])


def _beside(left: Box, right: Box) -> bool:
    """True if the second begins right of the first and they share most of their height."""
    shared = min(left[3], right[3]) - max(left[1], right[1])
    return right[0] > left[0] and shared > 0.5 * min(left[3] - left[1], right[3] - right[1])


def _apart(upper: Box, lower: Box) -> bool:
    """True if there is more than half a line of nothing between two rows, or the second is not below the first."""
    gap = lower[1] - upper[3]
    return gap > 0.5 * (lower[3] - lower[1]) or lower[3] < upper[1]


def _sized(picture: "Image") -> "Image":
    """Neither so large that it costs, nor so small that letters get lost."""
    if max(picture.size) < _SMALL:
        return picture.resize((picture.width * 2, picture.height * 2))
    return shrunk(picture, _LARGEST)


def _run(engine: Any, picture: "Image") -> list[Line]:
    """One pass of the engine: lines in reading order."""
    result = engine(_bgr(picture), use_rec=True)
    if result.boxes is None or not result.txts:
        return []
    lines = []
    for corners, text, score in zip(result.boxes, result.txts, result.scores, strict=True):
        xs, ys = corners[:, 0] / picture.width, corners[:, 1] / picture.height
        box = _rounded(float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
        words = " ".join(str(text).split())
        if words:
            lines.append(Line(words, box, float(score)))
    return [lines[i] for i in in_reading_order([line.box for line in lines])]


def _bgr(picture: "Image") -> Any:
    """(height, width, 3) in the order of channels that the engine's models were trained on."""
    import numpy as np

    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


@cache
def _engine() -> Any:
    """The engine of this process. Raises FileNotFoundError if the wheel has lost its models: nothing is fetched."""
    import cv2
    import rapidocr

    cv2.setNumThreads(1)
    folder = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            **{key: str(folder / name) for key, name in _MODELS.items()},
            "Global.log_level": "critical",
            "Global.use_cls": False,  # pictures are turned as a whole
            "Global.max_side_len": _LARGEST,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.limit_side_len": _DETECT,
            "Det.limit_type": "max",
            # Lines one by one, as wide as they are: padding short ones to a common width costs a third more.
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, 48, 64],
        }
    )
