"""Fit a Translator on pairs by the method that does best on pairs it has not seen, and say why.

Knows nothing of models, files or indexes. Imports numpy only. Letters: n pairs.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from samespace.space import Vectors
from samespace.translate.affine import Affine, LowRankAffine
from samespace.translate.linear import Linear
from samespace.translate.measure import Fidelity, held_out, measure
from samespace.translate.procrustes import Procrustes

__all__ = ["METHODS", "fit"]

METHODS: Mapping[str, Callable[..., Linear]] = {
    "procrustes": Procrustes.fit,
    "affine": Affine.fit,
    "low-rank": LowRankAffine.fit,
}
"""By name, as `method` takes them."""
_TRIED = ("procrustes", "affine")
_SHARE = 0.2  # of the pairs, held out to measure on
_K = 10


def fit(
    source: Vectors,
    target: Vectors,
    *,
    method: str = "auto",
    weights: np.ndarray | None = None,
    seed: int = 0,
    corpus: str = "",
) -> Linear:
    """Fit on pairs, measured on some that are held out; the map that is returned is fitted on all of them.

    Args:
        source: (n, ds).
        target: (n, dt); row i embeds the same item as row i of the source.
        method: "auto" tries several and keeps the best; or one of METHODS.
        weights: (n,) >= 0, how much each pair counts; None = all alike.
        seed: of the split.
        corpus: what the items are of, for people.

    Returns:
        A Translator with its `fidelity`, and in `facts`: "method", "why", "table" (what each candidate reached),
        "measured" (Fidelity of the chosen one).

    Raises:
        ValueError: unequal numbers, too few pairs, an unknown method; see Pairs.of.
    """
    if method != "auto" and method not in METHODS:
        raise ValueError(f"no method {method!r}\nGive one of: auto, {', '.join(METHODS)}")
    tried = _TRIED if method == "auto" else (method,)
    rows, out = held_out(source, _SHARE, seed)
    table = {name: _measured(name, source, target, weights, rows, out, corpus) for name in tried}
    chosen = max(table, key=lambda name: table[name].kept)
    made = METHODS[chosen](source, target, weights=weights)
    facts: dict[str, Any] = {
        **made.facts, "method": chosen, "seed": seed, "why": f"most neighbours kept of {len(tried)} tried",
        "table": {name: found.to_dict() for name, found in table.items()}, "measured": table[chosen].to_dict(),
    }  # fmt: skip
    return replace(made, fidelity=table[chosen].kept, facts=facts)


def _measured(
    name: str,
    source: Vectors,
    target: Vectors,
    weights: np.ndarray | None,
    rows: np.ndarray,
    out: np.ndarray,
    corpus: str,
) -> Fidelity:
    part = None if weights is None else weights[rows]
    made = METHODS[name](source[rows], target[rows], weights=part)
    return measure(made, source[out], target[out], k=min(_K, len(out) - 1), corpus=corpus)
