"""The order in which a person reads boxes of text: rows from the top, columns one after the other.

Boxes are (left, top, right, bottom) as shares of a page. Knows nothing of pictures. Imports the standard library only.
"""

from collections.abc import Sequence
from statistics import median

__all__ = ["Box", "in_reading_order", "union"]

Box = tuple[float, float, float, float]
_COLUMN_LINES = 4  # at least so many lines make a column
_COLUMN_WIDTH = 0.6  # a column's lines fill at least this share of it: running text does, a column of prices does not
_STRIP = 0.15  # the white strip between two columns is at most this share of both
_SPANNING = 0.2  # share of lines that may cross the gap between columns: headings


def union(boxes: Sequence[Box]) -> Box:
    """The box around boxes."""
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


def in_reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of boxes as they are read: two columns of running text one after the other, everything else by rows."""
    return _order(boxes, list(range(len(boxes))))


def _order(boxes: Sequence[Box], chosen: list[int]) -> list[int]:
    gap = _gap(boxes, chosen)
    if gap is None:
        return _by_rows(boxes, chosen)
    ordered: list[int] = []
    left: list[int] = []
    right: list[int] = []
    for i in sorted(chosen, key=lambda i: boxes[i][1]):
        if boxes[i][0] < gap < boxes[i][2]:  # a heading: what stands above it is read before it
            ordered += [*_order(boxes, left), *_order(boxes, right), i]
            left, right = [], []
        elif boxes[i][2] <= gap:
            left.append(i)
        else:
            right.append(i)
    return [*ordered, *_order(boxes, left), *_order(boxes, right)]


def _gap(boxes: Sequence[Box], chosen: list[int]) -> float | None:
    """The place of the white strip between two columns of running text, None if there is none."""
    if len(chosen) < 2 * _COLUMN_LINES:
        return None
    for x in sorted({boxes[i][2] for i in chosen}):
        at = x + 1e-6
        left = [boxes[i] for i in chosen if boxes[i][2] <= at]
        right = [boxes[i] for i in chosen if boxes[i][0] > at]
        crossing = len(chosen) - len(left) - len(right)
        if (
            crossing <= _SPANNING * len(chosen)
            and _is_column(left)
            and _is_column(right)
            and _side_by_side(left, right)
        ):
            return at
    return None


def _is_column(lines: list[Box]) -> bool:
    if len(lines) < _COLUMN_LINES:
        return False
    left, _, right, _ = union(lines)
    return median(b[2] - b[0] for b in lines) >= _COLUMN_WIDTH * (right - left)


def _side_by_side(left: list[Box], right: list[Box]) -> bool:
    """True if both are of like width, close together, and reach over much of the same height."""
    a, b = union(left), union(right)
    shared = min(a[3], b[3]) - max(a[1], b[1])
    narrow, wide = sorted((a[2] - a[0], b[2] - b[0]))
    close = b[0] - a[2] < _STRIP * (b[2] - a[0])
    return close and shared > 0.5 * min(a[3] - a[1], b[3] - b[1]) and narrow > 0.5 * wide


def _by_rows(boxes: Sequence[Box], chosen: list[int]) -> list[int]:
    """From top to bottom; boxes that share most of their height are one row, from left to right."""
    rows: list[list[int]] = []
    for i in sorted(chosen, key=lambda i: boxes[i][1] + boxes[i][3]):
        middle = (boxes[i][1] + boxes[i][3]) / 2
        if rows and _in_row(boxes, rows[-1], middle):
            rows[-1].append(i)
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: boxes[i][0])]


def _in_row(boxes: Sequence[Box], row: list[int], middle: float) -> bool:
    """True if a box with this middle belongs to a row: the middle of its last box is within half its height."""
    last = boxes[row[-1]]
    height = min(boxes[i][3] - boxes[i][1] for i in row)
    return abs((last[1] + last[3]) / 2 - middle) < 0.5 * height
