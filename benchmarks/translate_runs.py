"""Runs of translation without pairs, on spaces real and made: each is run once and its result kept as JSON.

A case is named SOURCE-TARGET, each a letter of translate_data.MODELS, or L, which is LSA of the same texts. After a
letter there may be a change: "~turn" (turned at random and blurred), "~warp" (bent smoothly), "~cut" (its 128 strongest
directions, turned), "~bits" (signs after a turn), "~blur" (noise as long as the vector), "~shuffle" (every column by
itself: the same numbers, nothing of the texts), "~noise" (random rows).

Results: benchmarks/out/translate/runs.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mini_vec2vec import mini_vec2vec
from benchmarks.translate_data import OUT, sentences, vectors
from samespace.space import Space, Vectors
from samespace.translate.align import align, judged
from samespace.translate.measure import measure
from samespace.translate.procrustes import Procrustes, polar

__all__ = ["SMALL", "Case", "done", "draws", "kept", "space"]

RUNS = OUT / "runs"
TEXTS, MORE, POOL = 24_000, 28_000, 4_000
SMALL: dict[str, Any] = {"widths": (80,), "runs": (2,)}
"""A cheaper run, for the many that a verdict is calibrated on."""
WAYS: dict[str, tuple[Callable[..., Procrustes], dict[str, Any]]] = {
    "align": (align, {}),
    "judged": (judged, {}),
    "judged-small": (judged, SMALL),
    "mini-vec2vec": (mini_vec2vec, {}),
}
_LSA, _QUERIES = 384, 2000


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        pair: SOURCE-TARGET.
        rows: of each side.
        seed: of texts and method.
        same: whether both sides embed the same texts, in unknown order.
    """

    pair: str
    rows: int
    seed: int = 0
    same: bool = False

    @property
    def name(self) -> str:
        """As a file name."""
        return f"{self.pair}-{self.rows}-{self.seed}{'-same' if self.same else ''}"


@cache
def space(data: Path, name: str, texts: int = TEXTS) -> Vectors:
    """All texts in the space of this name."""
    letter, _, change = name.partition("~")
    made = _lsa(data) if letter == "L" else vectors(sentences(data, texts), letter)
    if not change:
        return made
    rows = CHANGES[change](made.data, np.random.default_rng(99))
    return Space(f"{made.space.name.split('@')[0]}~{change}@1", rows.shape[1]).vectors(rows)


def draws(case: Case, source: Vectors, target: Vectors) -> tuple[Vectors, Vectors, Vectors, Vectors]:
    """Rows of the two sides, of different texts (or the same in another order), and pairs that neither has seen."""
    order = np.random.default_rng(1000 + case.seed).permutation(len(source))
    n = case.rows
    here, there, rest = order[:n], order[n : 2 * n], order[max(2 * n, 0) :][:POOL]
    if case.same:
        there = np.random.default_rng(case.seed).permutation(here)
    if len(rest) < 1000:
        raise ValueError(f"{len(source)} texts do not do for {n} a side and a pool\nEncode more")
    return source[here], target[there], source[rest], target[rest]


def done(kind: str, case: Case) -> bool:
    """Whether its result is there."""
    return _place(kind, case).is_file()


def kept(kind: str, case: Case, data: Path) -> dict[str, Any]:
    """The result of a run by one of WAYS, from its file if it was done before: measured, facts, CPU seconds."""
    place = _place(kind, case)
    if place.is_file():
        found: dict[str, Any] = json.loads(place.read_text())
        return found
    texts = TEXTS if 2 * case.rows + POOL <= TEXTS else MORE
    source, target = (space(data, name, texts) for name in case.pair.split("-"))
    here, there, left, right = draws(case, source, target)
    way, how = WAYS[kind]
    start = time.process_time()
    made = way(here, there, seed=case.seed, **how)
    cpu = time.process_time() - start
    result = {
        "pair": case.pair, "rows": case.rows, "seed": case.seed, "same": case.same, "cpu": cpu,
        "measured": measure(made, left, right).to_dict(), "centred": _centred(made, left, right),
        "facts": dict(made.facts),
    }  # fmt: skip
    RUNS.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".part")
    part.write_text(json.dumps(result))
    part.replace(place)
    return result


def _centred(made: Procrustes, source: Vectors, target: Vectors) -> float:
    """Top-1 with both sides centred; `measure` leaves the common part in, as a plain search does."""
    found = made.carried(source.data[:_QUERIES]) @ made.after.enter(target.data).T
    return float((found.argmax(axis=1) == np.arange(len(found))).mean())


def _place(kind: str, case: Case) -> Path:
    return RUNS / f"{kind}-{case.name}.json"


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


def _unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return made


def _turned(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    made: np.ndarray = rows @ polar(rng.standard_normal((rows.shape[1],) * 2))
    return made


def _blurred(length: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Turned, with noise of a length beside vectors of length 1: .5 leaves cosine .89."""
    return lambda rows, rng: _turned(rows, rng) + length * _unit(rng.standard_normal(rows.shape))


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
