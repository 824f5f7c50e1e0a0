"""Whether a translation can be trusted: by pairs it has not seen, or, where there are none, by two runs that agree.

A fit without pairs always returns a map, and a wrong one looks like a right one from inside. But there are many ways to
be wrong and few to be right: two runs on other rows, from other starts, agree only where both have found something.

Knows nothing of how a Translator was made. Imports numpy only. Letters: n, m rows of the two sides, ds, dt widths.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from samespace.space import Vectors, similarity
from samespace.translate.frame import Frame
from samespace.translate.measure import Fidelity
from samespace.translate.protocol import Translator

__all__ = ["Level", "Verdict", "of_agreement", "of_pairs", "of_runs"]

Level = Literal["trusted", "doubtful", "failed"]

_KEPT = (0.1, 0.25)  # share of neighbours kept beyond chance: failed below the first, trusted from the second on
_PAIRS = 50  # fewer held-out pairs than this prove nothing
_COSINE = (0.33, 0.45)  # of what two runs make of one row: failed below the first, trusted from the second on
_SAME = (0.07, 0.15)  # share of rows for which both find the same neighbour: likewise
"""Of 87 pairs of runs in 29 settings, those with a run that failed (top-1 below .1) agree in at most .312 and .053, the
rest in at least .355 and .090: the first of each is halfway. The second were set before most of these were run; above
them no run is below .21, and below them one in ten of .3 and more: `python -m benchmarks translate --only verdict`."""
_ROWS, _POOL = 2000, 4000


@dataclass(frozen=True)
class Verdict:
    """A judgement and what it rests on.

    Attributes:
        level: trusted, doubtful (look before you use it) or failed (do not use it).
        why: one sentence for people, with the figures.
        evidence: the figures, as plain data.
    """

    level: Level
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; Verdict(**data) is the same again."""
        return asdict(self)


def of_pairs(fidelity: Fidelity) -> Verdict:
    """Judge by what was measured on held-out pairs: the share of true neighbours kept, beyond what chance keeps."""
    chance = min(1.0, fidelity.k / fidelity.pool)
    beyond = (fidelity.kept - chance) / max(1e-9, 1 - chance)
    level = _level((beyond, _KEPT))
    why = f"{fidelity.kept:.0%} of {fidelity.k} neighbours kept among {fidelity.pool:,} rows (chance {chance:.1%})"
    if level == "trusted" and fidelity.pairs < _PAIRS:
        level, why = "doubtful", f"{why}, but on {fidelity.pairs} held-out pairs only; {_PAIRS} are needed"
    return Verdict(level, why, {"beyond_chance": beyond, **fidelity.to_dict()})


def of_runs(one: Translator, other: Translator, source: Vectors, target: Vectors) -> Verdict:
    """Judge two translations of one pair of Spaces, fitted without pairs from other seeds, by how much they agree.

    Args:
        one: of the two runs.
        other: on another draw of the rows, from another start.
        source: (n, ds) rows to translate by both; the first 2,000 are used.
        target: (m, dt) rows to find neighbours among, of any items; the first 4,000 are used.

    Raises:
        ValueError: the runs are not of the same two Spaces, or a side has fewer than two rows.
    """
    if (one.source, one.target) != (other.source, other.target):
        raise ValueError(
            f"a run {one.source} → {one.target} and a run {other.source} → {other.target} cannot agree\n"
            "Give two runs between the same Spaces"
        )
    if min(len(source), len(target)) < 2:
        raise ValueError(f"{len(source)} and {len(target)} rows: two are needed on each side\nGive some hundreds")
    rows, pool = source[np.arange(min(_ROWS, len(source)))], target[np.arange(min(_POOL, len(target)))]
    frame = Frame.of(pool)
    made = one(rows), other(rows)
    a, b = (frame.enter(side.data) for side in made)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
    nearest = [similarity(side, pool).argmax(axis=1) for side in made]
    same = float((nearest[0] == nearest[1]).mean())
    return of_agreement(cosine, same, rows=len(rows), pool=len(pool))


def of_agreement(cosine: float, same_neighbour: float, *, rows: int, pool: int) -> Verdict:
    """Judge by how much two runs agree.

    Args:
        cosine: mean similarity of what both make of a row, both centred.
        same_neighbour: share of rows for which both find the same nearest neighbour.
        rows: that were translated.
        pool: rows that neighbours were looked for among.
    """
    level = _level((cosine, _COSINE), (same_neighbour, _SAME))
    why = (
        f"two runs agree at cosine {cosine:.2f} (trusted from {_COSINE[1]}) and find the same neighbour "
        f"of {pool:,} for {same_neighbour:.0%} of rows (trusted from {_SAME[1]:.0%})"
    )
    return Verdict(level, why, {"cosine": cosine, "same_neighbour": same_neighbour, "rows": rows, "pool": pool})


def _level(*measured: tuple[float, tuple[float, float]]) -> Level:
    """The worst that any of the figures says."""
    if any(value < low for value, (low, _) in measured):
        return "failed"
    return "trusted" if all(value >= high for value, (_, high) in measured) else "doubtful"
