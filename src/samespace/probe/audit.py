"""What do vectors alone give away? Attack them as somebody would who holds them and nothing else, and count.

The attacker has a model and texts of their own. They carry the held vectors into their Space, without pairs or with a
few that leaked, and then read them there: which of some candidate texts each row is, which of their own texts is most
like it, which of some labels fits. The auditor knows the items, so that all of it can be scored.

Numbers leave this module, never a translated vector. They say what this attack with this model and these texts found:
more than chance is a leak; chance proves no safety, for another attacker may have a better model, texts or method.

Knows nothing of models, files or indexes. Imports numpy, and scipy in `align`.
Letters: n held rows, m own texts, dv, da widths of the held and the attacker's Space, c labels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from samespace.space import Vectors
from samespace.translate.align import align
from samespace.translate.few import few
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.near import unit
from samespace.translate.protocol import Translator
from samespace.translate.stretch import stretched
from samespace.translate.verdict import of_runs

__all__ = ["BASELINES", "Audit", "Case", "Disclosure", "attack", "audit", "disclosed"]

BASELINES = ("chance", "random text", "untranslated", "same model")
Unpaired = Callable[..., Translator]
"""Called as align is: (held, own, seed=seed)."""
_QUERIES, _POOL, _NEAR = 2000, 4000, 10
_LEFT = 20  # rows that must be left to score on


@dataclass(frozen=True, eq=False)
class Case:
    """What an attacker holds, and what the auditor knows beside.

    Attributes:
        held: (n, dv) the vectors that leaked.
        own: (m, da) texts of the attacker's own by a model of their own; of the same kind, but not the same.
        truth: (n, da) row i: the item of held row i by the attacker's model. Known to the auditor.
        labels: (c, da) descriptions of c labels by the attacker's model; None = no label is asked for.
        answers: (n,) the true label of each held row, -1 where it has none; None = what the attacker's model says of
            the item itself.
    """

    held: Vectors
    own: Vectors
    truth: Vectors
    labels: Vectors | None = None
    answers: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.held) != len(self.truth):
            raise ValueError(
                f"{len(self.held)} held rows but {len(self.truth)} items to judge them by\n"
                "Give the attacker's vector of every held item, in the same order"
            )
        self.truth.require(self.own.space)
        if self.labels is not None:
            _check_labels(self.labels.require(self.own.space), self.answers, len(self.held))
        elif self.answers is not None:
            raise ValueError("answers without labels\nGive the labels' descriptions as vectors of the attacker's model")

    def hidden(self, defence: Translator) -> "Case":
        """The same, the held vectors behind a defence."""
        return Case(defence(self.held), self.own, self.truth, self.labels, self.answers)


@dataclass(frozen=True)
class Disclosure:
    """What one way of reading the held rows finds.

    Attributes:
        top1, top10: share of rows whose own text comes first, or among the first ten, of the pool of candidate texts.
        rank: mean rank of the own text in the pool, from 1.
        likeness: mean centred cosine, in the attacker's Space, of the true text and of that of the attacker's own texts
            which the row is nearest to; the true text is not among them.
        attribute: share of rows given their true label, averaged over labels; None without labels.
    """

    top1: float
    top10: float
    rank: float
    likeness: float
    attribute: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """All ways side by side.

    Attributes:
        found: by name: the BASELINES, then the attacks ("no pairs", "100 pairs").
        facts: rows, pool, Spaces, seeds, the attacker's own verdict: plain data.
    """

    found: Mapping[str, Disclosure]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"found": {name: one.to_dict() for name, one in self.found.items()}, "facts": dict(self.facts)}


def audit(
    case: Case, *, pairs: Sequence[int] = (0, 100), seed: int = 0, runs: int = 1, unpaired: Unpaired = align
) -> Audit:
    """Attack a case in each way and score it beside the baselines.

    Args:
        case: who holds what.
        pairs: numbers of leaked pairs to attack with; 0 aligns without any (some 1,000 rows a side are needed).
        seed: of everything drawn.
        runs: of the attack without pairs; two or more let the attacker judge for themselves whether it worked
            (facts["verdict"]). The run that finds most is reported, for the attacker has time.
        unpaired: how to align without pairs.

    Raises:
        ValueError: more pairs than rows, fewer rows than the attack needs, rows that are all equal.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(case.held))
    leaked, rest = order[: max(pairs, default=0)], order[max(pairs, default=0) :]
    if len(rest) < _LEFT:
        raise ValueError(
            f"{len(case.held)} held rows, {len(leaked)} of them leaked: {len(rest)} are left to score, {_LEFT} are "
            "needed\nGive more rows or fewer pairs"
        )
    rows = np.sort(rest[:_POOL])
    found = {"chance": _chance(case, len(rows))}
    found["random text"] = disclosed(case, case.own[rng.integers(0, len(case.own), len(rows))], rows)
    found["untranslated"] = disclosed(case, _as_is(case)(case.held[rows]), rows)
    found["same model"] = disclosed(case, case.truth[rows], rows)
    facts: dict[str, Any] = {
        "held": str(case.held.space), "own": str(case.own.space), "rows": [len(case.held), len(case.own)],
        "pool": len(rows), "queries": min(_QUERIES, len(rows)), "seed": seed,
    }  # fmt: skip
    for count in pairs:
        name = f"{count:,} pairs" if count else "no pairs"
        made = [
            attack(case, leaked[:count], seed=seed + run, unpaired=unpaired)
            for run in range(1 if count else max(1, runs))
        ]
        if len(made) > 1:
            facts["verdict"] = of_runs(made[0], made[1], case.held, case.own).to_dict()
        found[name] = max((disclosed(case, one(case.held[rows]), rows) for one in made), key=lambda one: one.top10)
    return Audit(found, facts)


