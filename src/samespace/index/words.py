"""The words of a query: which of them tell one text from another, and when their match alone is proof enough.

Function words of common languages and words that stand nearly everywhere tell nothing. A match is proof if all telling
words are there, if a code (HB-2024-0417) is there letter by letter, or if nearly all of the weight and at least two
rare words are.

Knows nothing of vectors. Imports the standard library only, numpy for the mask. Letters: m item rows.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from samespace.index.term import normalize

if TYPE_CHECKING:
    from samespace.index.snapshot import Snapshot

__all__ = ["PROVEN", "Asked", "Proof", "script", "telling"]

Proof = Literal["none", "hint", "words", "code"]
PROVEN: frozenset[Proof] = frozenset({"words", "code"})

_COMMON = 0.25  # share of item rows in which a word stands that tells nothing, in a collection large enough to say
_MANY = 200  # item rows from which on any telling word is a hint, not only most of them
_ENOUGH = 40  # item rows from which on that share is believed
_COVERAGE, _HINT = 0.75, 0.5  # shares of the weight of a query's words
_CODE = re.compile(r"[^\W_]+(?:[-_./:#][^\W_]+)*")


@cache
def _stopwords() -> frozenset[str]:
    text = files("samespace.index").joinpath("stopwords.txt").read_text(encoding="utf-8")
    return frozenset(unicodedata.normalize("NFKC", text).lower().split())


def telling(text: str) -> list[str]:
    """Terms of a text without function words and single Latin letters, in order, without repeats."""
    terms = dict.fromkeys(normalize(text))
    return [t for t in terms if t not in _stopwords() and (len(t) > 1 or not t.isascii())]


def script(text: str) -> str:
    """The writing most of a text's letters belong to: "LATIN", "CJK", "CYRILLIC", …; "LATIN" if it has none."""
    if text.isascii():
        return "LATIN"
    counts = Counter(_writing(letter) for letter in text[:400] if letter.isalpha())
    return max(counts, key=lambda name: counts[name]) if counts else "LATIN"


@lru_cache(4096)
def _writing(letter: str) -> str:
    name = unicodedata.name(letter, "LATIN").split(" ", 1)[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA") else name


@dataclass(frozen=True)
class Asked:
    """What a query's words weigh in one collection.

    Attributes:
        text: the words, for full-text search; "" if none tells anything.
        weights: idf of each telling term.
        rare: terms that stand in few rows.
        codes: numbers and names with digits in them, lower case, to be matched letter by letter.
        only_stopwords: there were words, and none tells anything.
        many: there are enough rows for how often a word stands there to say how much it tells.
    """

    text: str
    weights: dict[str, float]
    rare: frozenset[str]
    codes: tuple[str, ...]
    only_stopwords: bool = False
    many: bool = False

    @classmethod
    def of(cls, words: str, snapshot: "Snapshot") -> "Asked":
        """Weigh the words of a query by how often they stand in the collection."""
        terms = telling(words)
        total = len(snapshot.rows)
        weights, rare = {}, set()
        for term in terms:
            seen = snapshot.lexicon.count(term) if total else 0
            if total >= _ENOUGH and seen > _COMMON * total:
                continue
            weights[term] = math.log1p((total - seen + 0.5) / (seen + 0.5))
            if seen <= max(3, 0.02 * total):
                rare.add(term)
        codes = tuple(c for c in _CODE.findall(words.lower()) if _is_code(c))
        only = bool(normalize(words)) and not terms and not codes
        return cls(" ".join(weights), weights, frozenset(rare), codes, only, total >= _MANY)

    def proof(self, texts: Sequence[str]) -> Proof:
        """Whether these texts (a passage, its file's name and title) match by their words beyond doubt, and how."""
        if not self.weights:
            return "none"
        held = set(normalize(" ".join(texts)))
        if self.codes and any(_stands(code, text.lower()) for code in self.codes for text in texts):
            return "code"
        matched = [t for t in self.weights if t in held]
        rare = self.rare.intersection(matched)
        if len(matched) == len(self.weights):
            return "words" if rare and (len(matched) > 1 or len(matched[0]) > 2 or not matched[0].isascii()) else "hint"
        share = sum(self.weights[t] for t in matched) / sum(self.weights.values())
        if share >= _COVERAGE and len(rare) >= 2:
            return "words"
        return "hint" if share >= _HINT or (matched and self.many) else "none"


def _is_code(word: str) -> bool:
    """Long enough to be no coincidence, with a digit in it; a bare number only from five digits on."""
    digits = sum(c.isdigit() for c in word)
    return digits > 0 and (len(word) >= 5 or (len(word) >= 4 and digits < len(word)))


def _stands(code: str, text: str) -> bool:
    """Whether a code stands in a text, with a border on each side."""
    at = text.find(code)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(code) : at + len(code) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = text.find(code, at + 1)
    return False
