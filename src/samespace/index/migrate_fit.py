"""The Translators of a move, both ways, and what searching through them is worth: fitted and measured on a sample.

Measured on rows of the sample that a fit has not seen, with their own vectors as queries: what share of the nearest
that full embedding would find is found while some rows are embedded and the rest translated. The nearest of a sample
are farther off than those of the whole, and every figure says of how many rows it is.

Knows nothing of models. Imports numpy. Letters: n pairs, m rows held out, k neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.errors import StoreError
from samespace.space import Vectors, similarity
from samespace.translate.fit import fit
from samespace.translate.measure import held_out
from samespace.translate.procrustes import Procrustes
from samespace.translate.protocol import Translator

__all__ = ["Bridge", "expected", "fitted", "quality"]

_FEW = 20  # pairs below which nothing can be held out
_SHARE, _SEED = 0.2, 0
_K = 10
_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 1.0)
_DEEPER = 20  # candidates for each hit that is wanted: 200 for ten
_PART = 7  # the candidates are a seventh of the rows held out, at most


@dataclass(frozen=True)
class Bridge:
    """Both ways between the Spaces of a move.

    Attributes:
        forth: from the old one to the new one.
        back: fitted by itself, for queries.
    """

    forth: Translator
    back: Translator

    def save(self, folder: Path) -> None:
        """Keep both; on the disk when it returns."""
        from samespace.translate.files import save

        save(self.forth, folder / "forth")
        save(self.back, folder / "back")

    @classmethod
    def load(cls, folder: Path) -> "Bridge":
        """Both as they were kept. Raises TranslatorFileError."""
        from samespace.translate.files import load

        return cls(load(folder / "forth"), load(folder / "back"))


def fitted(source: Vectors, target: Vectors, *, uri: str) -> tuple[Bridge, dict[str, Any]]:
    """Fit on pairs (n) of both Spaces, and measure.

    Returns:
        The maps, fitted on all pairs, and what was measured, as plain data; see `quality`.

    Raises:
        StoreError: there are fewer than two different pairs.
    """
    try:
        if len(source) < _FEW:
            return Bridge(Procrustes.fit(source, target), Procrustes.fit(target, source)), {"pairs": len(source)}
        forth = fit(source, target, role="document", seed=_SEED)
        method = str(getattr(forth, "facts", {}).get("method", "auto"))
        back = fit(target, source, method=method, seed=_SEED)
        rows, out = held_out(source, _SHARE, _SEED)
        tried = fit(source[rows], target[rows], method=method, role="document", seed=_SEED)
    except ValueError as err:
        raise StoreError(
            uri, f"its {len(source)} rows are too few or too much alike to learn a translation from ({err})",
            "Index the folders anew with the other model: samespace index FOLDER --model MODEL --index OTHER",
        ) from err  # fmt: skip
    measured = quality(target[out], tried(source[out]))
    return Bridge(forth, back), {"pairs": len(source), "method": method, **measured}


def quality(true: Vectors, translated: Vectors) -> dict[str, Any]:
    """What searches find of the nearest rows that they would find if all were embedded.

    Args:
        true: (m, d) embedded; the queries, and the truth.
        translated: (m, d) the same rows, translated.

    Returns:
        "pool": m; "k"; "curve": [share of the rows that are embedded, share of the k nearest that are found], the
        rest being translated; "staged": share of the `of` nearest that are among the first `depth` by translation,
        which the candidate stage embeds. Chance is k / m and depth / m.
    """
    m = len(true)
    k, of = max(1, min(_K, m // 5)), max(1, m // (_DEEPER * _PART))
    scores = _without_self(similarity(true, true))
    order = np.random.default_rng(_SEED).permutation(m)
    curve = []
    for share in _SHARES:
        mixed = translated.data.astype(np.float32)
        rows = order[: round(share * m)]
        mixed[rows] = true.data[rows]
        found = _without_self(similarity(true, true.space.vectors(mixed)))
        curve.append([share, _found(scores, found, k, k)])
    depth = min(m - 1, _DEEPER * of)
    staged = _found(scores, _without_self(similarity(true, translated)), of, depth)
    return {"pool": m, "k": k, "curve": curve, "staged": staged, "of": of, "depth": depth}


def expected(measured: Mapping[str, Any], share: float) -> float | None:
    """What is expected to be found with this share of the rows embedded, the rest translated; None = not measured."""
    if share >= 1:
        return 1.0
    if "curve" not in measured:
        return None
    shares, kept = zip(*measured["curve"], strict=True)
    return float(np.interp(share, shares, kept))


def _without_self(scores: np.ndarray) -> np.ndarray:
    np.fill_diagonal(scores, -np.inf)
    return scores


def _found(true: np.ndarray, found: np.ndarray, k: int, depth: int) -> float:
    """Mean share of the k best of each row (m, m) that are among the `depth` best of the other."""
    best, seen = np.argsort(-true, axis=1, kind="stable")[:, :k], np.argsort(-found, axis=1, kind="stable")[:, :depth]
    return float(np.mean([np.isin(b, s).mean() for b, s in zip(best, seen, strict=True)]))
