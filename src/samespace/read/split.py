"""Cut long text into passages where its own borders are: paragraphs, lines, sentences, clauses, words.

A passage is a range of the text, so text[start:end] is the passage, and nothing but white space lies between two.
Length is counted in Latin letters: a Chinese, Japanese or Korean character says about as much as 2.5 of them.

Knows nothing of files or Items. Imports numpy only. Letters: n characters.
"""

import re
from bisect import bisect_left

import numpy as np

__all__ = ["split", "width"]

_CLOSERS = "\"'”’»)\\]】」』）》〉"
_BREAKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n[^\S\n]*\n\s*|\f\s*",  # a paragraph
        rf"(?<=[.!?…])[{_CLOSERS}]*\s+|[。！？．｡؟।॥។။]+[{_CLOSERS}]*\s*|[!?…]+[{_CLOSERS}]+\s*|\n\s*",  # a sentence
        r"(?<=[,;:–—])\s+|[，、；：､،؛]+\s*",  # a clause
        r"\s+|\u200b+",  # a word
    )
)
_SOLID = re.compile(r"\S")
_SENTENCE = 1  # borders up to this one are good places to begin an overlap
_WIDE = 5  # a wide character, in half Latin letters
_NARROW = 2
# First and last code point of the scripts that write a word or a syllable with one character.
_WIDE_RANGES = (
    (0x1100, 0x11FF),
    (0x2E80, 0x303E),
    (0x3041, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFFEF),
    (0x17000, 0x18CFF),
    (0x1B000, 0x1B2FF),
    (0x20000, 0x3FFFF),
)
# Marks that belong to the character before them: never first in a passage if a cut is in a word.
_GLUED = re.compile(r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f"
                    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
                    r"\u200c\u200d\u3099\u309a\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")  # fmt: skip


def _half_widths(text: str) -> np.ndarray:
    """(n + 1,) running width in half Latin letters: text[a:b] is as wide as sums[b] - sums[a]."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    wide = np.zeros(len(codes), bool)
    if len(codes) and int(codes.max()) >= _WIDE_RANGES[0][0]:
        for first, last in _WIDE_RANGES:
            wide |= (codes >= first) & (codes <= last)
    sums = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(np.where(wide, _WIDE, _NARROW), out=sums[1:])
    return sums


def width(text: str) -> float:
    """How long a text is, in Latin letters.

    >>> width("abcd"), width("空间")
    (4.0, 5.0)
    """
    return float(_half_widths(text)[-1]) / _NARROW


def split(text: str, size: int, overlap: int) -> list[tuple[int, int]]:
    """Cut text into passages.

    Args:
        text: (n) characters.
        size: greatest width of a passage, in Latin letters; a single character may be wider.
        overlap: how much of a passage's end the next repeats, in Latin letters, at most size / 2: whole sentences
            where they fit, words within a sentence that had to be cut, nothing across a paragraph if none fits.

    Returns:
        Ranges (start, end), both rising; each begins and ends with a character that is no white space, and together
        they hold every such character. [] if there is none.
    """
    if size < 1 or overlap < 0:
        raise ValueError(f"size {size} must be at least 1 and overlap {overlap} at least 0")
    sums = _half_widths(text)
    ranges: list[tuple[int, int]] = []
    start, least = _skip(text, 0), 0  # a passage ends beyond `least`, so that each brings something new
    while start < len(text):
        fits = int(np.searchsorted(sums, sums[start] + size * _NARROW, side="right")) - 1
        if fits >= len(text):
            end, rank = len(text.rstrip()), 0
        else:
            middle = int(np.searchsorted(sums, sums[start] + size, side="left"))
            end, rank = _cut(text, start, max(middle, least, start), max(fits, start + 1))
        if end <= least:  # nothing new fits beside the overlap
            start = _skip(text, least)
            continue
        ranges.append((start, end))
        least = end
        wanted = int(np.searchsorted(sums, sums[end] - min(overlap, size // 2) * _NARROW, side="left"))
        start = _skip(text, _restart(text, max(wanted, start + 1), end, rank))
    return ranges


def _skip(text: str, at: int) -> int:
    """The first place from `at` on that is no white space; the text's length if there is none."""
    found = _SOLID.search(text, at)
    return found.start() if found else len(text)


def _cut(text: str, start: int, low: int, high: int) -> tuple[int, int]:
    """The best end in (low, high], trailing white space off, and the rank of the border there (4: none)."""
    window = text[low : high + 1]
    for rank, border in enumerate(_BREAKS):
        ends = [m.start() + len(m.group().rstrip()) for m in border.finditer(window)]
        for end in reversed(ends):
            if 0 < end <= high - low:
                stripped = len(text[start : low + end].rstrip())
                if start + stripped > low:
                    return start + stripped, rank
    end = high
    while end - 1 > max(low, start) and end < len(text) and (_GLUED.match(text, end) or text[end - 1] == "\u200d"):
        end -= 1
    return start + len(text[start:end].rstrip()), len(_BREAKS)


def _restart(text: str, low: int, end: int, rank: int) -> int:
    """Where the next passage begins, in [low, end]: the overlap."""
    if low >= end:
        return end
    window = text[low - 1 : end]
    for border in _BREAKS[: _SENTENCE + 1]:
        starts = [m.end() + low - 1 for m in border.finditer(window) if m.end() < len(window)]
        at = bisect_left(starts, low)
        if at < len(starts):
            return starts[at]
    if rank <= _SENTENCE:
        return end
    found = _BREAKS[-1].search(window)
    if found and found.end() < len(window):
        return max(low, found.end() + low - 1)
    while low < end and _GLUED.match(text, low):
        low += 1
    return low
