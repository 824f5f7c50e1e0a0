"""What MiniLM's vectors give away to somebody with another model, and what defences cost and hide.

The held vectors are 8,000 sentences by MiniLM; the attacker has 8,000 others of the same mixture, and E5 or USE.
Attributes: which of 12 textbooks a sentence is from, by the textbook's subject; which of 7 sources, by one made-up
example each. Every attack without pairs is kept under benchmarks/out/translate, with a hash of the code.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import samespace.translate
from benchmarks.figure import Figure, check
from benchmarks.translate_data import MODELS, OUT, SOURCES, _texts, sentences, vectors
from benchmarks.translate_kept import mark, stored
from samespace.probe.audit import Case, Disclosure, attack, audit, disclosed
from samespace.space import Vectors
from samespace.translate.defence import Noised, Rotated, Rounded, cut_to
from samespace.translate.derived import neighbours_kept
from samespace.translate.protocol import Translator

__all__ = ["ALONE", "POINTS", "Point", "Setting", "figures", "kept_at", "measured"]

_TEXTS, _SIDE = 24_000, 8_000
_POOL, _QUERIES = 4_000, 2_000
_PAIRS = 100
_EARLIER = "; kept from an earlier state of the code, delete benchmarks/out/translate/audit-* to measure again"
_KEY = b"a key that the attacker has not"
_SENTENCE = r"(?<=[.!?])\s+(?=[A-Z\"'(])"
SUBJECTS = {
    "college-physics-bundle": "physics: forces, motion, light, waves and electric circuits",
    "chemistry-bundle": "chemistry: atoms, molecules, bonds and reactions",
    "contemporary-mathematics": "mathematics: numbers, sets, graphs, probability and geometry",
    "world-history": "world history: empires, kings, wars, trade and colonies",
    "astronomy": "astronomy: planets, stars, galaxies and telescopes",
    "anatomy-physiology": "anatomy: bones, muscles, nerves, blood and organs of the body",
    "principles-economics-bundle": "economics: supply, demand, price and markets",
    "introduction-anthropology": "anthropology: cultures, peoples, fossils and rituals",
    "american-government": "American government: congress, president, elections and courts",
    "introduction-sociology": "sociology: society, groups, inequality, family and work",
    "college-success-bundle": "advice for students: study habits, notes, money and health at college",
    "introduction-business": "business: companies, managers, marketing and employees",
}
EXAMPLES = {
    "wiki": "Wikipedia: he was born in 1950 and is an American film director.",
    "sts": "A man is playing a guitar. Police say two people died in the attack.",
    "figures": "The figure shows a diagram with labelled parts, arrows and axes.",
    "strategyqa": "Did Aristotle use a laptop? Fact: the river is 300 miles long.",
    "gsm8k": "How many apples does she have left if each costs $3?",
    "stories": "Once upon a time the little rabbit ran to his mother, crying.",
    "folio": "If all dogs are mammals, then no dog is a plant. Either A or B.",
}
POINTS = {
    "noise": ("0.25", "0.5", "1", "1.5", "2.5"), "bits": ("4", "2", "1"), "cut": ("192", "96", "48", "24"),
    "rotation": ("1",), "rotation + noise": ("1",),
}  # fmt: skip
ALONE = {("noise", "1"), ("bits", "1"), ("cut", "96"), ("rotation", "1")}
"""Points that are also attacked without any pair, at a minute of CPU each."""


@dataclass(frozen=True)
class Point:
    """One defence at one strength.

    Attributes:
        kept: share of the ten nearest neighbours among 4,000 that are the same behind it.
        found: what each attack finds: "100 pairs" and, where it was made, "no pairs".
        subject: share of sentences given their subject by each attack.
        note: whether the code has changed since.
    """

    kept: float
    found: Mapping[str, Disclosure]
    subject: Mapping[str, float | None]
    note: str = ""


@dataclass(frozen=True)
class Setting:
    """MiniLM's vectors in the hands of somebody with another model; attributes by source and by subject."""

    letter: str
    sources: Case
    subjects: Case

    @classmethod
    def of(cls, place: Path, letter: str) -> "Setting":
        """The attacker's model by its letter."""
        texts = sentences(place, _TEXTS)
        held, own = vectors(texts, "A"), vectors(texts, letter)
        here, there = np.arange(_SIDE), np.arange(_SIDE, 2 * _SIDE)
        sides = held[here], own[there], own[here]
        source, book = _origins(place)
        sources = np.array([source[text] for text in texts[:_SIDE]])
        books = np.array([book.get(text, -1) for text in texts[:_SIDE]])
        examples = vectors(tuple(EXAMPLES[one] for one in SOURCES), letter)
        names = vectors(tuple(SUBJECTS.values()), letter)
        return cls(letter, Case(*sides, examples, sources), Case(*sides, names, books))

    def hidden(self, by: Translator) -> "Setting":
        """The same behind a defence."""
        return Setting(self.letter, self.sources.hidden(by), self.subjects.hidden(by))


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """What is found with no pair and with 100, beside the baselines; then behind each defence."""
    for letter in "B" if quick else "BC":
        yield from _plain(Setting.of(place, letter), alone=not quick)
    setting = Setting.of(place, "B")
    for kind, strengths in POINTS.items():
        for strength in strengths:
            alone = not quick and (kind, strength) in ALONE
            yield _defended(f"{kind} {strength}", measured(setting, kind, strength, alone=alone))


