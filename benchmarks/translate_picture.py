"""The learning curves of docs/translate.md: what a translation keeps, by the number of pairs.

    python -m benchmarks.translate_picture [DATA]

Curves are kept in benchmarks/out/translate/curves.json; delete it to measure them again.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

from benchmarks.data import folder
from benchmarks.translate_data import OUT, sentences, vectors
from samespace.space import Vectors
from samespace.translate.few import few
from samespace.translate.fit import fit
from samespace.translate.measure import measure

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "translate_curves.svg"
_NAMES = {"A": "MiniLM", "B": "E5", "C": "USE", "D": "WordLlama"}
_SIDES = ("AB", "AC", "BC", "DA")
_PAIRS = (10, 30, 100, 300, 1000, 3000, 10_000)
_FEW = (10, 30, 100)
_TEXTS, _POOL, _QUERIES, _ROWS = 24_000, 5000, 500, 6000
_COLOURS = ("#0969da", "#1a7f37", "#8250df", "#bc4c00")
_WIDTH, _HEIGHT, _LEFT, _TOP = 380, 250, 46, 34
_STYLE = """text { font: 12px system-ui, sans-serif; fill: #57606a } .page { fill: #fff } .grid { stroke: #d0d7de }
path { fill: none; stroke-width: 2 } .few { stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) { .page { fill: #0d1117 } text { fill: #9198a1 } .grid { stroke: #30363d } }"""

Curve = list[tuple[int, float, float]]
"""Pairs, neighbours kept, top-1."""


def measured(place: Path) -> dict[str, Curve]:
    """The curves: what "auto" takes, on pairs; and few pairs with rows that have no partner."""
    kept = OUT / "curves.json"
    curves: dict[str, Curve] = json.loads(kept.read_text()) if kept.is_file() else {}
    texts = sentences(place, _TEXTS)
    for name in (*_SIDES, "few"):
        if name not in curves:
            source, target = (vectors(texts, letter) for letter in ("AC" if name == "few" else name))
            curve = [_with_rows(source, target, n) for n in _FEW] if name == "few" else None
            curves[name] = curve or [_paired(source, target, n) for n in _PAIRS]
            kept.write_text(json.dumps(curves))
    return curves


def _paired(source: Vectors, target: Vectors, n: int) -> tuple[int, float, float]:
    rows, pool = np.arange(_POOL, _POOL + n), np.arange(_POOL)
    found = measure(fit(source[rows], target[rows]), source[pool], target[pool], queries=_QUERIES)
    return n, found.kept, found.top1


def _with_rows(source: Vectors, target: Vectors, n: int) -> tuple[int, float, float]:
    rows, pool = np.arange(_POOL, _POOL + n), np.arange(_POOL)
    x, y = np.arange(6000, 6000 + _ROWS), np.arange(12_000, 12_000 + _ROWS)
    found = measure(few(source[x], target[y], source[rows], target[rows]), source[pool], target[pool], queries=_QUERIES)
    return n, found.kept, found.top1


def drawn(curves: dict[str, Curve]) -> str:
    """Both panels, as an SVG."""
    panels = [
        _panel(curves, 1, 0, f"share of the 10 true neighbours kept, pool {_POOL:,}"),
        _panel(curves, 2, _WIDTH + _LEFT + 26, f"top-1: the right one of {_POOL:,} found"),
    ]
    names = [f"{_NAMES[side[0]]} → {_NAMES[side[1]]}" for side in _SIDES] + [
        f"MiniLM → USE, and {_ROWS:,} rows a side without a pair"
    ]
    legend, x = [], float(_LEFT)
    for i, name in enumerate(names):
        colour, kind = (_COLOURS[i], "") if i < len(_SIDES) else (_COLOURS[1], "few")
        y = _TOP + _HEIGHT + 52
        legend.append(f'<path class="{kind}" d="M{x:.0f} {y - 4}h22" style="stroke:{colour}"/><text x="{x + 27:.0f}" '
                      f'y="{y}">{name}</text>')  # fmt: skip
        x += 44 + 6.6 * len(name)
    wide, tall = 2 * (_WIDTH + _LEFT) + 46, _TOP + _HEIGHT + 68
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}" '
        f'role="img" aria-label="what a translation keeps by the number of pairs">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="100%" height="100%"/>\n' + "\n".join([*panels, *legend]) + "\n</svg>\n"
    )


def _panel(curves: dict[str, Curve], which: int, left: float, title: str) -> str:
    def x(n: int) -> float:
        return left + _LEFT + (math.log10(n) - 1) / 3 * _WIDTH

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - value)

    parts = [f'<text x="{left + _LEFT:.0f}" y="20">{title}</text>']
    parts += [
        f'<path class="grid" d="M{x(10):.0f} {y(value):.0f}h{_WIDTH}" style="stroke-width:1"/>'
        f'<text x="{left + 14:.0f}" y="{y(value) + 4:.0f}">{value:.1f}</text>'
        for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    parts += [f'<text x="{x(n):.0f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{n:,}</text>' for n in _PAIRS]
    for name, colour in zip((*_SIDES, "few"), (*_COLOURS, _COLOURS[1]), strict=True):
        line = "L".join(f"{x(point[0]):.1f} {y(point[which]):.1f}" for point in curves[name])
        kind = ' class="few"' if name == "few" else ""
        parts.append(f'<path{kind} d="M{line}" style="stroke:{colour}"/>')
    parts.append(f'<text x="{x(320):.0f}" y="{_TOP + _HEIGHT + 34}" text-anchor="middle">pairs</text>')
    return "\n".join(parts)


if __name__ == "__main__":
    PICTURE.write_text(drawn(measured(folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None))), "utf-8")
    print(PICTURE)
