"""Fitting a translation between two sides, with what is kept beside it: verdict, domain, a second fit.

Imports numpy, and the fits where they are used.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from samespace.errors import VectorError
from samespace.serve.pairing import paired
from samespace.serve.sides import FileSide, ModelSide, Side
from samespace.space import Vectors
from samespace.translate.files import Saved

__all__ = ["Wanted", "fitted", "told"]

_PAIRS, _EMBEDDED, _UNPAIRED = 10_000, 1_000, 8_000
_ASTRAY = 0.1  # mean place of held-out pairs, from which few pairs and many rows have led nowhere


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        pairs: "rows", "ids", "texts", a file, or None: what is certain.
        unpaired: use rows without a partner: alone, or with the few pairs that `pairs` gives.
        method: of the fit on pairs.
        role: what will be translated: rows of a collection, or queries to one of the target.
        sample: rows of a side at most; None = 10,000 pairs, 1,000 where a model embeds them, 8,000 unpaired.
        drop_bad: leave out rows that are no vectors, instead of stopping at them.
        seed: of all that is drawn.
    """

    pairs: str | None = None
    unpaired: bool = False
    method: str = "auto"
    role: Literal["query", "document"] = "document"
    sample: int | None = None
    drop_bad: bool = False
    seed: int = 0


def fitted(source: Side, target: Side, wanted: Wanted, tell: Callable[[str], None]) -> Saved:
    """Fit what is asked for.

    Raises:
        ValueError: too few rows or pairs, pairs that are none.
        VectorError: a row that is no vector.
    """
    from samespace.translate.domain import Domain

    if wanted.unpaired and wanted.pairs is None:
        made, second, rows = _without_pairs(source, target, wanted, tell)
    elif wanted.unpaired:
        made, second, rows = _with_few(source, target, wanted, tell)
    else:
        made, second, rows = _on_pairs(source, target, wanted, tell)
    return Saved(made, Domain.of(rows, seed=wanted.seed), second)


def told(saved: Saved) -> dict[str, Any]:
    """What is known of a translation, as plain data."""
    translator = saved.translator
    facts: dict[str, Any] = dict(getattr(translator, "facts", {}))
    return {
        "source": translator.source.to_dict(),
        "target": translator.target.to_dict(),
        "method": facts.get("method", type(translator).__name__.lower()),
        "fidelity": facts.pop("measured", None) or translator.fidelity,
        "verdict": facts.pop("verdict", None),
        "facts": facts,
        "domain": saved.domain.rows if saved.domain else None,
        "mark": saved.mark,
    }


def _on_pairs(source: Side, target: Side, wanted: Wanted, tell: Callable[[str], None]) -> tuple[Any, Any, Vectors]:
    from samespace.translate.affine import Affine
    from samespace.translate.fit import fit
    from samespace.translate.procrustes import Procrustes

    x, y = _pairs(source, target, wanted, tell)
    tell(f"fitting on {len(x):,} pairs")
    corpus = source.name if isinstance(target, ModelSide) or source.name == target.name else target.name
    made: Any = fit(x, y, method=wanted.method, seed=wanted.seed, corpus=corpus, role=wanted.role)
    half = np.arange(0, len(x), 2)
    again = Affine.fit if made.facts.get("method") == "affine" else Procrustes.fit
    second = again(x[half], y[half]) if len(half) > 1 else None
    return _judged(made, _data(x, y)), second, x


def _without_pairs(source: Side, target: Side, wanted: Wanted, tell: Callable[[str], None]) -> tuple[Any, Any, Vectors]:
    """Two runs on draws of their own; how far they agree is the verdict."""
    from samespace.translate.align import judged

    rng = np.random.default_rng(wanted.seed)
    x, y = (_some(side, wanted, rng, wanted.sample or _UNPAIRED) for side in (source, target))
    made = judged(x, y, seed=wanted.seed, tell=tell)
    return replace(made, facts={**made.facts, "data": _data(x, y)}), None, x


