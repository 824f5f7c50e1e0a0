"""The spaces that translation without pairs is tried on: real ones, and ones made from them.

A space is named by a letter of translate_data.MODELS, or F, which is LSA of the same texts (far from all encoders).
After the letter there may be a change: "~turn" (turned at random and blurred to cosine .89), "~warp" (bent smoothly),
"~cut" (its 128 strongest directions, turned), "~bits" (signs after a turn), "~blur" (noise as long as the vector),
"~shuffle" (every column by itself: the same numbers, nothing of the texts), "~noise" (random rows).
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.translate_data import OUT, sentences, vectors
from samespace.space import Space, Vectors
from samespace.translate.near import unit
from samespace.translate.procrustes import polar

__all__ = ["CHANGES", "TEXTS", "space"]

TEXTS = 24_000
_LSA = 384


@lru_cache(8)
def space(data: Path, name: str, texts: int = TEXTS) -> Vectors:
    """All texts in the space of this name; those beyond the first 24,000 are kept by themselves."""
    letter, _, change = name.partition("~")
    made = _lsa(data) if letter == "F" else vectors(sentences(data, TEXTS), letter)
    if texts > TEXTS:
        made = made.concat(vectors(sentences(data, texts)[TEXTS:], letter))
    if not change:
        return made
    rows = CHANGES[change](made.data, np.random.default_rng(99))
    return Space(f"{made.space.name.split('@')[0]}~{change}@1", rows.shape[1]).vectors(rows)


def _lsa(data: Path) -> Vectors:
    """TF-IDF and a singular value decomposition: no network, no training."""
    place = OUT / f"lsa-{TEXTS}.npy"
    if not place.is_file():
        from sklearn.decomposition import TruncatedSVD  # type: ignore[import-untyped]
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

        words = TfidfVectorizer(sublinear_tf=True, min_df=3).fit_transform(sentences(data, TEXTS))
        made = TruncatedSVD(_LSA, random_state=0).fit_transform(words).astype(np.float32)
        np.save(place, np.where(np.linalg.norm(made, axis=1, keepdims=True) > 0, made, 1.0), allow_pickle=False)
    return Space("benchmarks/lsa@1", _LSA).vectors(np.load(place, allow_pickle=False))


def _turned(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    made: np.ndarray = rows @ polar(rng.standard_normal((rows.shape[1],) * 2))
    return made


def _blurred(length: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Turned, with noise of a length beside vectors of length 1: .5 leaves cosine .89."""
    return lambda rows, rng: _turned(rows, rng) + length * unit(rng.standard_normal(rows.shape))


def _warped(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bent smoothly: tanh of a random map, then another; a rotation fitted on pairs reaches cosine .85."""
    d = rows.shape[1]
    bent = np.tanh(rows @ (0.75 * rng.standard_normal((d, 512))))
    made: np.ndarray = bent @ rng.standard_normal((512, d))
    return made


def _cut(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    _, _, vt = np.linalg.svd(rows[:4000] - rows.mean(0), full_matrices=False)
    return _turned((rows - rows.mean(0)) @ vt[:128].T, rng)


def _shuffled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.permutation(column) for column in rows.T], axis=1)


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "turn": _blurred(0.5),
    "blur": _blurred(1.0),
    "warp": _warped,
    "cut": _cut,
    "bits": lambda rows, rng: np.sign(_turned(rows - rows.mean(0), rng)),
    "shuffle": _shuffled,
    "noise": lambda rows, rng: rng.standard_normal(rows.shape),
}