def attack(case: Case, leaked: np.ndarray, *, seed: int = 0, unpaired: Unpaired = align) -> Translator:
    """Carry the held Space into the attacker's own: the map that they would find.

    Args:
        case: who holds what.
        leaked: held rows whose items the attacker knows; none of them: align without pairs. With some, all the other
            rows of both sides help as far as they can (`few`).
        seed: of what is drawn.
        unpaired: how to align without pairs.
    """
    if not len(leaked):
        return unpaired(case.held, case.own, seed=seed)
    return stretched(few(case.held, case.own, case.held[leaked], case.truth[leaked], seed=seed), 1.0)


def disclosed(case: Case, made: Vectors, rows: np.ndarray) -> Disclosure:
    """Score a reading of some held rows.

    Args:
        case: who holds what.
        made: (r, da) what the attacker makes of the rows, in their Space.
        rows: (r,) which held rows these are; their items are the pool of candidates. The first 2,000 are scored.
    """
    frame = Frame.of(case.own)
    asked = rows[:_QUERIES]
    sides = made[np.arange(len(asked))], case.truth[rows], case.own
    x, pool, own = (unit(frame.enter(side.data)) for side in sides)
    scores = x @ pool.T
    true = scores[np.arange(len(asked)), np.arange(len(asked))][:, None]
    rank = 1 + (scores > true).sum(1) + ((scores == true).sum(1) - 1) / 2
    nearest = own[(x @ own.T).argmax(axis=1)]
    likeness = float((nearest * pool[: len(asked)]).sum(1).mean())
    attribute = None
    if case.labels is not None:
        given = _labelled(case.labels, frame, x)
        attribute = _balanced(given, _answers(case, case.labels, frame, asked))
    return Disclosure(float((rank < 2).mean()), float((rank < 11).mean()), float(rank.mean()), likeness, attribute)


def _as_is(case: Case) -> Linear:
    """The held numbers taken for the attacker's own: filled up with zeros, or cut, to their width."""
    held, own = case.held.space, case.own.space
    same = np.eye(held.dim, own.dim)
    frames = Frame.of(case.held), Frame.of(case.own)
    return Linear(held, own, *frames, same, np.zeros(own.dim), same.T, np.zeros(held.dim))


def _chance(case: Case, pool: int) -> Disclosure:
    """Of whoever draws lots; the likeness of two texts drawn alike is 0, for the middle is taken off."""
    top10 = min(1.0, _NEAR / pool)
    return Disclosure(1 / pool, top10, (pool + 1) / 2, 0.0, 1 / len(case.labels) if case.labels is not None else None)


def _labelled(labels: Vectors, frame: Frame, x: np.ndarray) -> np.ndarray:
    """The nearest label of each row of the frame; what all descriptions share is taken off them."""
    rows = labels.data.astype(np.float64)
    given: np.ndarray = (x @ unit(rows - rows.mean(axis=0)).T).argmax(axis=1)
    return given


def _answers(case: Case, labels: Vectors, frame: Frame, rows: np.ndarray) -> np.ndarray:
    if case.answers is not None:
        known: np.ndarray = case.answers[rows]
        return known
    return _labelled(labels, frame, frame.enter(case.truth[rows].data))


def _balanced(given: np.ndarray, true: np.ndarray) -> float | None:
    """Share that is right, each true label counting alike; None if none is known."""
    known = np.unique(true[true >= 0])
    return float(np.mean([(given[true == label] == label).mean() for label in known])) if len(known) else None


def _check_labels(labels: Vectors, answers: np.ndarray | None, n: int) -> None:
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} label: two or more are needed to tell rows apart")
    if answers is None:
        return
    if answers.shape != (n,) or answers.dtype.kind not in "iu" or answers.min() < -1 or answers.max() >= len(labels):
        raise ValueError(
            f"answers of shape {answers.shape} and type {answers.dtype} for {n} rows and {len(labels)} labels\n"
            f"Give one whole number from 0 to {len(labels) - 1} for each held row, or -1"
        )
