"""The trace of a thought as a page of its own: no script, nothing fetched.

Imports the standard library only.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samespace.encode.hf_trace import Step

__all__ = ["page"]

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.4rem .6rem;border-bottom:1px solid #ddd;text-align:left;"
    "vertical-align:top}b{font-weight:600}small{color:#777}svg{width:100%;height:auto}"
)
_WIDE, _TALL, _EDGE = 640, 160, 30


def page(query: str, model: str, steps: Sequence["Step"], items: Sequence[Sequence[str]] = ()) -> str:
    """An HTML page.

    Args:
        query: what was thought about.
        model: name of the Space.
        steps: in order.
        items: for each step the names of the nearest items, if an index was asked.
    """
    head = "<th>step</th><th>would say next</th><th>turned</th><th>KL</th>" + (
        "<th>nearest items</th>" if items else ""
    )
    rows = "".join(_row(step, items[i] if items else None) for i, step in enumerate(steps))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(query)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(query)}</h1><p><small>{escape(model)}</small></p>{_curve(steps)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></html>\n"
    )


def _row(step: "Step", near: Sequence[str] | None) -> str:
    words = " ".join(f"<b>{escape(repr(word)[1:-1])}</b>&nbsp;<small>{share:.2f}</small>" for word, share in step.words)
    kl = "" if step.moved is None else f"{step.moved:.4f}"
    found = "" if near is None else "<td>" + "<br>".join(map(escape, near)) + "</td>"
    return f"<tr><td>{step.number}</td><td>{words or '-'}</td><td>{step.turned:.4f}</td><td>{kl}</td>{found}</tr>"


def _curve(steps: Sequence["Step"]) -> str:
    """KL over steps on a logarithmic scale from 1e-5 to 100 nats, with the bound below which thinking would stop."""
    known = [(step.number, step.moved) for step in steps if step.moved is not None and step.number]
    if not known:
        return ""
    places = [(n, _across(n, len(steps)), _up(kl)) for n, kl in known]
    points = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in places)
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#246"/>'
        f'<text x="{x:.1f}" y="{y - 8:.1f}" font-size="11" fill="#246" text-anchor="middle">step {n}</text>'
        for n, x, y in places
    )
    bound = _up(5e-4)
    return (
        "<p>How far each step moved what would be said next: KL, on a logarithmic scale.</p>"
        f'<svg viewBox="0 0 {_WIDE} {_TALL}" role="img" aria-label="KL over steps"><line x1="{_EDGE}" x2="{_WIDE}" '
        f'y1="{bound:.1f}" y2="{bound:.1f}" stroke="#c44" stroke-dasharray="4"/><text x="{_EDGE + 4}" '
        f'y="{bound - 4:.1f}" font-size="11" fill="#c44">stops below 0.0005</text>'
        f'<polyline points="{points}" fill="none" stroke="#246" stroke-width="2"/>{marks}</svg>'
    )


def _across(number: int, count: int) -> float:
    return _EDGE + (_WIDE - 2 * _EDGE) * number / max(count - 1, 1)


def _up(kl: float) -> float:
    share = (math.log10(min(max(kl, 1e-5), 100.0)) + 5) / 7
    return _TALL - 10 - (_TALL - 20) * share
