"""Is another domain seen before a translation is applied to it; are single rows ranked by how right they are."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.data import cranfield
from benchmarks.figure import Figure
from benchmarks.translate_data import SOURCES, origins, sentences, vectors
from samespace.space import Vectors, similarity
from samespace.translate.compose import compose
from samespace.translate.confidence import confidence, steadiness
from samespace.translate.domain import Domain
from samespace.translate.measure import measure
from samespace.translate.procrustes import Procrustes

__all__ = ["figures"]

_TEXTS = 24_000
_FITS = (100, 300, 1000, 8000)
_LEFT_OUT = ("", "gsm8k", "figures", "wiki", "stories")
_LOOKED = 500
_POOL, _QUERIES, _FIT_FROM = 4000, 1500, 6000


def figures(place: Path, quick: bool) -> Iterator[Figure]:
    """Domains first, then single rows, then routes."""
    texts = sentences(place, _TEXTS)
    yield from _domains(place, texts, "AB", _FITS[-1:] if quick else _FITS)
    yield from _rows(vectors(texts, "A"), vectors(texts, "C"), (300,) if quick else (100, 300, 1000, 3000))
    yield _composed([vectors(texts, letter) for letter in "ABC"])


def _domains(place: Path, texts: Sequence[str], letters: str, fits: Sequence[int]) -> Iterator[Figure]:
    """Looks at a special collection, at held-out rows, and at single sources, fitted on or left out."""
    known = origins(place)
    source = np.array([known.get(text, "?") for text in texts])
    special, held, single = list[bool](), list[bool](), list[bool]()
    shifts = list[float]()
    for letter in letters:
        rows = vectors(texts, letter)
        documents = vectors(cranfield(place).documents, letter)
        for n in fits:
            for left_out in _LEFT_OUT:
                order = np.random.default_rng(1).permutation(np.flatnonzero(source != left_out))
                fit = order[:n]
                domain = Domain.of(rows[fit])
                assert domain is not None
                look = domain.look(documents)
                special.append(look.outside)
                shifts.append(look.shift)
                held.append(domain.look(rows[order[n : n + _LOOKED]]).outside)
                for name in (left_out,) if left_out else SOURCES:
                    own = np.setdiff1d(np.flatnonzero(source == name), fit)[:_LOOKED]
                    single.append(domain.look(rows[own]).outside)
    notes = f"Cranfield; shift {min(shifts):.2f} to {max(shifts):.2f}, other domain from .45; peer: held-out rows"
    flagged, wrong, one = float(np.mean(special)), float(np.mean(held)), float(np.mean(single))
    yield Figure("special collection, fit on general texts: flagged before it is applied", flagged, "share of looks",
                 wrong, ">= 1, held-out rows 0", flagged == 1 and wrong == 0, len(special), notes)  # fmt: skip
    yield Figure("one source of the general texts, fitted on or left out: flagged", one, "share of looks", None,
                 "<= 0.02", one <= 0.02, len(single), "gsm8k, captions, wiki, stories, …")  # fmt: skip


def _rows(source: Vectors, target: Vectors, fits: Sequence[int]) -> Iterator[Figure]:
    """MiniLM → USE: the confidence of right and wrong rows, and the steadiness of near and far ones."""
    rows, pool = np.arange(_QUERIES), np.arange(_POOL)
    for n in fits:
        fit = np.arange(_FIT_FROM, _FIT_FROM + n)
        whole, half = (Procrustes.fit(source[part], target[part]) for part in (fit, fit[::2]))
        made = whole(source[rows])
        right = similarity(made, target[pool]).argmax(axis=1) == rows
        area = _auroc(confidence(made, target[pool]), right)
        bar, holds = (">= 0.85", area >= 0.85) if n >= 300 else (None, None)
        yield Figure(f"confidence of single rows, {n:,} pairs: AUROC of right against wrong top-1 of {_POOL:,}", area,
                     "", 0.5, bar, holds, _QUERIES, f"top-1 {right.mean():.2f}; peer: chance")  # fmt: skip
        true = whole.after.enter(target.data[rows])
        cosine = (whole.carried(source.data[rows]) * true).sum(axis=1)
        worst = cosine < np.quantile(cosine, 0.25)
        area = _auroc(-steadiness(whole, half, source[rows]), worst)
        yield Figure(f"steadiness under two fits, {n:,} pairs: AUROC of the worst quarter of rows", area, "", 0.5,
                     None, None, _QUERIES, "no row of the target is used; peer: chance")  # fmt: skip


def _composed(sides: Sequence[Vectors]) -> Figure:
    """MiniLM → E5 → USE as one map and as two, each fitted on 3,000 pairs of its own."""
    a, b, c = sides
    fits = np.arange(6000, 9000), np.arange(12_000, 15_000)
    one, two = Procrustes.fit(a[fits[0]], b[fits[0]]), Procrustes.fit(b[fits[1]], c[fits[1]])
    rows = np.arange(3000)
    joined = compose(one, two)
    frame = two.after
    both, single = frame.enter(two(one(a[rows])).data), frame.enter(joined(a[rows]).data)
    kept = measure(joined, a[rows], c[rows], queries=1000).kept
    agreed = float((both * single).sum(axis=1).mean())
    return Figure("two linear steps as one, MiniLM → E5 → USE: cosine to both steps", agreed, "", None, ">= 0.99",
                  agreed >= 0.99, len(rows), f"neighbours kept {kept:.3f} of 3,000")  # fmt: skip


def _auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """How often a right one is above a wrong one."""
    ranks = np.argsort(np.argsort(scores)) + 1.0
    n = int(right.sum())
    return float((ranks[right].sum() - n * (n + 1) / 2) / max(1, n * (len(right) - n)))
