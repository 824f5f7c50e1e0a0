"""An Atlas as an SVG: spaces as boxes on a ring, translations as arrows with what they keep.

Knows nothing of files or indexes. Imports the standard library only.
"""

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from samespace.space import Space
from samespace.translate.atlas import Atlas, level
from samespace.translate.protocol import Translator

__all__ = ["drawing", "label"]

_WIDTH, _HEIGHT, _MARGIN = 250, 64, 40
_GAP = 200  # between two boxes side by side: room for a label
_ROUND = 46  # half the height of the ring, a box
_WIDE = 1.9
_BEND = 26
_COLOURS = {"trusted": "#1a7f37", "doubtful": "#9a6700", "failed": "#cf222e", "": "#57606a"}
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.small { font-size: 11px; fill: #57606a } .on { stroke: #ffffff; stroke-width: 5px; paint-order: stroke }
rect.box { fill: #f6f8fa; stroke: #8c959f } rect.held { fill: #ddf4ff; stroke: #0969da } .page { fill: #ffffff }
path { fill: none; stroke-width: 1.6 } .failed { stroke-dasharray: 2 4 } .unmeasured { stroke-dasharray: 7 4 }
@media (prefers-color-scheme: dark) {
 .page { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 } .on { stroke: #0d1117 }
 rect.box { fill: #161b22; stroke: #6e7681 } rect.held { fill: #0c2d6b; stroke: #58a6ff } }
"""


def label(translator: Translator) -> str:
    """What a translation keeps, how it was found, and what was judged of it."""
    facts: Mapping[str, Any] = getattr(translator, "facts", {})
    kept = "unmeasured" if translator.fidelity is None else f"{translator.fidelity:.2f} kept"
    parts = ["exact" if translator.fidelity == 1.0 else kept, str(facts.get("method", "")), level(translator)]
    return " · ".join(part for part in parts if part)


def drawing(atlas: Atlas, held: Mapping[Space, str] | None = None) -> str:
    """The SVG, one file with no script and nothing fetched.

    Args:
        atlas: what to draw.
        held: a line to put into the box of a Space, e.g. which index lives there.
    """
    places = _ring(len(atlas.spaces))
    at = dict(zip(atlas.spaces, places, strict=True))
    width = max((x for x, _ in places), default=0.0) + _WIDTH / 2 + _MARGIN
    height = max((y for _, y in places), default=0.0) + _HEIGHT / 2 + _MARGIN + (_BEND if len(places) <= 2 else 0)
    used: dict[frozenset[Space], int] = {}
    arrows = []
    for translator in atlas.translators:
        ends = frozenset((translator.source, translator.target))
        used[ends] = used.get(ends, 0) + 1
        arrows.append(_arrow(translator, at[translator.source], at[translator.target], used[ends]))
    heads = "".join(
        f'<marker id="head-{name or "none"}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" style="fill:{colour}"/></marker>'
        for name, colour in _COLOURS.items()
    )
    boxes = [_box(space, place, (held or {}).get(space, "")) for space, place in at.items()]
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    about = f"{len(atlas.spaces)} spaces and {len(atlas.translators)} translations"
    parts = [*(a for a, _ in arrows), *boxes, *(t for _, t in arrows)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{about}">\n<style>{_STYLE}</style>'
        f'<defs>{heads}</defs>\n<rect class="page" width="100%" height="100%"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _ring(count: int) -> list[tuple[float, float]]:
    """Middles of boxes: side by side up to two, else on an ellipse wide enough that none touch."""
    x, y = _MARGIN + _WIDTH / 2, _MARGIN + _HEIGHT / 2
    if count <= 2:
        return [(x + i * (_WIDTH + 1.4 * _GAP), y + _BEND) for i in range(count)]
    tall = max(170.0, float(count * _ROUND))
    wide = _WIDE * tall
    turns = [math.pi * (2 * i / count - 0.5) for i in range(count)]
    middles = [(wide * math.cos(turn), tall * math.sin(turn)) for turn in turns]
    left, top = min(a for a, _ in middles), min(b for _, b in middles)
    return [(x + a - left, y + b - top) for a, b in middles]


def _box(space: Space, place: tuple[float, float], more: str) -> str:
    x, y = place
    lines = [f"{space.dim} wide, {space.metric}", more] if more else [f"{space.dim} wide, {space.metric}"]
    kind = "held" if more else "box"
    texts = "".join(f'<text class="small" x="{x:.0f}" y="{y + 6 + 15 * i:.0f}">{_cut(line, 36)}</text>' for i, line in
                    enumerate(lines))  # fmt: skip
    return (
        f'<g><title>{escape(str(space))}</title><rect class="{kind}" x="{x - _WIDTH / 2:.0f}" '
        f'y="{y - _HEIGHT / 2:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text x="{x:.0f}" y="{y - 12:.0f}">{_cut(space.name, 30)}</text>{texts}</g>'
    )


def _arrow(translator: Translator, a: tuple[float, float], b: tuple[float, float], number: int) -> tuple[str, str]:
    """The curve, bent more the more there are between the same two, and its label."""
    colour, name = _COLOURS[level(translator)], level(translator)
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = max(math.hypot(dx, dy), 1.0)
    bend = 2 * _BEND * ((number + 1) // 2)
    middle = ((a[0] + b[0]) / 2 + dy / length * bend, (a[1] + b[1]) / 2 - dx / length * bend)
    start, end = _edge(a, middle), _edge(b, middle)
    at = [0.27 * s + 0.5 * m + 0.23 * e for s, m, e in zip(start, middle, end, strict=True)]
    kind = "failed" if name == "failed" else "unmeasured" if translator.fidelity is None else ""
    curve = (
        f'<path class="{kind}" d="M{start[0]:.1f} {start[1]:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {end[0]:.1f} '
        f'{end[1]:.1f}" style="stroke:{colour}" marker-end="url(#head-{name or "none"})"/>'
    )
    return curve, f'<text class="small on" x="{at[0]:.0f}" y="{at[1]:.0f}">{_cut(label(translator), 48)}</text>'


def _edge(middle: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from a box's middle leaves the box."""
    dx, dy = towards[0] - middle[0], towards[1] - middle[1]
    share = min(_WIDTH / 2 / max(abs(dx), 1e-9), _HEIGHT / 2 / max(abs(dy), 1e-9), 1.0)
    return middle[0] + share * dx, middle[1] + share * dy


def _cut(text: str, width: int) -> str:
    """Escaped, the middle left out where it is too long."""
    if len(text) > width:
        text = text[: width // 2] + "…" + text[len(text) - width // 2 + 1 :]
    return escape("".join(c if c.isprintable() else "?" for c in text))
