"""The page of a training: its settings and its curves, as one file without scripts.

Imports the standard library only.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

__all__ = ["svg", "write"]

_WIDE, _HIGH, _EDGE = 640, 220, 44
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem;color:#222}"
    "svg{width:100%;height:auto}table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
    "text{font:11px system-ui,sans-serif;fill:#555}.line{fill:none;stroke:#06c;stroke-width:2}"
    ".chance{fill:none;stroke:#999;stroke-dasharray:4 4}.axis{stroke:#ccc}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}text{fill:#aaa}.line{stroke:#6af}}"
)


def write(path: Path, plan: str, settings: Mapping[str, str], curve: Sequence[Mapping[str, float]]) -> None:
    """Write the page: a figure for every measure of the curve, its chance as a broken line beside it."""
    names = [
        n for n in dict.fromkeys(k for point in curve for k in point) if n != "step" and not n.startswith("chance@")
    ]
    figures = "".join(f"<h2>{escape(name)}</h2>{svg(curve, name)}" for name in names)
    rows = "".join(f"<tr><td>{escape(k)}<td>{escape(v)}" for k, v in settings.items())
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>samespace train {escape(plan)}</title><style>{_STYLE}</style>"
        f"<h1>samespace train {escape(plan)}</h1>{figures}<h2>Settings</h2><table>{rows}</table></html>\n",
        "utf-8",
    )


def svg(curve: Sequence[Mapping[str, float]], name: str) -> str:
    """One measure over the steps, inline; the last value is written at its end."""
    points = [(point["step"], point[name]) for point in curve if name in point]
    chance = [(point["step"], c) for point in curve if (c := point.get(name.replace("recall", "chance"))) is not None]
    chance = [] if name.startswith("chance") or "recall" not in name else chance
    top = max(y for _, y in points + chance) or 1.0
    low = min(0.0, *(y for _, y in points + chance))
    last = max(max(x for x, _ in points), 1.0)

    def at(x: float, y: float) -> str:
        across = _EDGE + (_WIDE - 2 * _EDGE) * x / last
        down = _HIGH - 24 - (_HIGH - 44) * (y - low) / max(top - low, 1e-12)
        return f"{across:.1f},{down:.1f}"

    line = " ".join(at(x, y) for x, y in points)
    broken = f'<polyline class="chance" points="{" ".join(at(x, y) for x, y in chance)}"/>' if chance else ""
    end_x, end_y = at(*points[-1]).split(",")
    return (
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(name)} by step">'
        f'<line class="axis" x1="{_EDGE}" y1="{_HIGH - 24}" x2="{_WIDE - _EDGE}" y2="{_HIGH - 24}"/>{broken}'
        f'<polyline class="line" points="{line}"/><text x="{end_x}" y="{float(end_y) - 6:.1f}" text-anchor="end">'
        f'{points[-1][1]:.3g}</text><text x="4" y="20">{top:.3g}</text><text x="4" y="{_HIGH - 24}">{low:.3g}</text>'
        f'<text x="{_WIDE - _EDGE}" y="{_HIGH - 6}" text-anchor="end">step {last:.0f}</text></svg>'
    )
