"""Fit a Translator on pairs by the method that does best on pairs it has not seen, and say why.

    trial     what each candidate makes of held-out pairs
    stretch   how far out translations are put, chosen likewise
    verdict   whether it can be trusted

Knows nothing of models, files or indexes. Imports numpy only. Letters: n pairs.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from samespace.space import Vectors
from samespace.translate.measure import Fidelity
from samespace.translate.protocol import Translator
from samespace.translate.stretch import STRETCHES, stretched
from samespace.translate.trial import METHODS, Trial, candidates, fitted, try_all
from samespace.translate.verdict import Verdict, of_pairs

__all__ = ["METHODS", "fit"]

Role = Literal["query", "document"]
_LESS = 0.01  # of top-1 that a candidate may lose to the best and still be chosen for its neighbours
_FURTHER, _SURE = 2.0, 1000  # how far out for queries, where there are too few rows to choose it by
_FEWEST = 10  # pairs with which something can be measured


def fit(
    source: Vectors,
    target: Vectors,
    *,
    method: str = "auto",
    weights: np.ndarray | None = None,
    seed: int = 0,
    corpus: str = "",
    role: Role = "query",
) -> Translator:
    """Fit on pairs and measure on pairs that the fit has not seen.

    Up to 1,000 pairs are measured by five-fold cross-validation, more on a part that is held out; the map that is
    returned is fitted on all pairs (what takes long is kept as it was measured). "auto" takes the candidate with most
    neighbours kept and rows found again, both counted alike, of those that find nearly as many as the best does.

    Args:
        source: (n, ds).
        target: (n, dt); row i embeds the same item as row i of the source.
        method: "auto" tries several; or one of METHODS.
        weights: (n,) >= 0, how much each pair counts; None = all alike.
        seed: of the split, and of a network.
        corpus: what the items are of, for people.
        role: "query": translations will search among the target's own rows, and are put further out for it;
            "document": the target's own rows will search among translations. stretched(made, by) changes it.

    Returns:
        A Translator with its `fidelity`, and in `facts`: "method", "why", "table" (what each candidate reached),
        "measured" (Fidelity of the chosen one), "verdict", "stretch".

    Raises:
        ValueError: unequal numbers, fewer than 2 pairs, rows that are all equal, an unknown method.
    """
    if method != "auto" and method not in METHODS:
        raise ValueError(f"no method {method!r}\nGive one of: auto, {', '.join(METHODS)}")
    if len(source) != len(target) or len(source) < _FEWEST:
        return _unmeasured(fitted("procrustes" if method == "auto" else method, source, target, weights, seed), method)
    names = candidates(len(source), source.space.dim) if method == "auto" else (method,)
    trials = try_all(names, source, target, weights, seed)
    if not trials:
        return _unmeasured(fitted(names[0], source, target, weights, seed), method)
    chosen, why = _chosen(trials)
    trial = trials[chosen]
    made = trial.kept if trial.kept is not None else fitted(chosen, source, target, weights, seed)
    by, measured = _placed(trial, target, role, corpus)
    facts: dict[str, Any] = {
        "method": chosen, "seed": seed, "why": why, "split": trial.split, "measured": measured.to_dict(),
        "table": {name: one.found.to_dict() for name, one in trials.items()}, "verdict": of_pairs(measured).to_dict(),
    }  # fmt: skip
    made = stretched(made, by)
    return _with(made, measured.kept, facts)


def _chosen(trials: Mapping[str, Trial]) -> tuple[str, str]:
    """The candidate to take, and why."""
    found = {name: trial.found for name, trial in trials.items()}
    if len(found) == 1:
        return next(iter(found)), "the only one tried: asked for, or too few pairs to tell others apart from it"
    least = max(one.top1 for one in found.values()) - _LESS
    fit_for_it = {name: one for name, one in found.items() if one.top1 >= least}
    chosen = max(fit_for_it, key=lambda name: (found[name].kept + found[name].top1, found[name].cosine))
    one = found[chosen]
    left = [name for name in found if name not in fit_for_it]
    why = f"keeps {one.kept:.3f} of {one.k} neighbours among {one.pool:,} and finds {one.top1:.3f} of the rows again, "
    why += f"together most of {len(found)} tried"
    if left:
        why += f"; {', '.join(left)} set aside: top-1 below {least:.3f}"
    return chosen, why


def _placed(trial: Trial, target: Vectors, role: Role, corpus: str) -> tuple[float, Fidelity]:
    """How far out, and what was measured there, with scores as the target Space has them."""
    if role == "document" or len(trial.rows) < _SURE:
        by = 1.0 if role == "document" else _FURTHER
        return by, trial.measured(target, by, corpus)
    measured = {by: trial.measured(target, by, corpus) for by in STRETCHES}
    by = max(measured, key=lambda by: measured[by].kept + measured[by].top1)
    return by, measured[by]


def _unmeasured(made: Translator, method: str) -> Translator:
    """Too few pairs, or too alike, to hold some out."""
    why = "never measured: too few pairs, or too much alike, to hold some out"
    facts: dict[str, Any] = {
        "method": "procrustes" if method == "auto" else method,
        "why": why,
        "table": {},
        "measured": None,
    }
    return _with(stretched(made, _FURTHER), None, {**facts, "verdict": Verdict("doubtful", why).to_dict()})


def _with(made: Translator, fidelity: float | None, facts: Mapping[str, Any]) -> Translator:
    known: Any = made
    changed: Translator = replace(known, fidelity=fidelity, facts={**known.facts, **facts})
    return changed
