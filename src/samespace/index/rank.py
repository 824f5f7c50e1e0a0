"""Ranking: candidates by meaning and by words, joined by reciprocal rank fusion, and folded into what a person sees.

score = sum over the two lists of weight / (60 + rank). Rows without words are not hurt by the word list: a list only
ever adds. Words that prove a match weigh as much as meaning, a code found letter by letter twice that, and words that
prove nothing three tenths: on Cranfield and on titles of Wikipedia passages that lost nothing of either list.

Knows nothing of models. Letters: m item rows. Reference: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion
Outperforms Condorcet and Individual Rank Learning Methods, SIGIR 2009.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from samespace.index.words import PROVEN, Proof

__all__ = ["Candidate", "fuse"]

_K = 60.0
_WEIGHTS: dict[Proof, float] = {"none": 0.0, "hint": 0.3, "words": 1.0, "code": 2.0}


@dataclass
class Candidate:
    """One item row that may become a hit.

    Attributes:
        row: item row.
        score: what it is ranked by.
        similarity: in the Space; None if only its words match.
        z, percentile: what that is worth (calibrate.py); None if nobody can say.
        proof: how its words match beyond doubt, if they do.
        by: which lists it stands in.
        name_only: whether nothing but its name is known.
    """

    row: int
    score: float = 0.0
    similarity: float | None = None
    z: float | None = None
    percentile: float | None = None
    proof: Proof = "none"
    by: tuple[str, ...] = ()
    name_only: bool = False


def fuse(meaning: Sequence[Candidate], worded: Sequence[Candidate]) -> list[Candidate]:
    """Join two ranked lists; without word hits the first stays as it is. A bare name comes last among equals.

    Candidates of one row in both lists become one.
    """
    if not worded:
        return sorted(meaning, key=lambda c: (-c.score, c.name_only))
    joined = {c.row: c for c in meaning}
    ranks = _ranks(meaning)
    for c in meaning:
        c.score = 1.0 / (_K + ranks[c.row])
    places = _ranks(worded)
    for c in worded:
        rank, weight = places[c.row], _WEIGHTS[c.proof]
        kept = joined.setdefault(c.row, c)
        if kept is c:
            c.score = 0.0
        kept.score += weight / (_K + rank)
        kept.proof = c.proof
        kept.by = tuple(dict.fromkeys((*kept.by, "words")))
    return sorted(joined.values(), key=_order)


def _ranks(candidates: Sequence[Candidate]) -> dict[int, int]:
    """Equal scores, equal rank: a passage that stands in two files is not better in the first."""
    ranks: dict[int, int] = {}
    rank, last = 0, None
    for i, c in enumerate(candidates, 1):
        if c.score != last:
            rank, last = i, c.score
        ranks[c.row] = rank
    return ranks


def _order(c: Candidate) -> tuple[float, bool, bool, float, int]:
    """By score; among equals what words prove, then content before bare names, then what is worth more."""
    return (-c.score, c.proof not in PROVEN, c.name_only, -c.z if c.z is not None else float("inf"), c.row)