def _plain(setting: Setting, *, alone: bool) -> Iterator[Figure]:
    ways = audit(setting.sources, pairs=(_PAIRS,)).found
    subject = {name: one.attribute for name, one in audit(setting.subjects, pairs=(_PAIRS,)).found.items()}
    note = ""
    if alone:
        point = measured(setting, "plain", "0", alone=True)
        ways, subject, note = {**ways, **point.found}, {**subject, **point.subject}, point.note
    for way, one in ways.items():
        bar = ">= 0.3" if way == "no pairs" else None
        yield Figure(
            f"audit, MiniLM held, {MODELS[setting.letter]} own, {way}: own text found", one.top1,
            f"top-1 of {_POOL:,}", ways["random text"].top1, bar, check(one.top1, bar) if bar else None, _QUERIES,
            f"{_told(one, subject[way])}, source among {len(EXAMPLES)} {one.attribute:.3f}"
            f"{note if way == 'no pairs' else ''}",
        )  # fmt: skip


def _defended(name: str, point: Point) -> Figure:
    told = [f"{way}: top-1 {one.top1:.3f}, {_told(one, point.subject[way])}" for way, one in point.found.items()]
    worst = max(one.top1 for one in point.found.values())
    notes = "peer: own text found by the better attack. " + "; ".join(told) + point.note
    return Figure(
        f"audit, defence {name}: neighbours kept@10", point.kept, f"of {_POOL:,}", worst, n=_POOL, notes=notes
    )


def _told(one: Disclosure, subject: float | None) -> str:
    return (
        f"first ten {one.top10:.3f}, mean rank {one.rank:.1f}, nearest of the attacker's texts at centred cosine "
        f"{one.likeness:.3f}, subject among {len(SUBJECTS)} {subject or 0:.3f}"
    )


def measured(setting: Setting, kind: str, strength: str, *, alone: bool) -> Point:
    """One point, from the store where it was measured before."""
    store = kept_at(setting.letter, kind, strength, alone=alone)
    data = stored(store, lambda: _measured(setting, kind, strength, alone=alone))
    found = {name: Disclosure(**one) for name, one in data["found"].items()}
    return Point(data["kept"], found, data["subject"], "" if data["code"] == _code() else _EARLIER)


def _measured(setting: Setting, kind: str, strength: str, *, alone: bool) -> dict[str, Any]:
    hidden = setting
    for one in kind.split(" + ") if kind != "plain" else ():
        hidden = hidden.hidden(defence(hidden.sources.held, one, strength))
    some = np.arange(_POOL)
    kept = neighbours_kept(setting.sources.held[some], hidden.sources.held[some], 10)
    found, subject = _attacked(hidden, alone=alone)
    told = {name: disclosure.to_dict() for name, disclosure in found.items()}
    return {"code": _code(), "kept": kept, "found": told, "subject": subject}


def kept_at(letter: str, kind: str, strength: str, *, alone: bool) -> Path:
    """Where a point is kept once it is measured."""
    way = f"{kind.replace(' + ', '-')}-{strength}-{'both' if alone else 'pairs'}"
    return OUT / f"audit-{letter}-{way}.json"


def _attacked(setting: Setting, *, alone: bool) -> tuple[dict[str, Disclosure], dict[str, float | None]]:
    order = np.random.default_rng(0).permutation(_SIDE)
    leaked, rows = order[:_PAIRS], np.sort(order[_PAIRS : _PAIRS + _POOL])
    maps = {f"{_PAIRS} pairs": attack(setting.sources, leaked)}
    if alone:
        maps["no pairs"] = attack(setting.sources, leaked[:0])
    made = {way: one(setting.sources.held[rows]) for way, one in maps.items()}
    found = {way: disclosed(setting.sources, one, rows) for way, one in made.items()}
    return found, {way: disclosed(setting.subjects, one, rows).attribute for way, one in made.items()}


def defence(held: Vectors, kind: str, strength: str) -> Translator:
    """The defence of a name."""
    if kind == "noise":
        return Noised.of(held.space, float(strength), _KEY)
    if kind == "bits":
        return Rounded.fit(held, int(strength))
    return cut_to(held.space, int(strength)) if kind == "cut" else Rotated.of(held.space, _KEY)


def _origins(place: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Sentence → number of its source, and of its textbook."""
    source: dict[str, int] = {}
    for i, name in enumerate(SOURCES):
        for text in _texts(place, name):
            for sentence in re.split(_SENTENCE, " ".join(text.split())):
                source.setdefault(sentence, i)
    book: dict[str, int] = {}
    table = pq.read_table(place / "openstax_figures/manifest.parquet", columns=["label", "alt", "caption"])
    for row in table.to_pylist():
        for sentence in (s for part in ("alt", "caption") for s in re.split(_SENTENCE, " ".join(row[part].split()))):
            book.setdefault(sentence, list(SUBJECTS).index(row["label"]))
    return source, book


def _code() -> str:
    """Of all that decides a figure: the Translators and the audit."""
    folder = Path(next(iter(samespace.translate.__path__)))
    names = "align frame ica axes assign consensus refine few procrustes linear pairs defence derived"
    return mark((*(folder / f"{name}.py" for name in names.split()), folder.parent / "probe" / "audit.py"))
