"""Snippets: the words around the place that matches, as plain text of at most 300 characters.

Knows nothing of scores. Imports the standard library only.
"""

import re
from collections.abc import Collection

from samespace.index.term import normalize

__all__ = ["snippet"]

_LONGEST = 300
_SENTENCE = re.compile(r"[^.!?。！？…\n]*(?:[.!?。！？…]+[\"'”’」)\]]*|\n|$)\s*")


def snippet(text: str, terms: Collection[str], longest: int = _LONGEST) -> str:
    """Cut out the sentences that hold most of the terms; the beginning if none holds any.

    A term counts in full where it stands and by half where a word begins alike (pencil, pencils).
    """
    flat = text.replace("\u2028", "\n").replace("\u2029", "\n")
    sentences = [s for s in _SENTENCE.findall(flat) if s.strip()] or [flat]
    best = max(range(len(sentences)), key=lambda i: (_held(sentences[i], terms), -i)) if terms else 0
    first = last = best
    while last + 1 < len(sentences) and sum(map(len, sentences[first : last + 2])) <= longest:
        last += 1
    while first > 0 and sum(map(len, sentences[first - 1 : last + 1])) <= longest:
        first -= 1
    made = _plain("".join(sentences[first : last + 1]))
    if len(made) > longest:
        made = _around(made, terms, longest)
    else:
        made = ("…" if first > 0 and len(made) < longest else "") + made
    return made[: longest - 1] + "…" if len(made) > longest else made


def _held(sentence: str, terms: Collection[str]) -> float:
    words = set(normalize(sentence))
    starts = {w[:5] for w in words if len(w) >= 5}
    return sum(1.0 if t in words else 0.5 if len(t) >= 5 and t[:5] in starts else 0.0 for t in terms)


def _around(text: str, terms: Collection[str], longest: int) -> str:
    """A window of a long sentence that begins a little before the first term."""
    low = text.lower()
    places = [at for t in terms if (at := low.find(t)) >= 0]
    start = max(0, min(places, default=0) - longest // 4)
    start = min(start, max(0, len(text) - longest + 2))
    window = text[start : start + longest - 2]
    return ("…" if start else "") + window + ("…" if start + len(window) < len(text) else "")


def _plain(text: str) -> str:
    """One line, without control and direction marks."""
    kept = "".join(c if c.isprintable() or c.isspace() else " " for c in text)
    return re.sub(r"\s+", " ", kept).strip()