def _with_few(source: Side, target: Side, wanted: Wanted, tell: Callable[[str], None]) -> tuple[Any, Any, Vectors]:
    """Few pairs cannot show that it is good, but that it is bad: it is doubtful at best."""
    from samespace.translate.few import few
    from samespace.translate.stretch import stretched
    from samespace.translate.verdict import Verdict

    x, y = _pairs(source, target, wanted, tell)
    rng = np.random.default_rng(wanted.seed)
    more = [_some(side, wanted, rng, wanted.sample or _UNPAIRED) for side in (source, target)]
    tell(f"fitting on {len(x):,} pairs and {len(more[0]):,} + {len(more[1]):,} rows without a partner")
    made = few(more[0], more[1], x, y, seed=wanted.seed)
    made = stretched(made, 1.0) if wanted.role == "document" else made
    places = dict(made.facts.get("table") or {})
    best = min(places.values(), default=0.0)
    held = f"the mean place of held-out pairs is {best:.3f} (0 first, .5 chance)" if places else "none was held out"
    verdict = Verdict("failed" if best > _ASTRAY else "doubtful", f"{len(x):,} pairs are too few to measure it; {held}",
                      {"places": places, "pairs": len(x)})  # fmt: skip
    facts = {**made.facts, "verdict": verdict.to_dict(), "data": _data(x, y, *more)}
    return replace(made, facts=facts), None, more[0]


def _judged(made: Any, data: str) -> Any:
    """With the hash of the data, and a verdict if the fit gave none."""
    from samespace.translate.measure import Fidelity
    from samespace.translate.verdict import of_pairs

    facts = {**made.facts, "data": data}
    if "verdict" not in facts and facts.get("measured"):
        facts["verdict"] = of_pairs(Fidelity(**facts["measured"])).to_dict()
    return replace(made, facts=facts)


def _pairs(source: Side, target: Side, wanted: Wanted, tell: Callable[[str], None]) -> tuple[Vectors, Vectors]:
    """Rows of both sides, row i of each the same item; drawn if there are more than wanted."""
    tell("looking for pairs")
    rows = paired(source, target, wanted.pairs)
    most = wanted.sample or (_EMBEDDED if ModelSide in (type(source), type(target)) else _PAIRS)
    if len(rows[0]) > most:
        drawn = np.sort(np.random.default_rng(wanted.seed).permutation(len(rows[0]))[:most])
        rows = rows[0][drawn], rows[1][drawn]
    if wanted.drop_bad:
        good = _good(source, rows[0]) & _good(target, rows[1])
        _left_out(good, tell)
        rows = rows[0][good], rows[1][good]
    return _taken(source, rows[0]), _taken(target, rows[1])


def _some(side: Side, wanted: Wanted, rng: np.random.Generator, most: int) -> Vectors:
    """Rows of one side, drawn over all of it."""
    rows = np.sort(rng.permutation(len(side))[:most])
    if wanted.drop_bad:
        rows = rows[_good(side, rows)]
    return _taken(side, rows)


def _taken(side: Side, rows: np.ndarray) -> Vectors:
    """Rows in any order, with repeats."""
    unique, back = np.unique(rows, return_inverse=True)
    return side.vectors(unique)[back]


def _good(side: Side, rows: np.ndarray) -> np.ndarray:
    """(n,) bool: which rows of a file are vectors; those of an index or a model always are."""
    if not isinstance(side, FileSide):
        return np.ones(len(rows), bool)
    unique, back = np.unique(rows, return_inverse=True)
    return usable(side.file.take(unique), side.space.metric)[back]


def usable(rows: np.ndarray, metric: str) -> np.ndarray:
    """(n,) bool: which rows (n, d) are finite and, for cosine, of some length."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    made: np.ndarray = np.isfinite(lengths) & ((lengths >= 1e-12) | (metric != "cosine"))
    return made


def _left_out(good: np.ndarray, tell: Callable[[str], None]) -> None:
    if not good.all():
        tell(f"{int((~good).sum()):,} pairs left out: a row that is not finite or has no length")
    if not good.any():
        raise VectorError("no row is a vector", "of this file", "Look at what wrote it")


def _data(*sides: Vectors) -> str:
    """Hash of all rows that a fit has seen."""
    digest = hashlib.sha256()
    for side in sides:
        digest.update(f"{side.space.to_json()} {len(side)} ".encode())
        digest.update(np.ascontiguousarray(side.data, np.float32).tobytes())
    return digest.hexdigest()
