"""An audit as a picture: one bar a way of reading the vectors, for each thing that it can give away. Plain SVG.

Imports the standard library only.
"""

from collections.abc import Sequence
from html import escape

from samespace.probe.audit import BASELINES, Audit, Disclosure

__all__ = ["svg"]

_LEFT, _WIDE, _GAP, _HIGH, _TOP = 130, 190, 70, 22, 64
_MEASURES = ("own text among the first ten", "own text like the attacker's", "label right")
_COLOURS = {"baseline": "#9aa4b2", "attack": "#c2410c"}


def svg(audit: Audit) -> str:
    """An SVG document: attacks dark, baselines grey; all bars go from 0 to 1."""
    labelled = any(one.attribute is not None for one in audit.found.values())
    measures = _MEASURES if labelled else _MEASURES[:2]
    width = _LEFT + len(measures) * (_WIDE + _GAP)
    height = _TOP + _HIGH * len(audit.found) + 30
    facts = audit.facts
    title = f"{facts['held']} read by {facts['own']}, {facts['queries']:,} rows, {facts['pool']:,} candidates"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(10, 20, title, "#111827"),
        *(_text(_LEFT + i * (_WIDE + _GAP), 48, name, "#374151") for i, name in enumerate(measures)),
        *(line for i, (name, one) in enumerate(audit.found.items()) for line in _row(i, name, _values(one, measures))),
        _text(10, height - 10, "More than chance is a leak; chance proves no safety.", "#6b7280"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _values(one: Disclosure, measures: Sequence[str]) -> list[float]:
    return [one.top10, one.likeness, one.attribute or 0.0][: len(measures)]


def _row(i: int, name: str, values: Sequence[float]) -> list[str]:
    y = _TOP + i * _HIGH
    colour = _COLOURS["baseline" if name in BASELINES else "attack"]
    made = [_text(10, y + 12, name, "#111827")]
    for column, value in enumerate(values):
        x = _LEFT + column * (_WIDE + _GAP)
        length = max(1.0, _WIDE * min(1.0, max(0.0, value)))
        made.append(f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{_HIGH - 7}" fill="{colour}"/>')
        made.append(_text(x + length + 5, y + 12, f"{value:.3f}", "#374151"))
    return made


def _text(x: float, y: float, words: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}">{escape(words)}</text>'
