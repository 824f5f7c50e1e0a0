"""The verdict: by pairs, and by two runs."""

import numpy as np
import pytest

from samespace import Space
from samespace.translate.measure import Fidelity
from samespace.translate.procrustes import Procrustes, polar
from samespace.translate.verdict import Verdict, of_pairs, of_runs

HERE, THERE = Space("made/a@1", 24), Space("made/b@1", 32)


@pytest.mark.parametrize(
    ("kept", "pool", "pairs", "level"),
    [
        (0.46, 5000, 2000, "trusted"),
        (0.46, 5000, 30, "doubtful"),
        (0.2, 5000, 2000, "doubtful"),
        (0.05, 5000, 2000, "failed"),
        (0.46, 24, 24, "failed"),  # by chance .42
    ],
)
def test_pairs_are_judged_by_neighbours_kept_beyond_chance(kept, pool, pairs, level):
    made = of_pairs(Fidelity(kept, 0.9, 1.2, 0.5, pool, pairs))
    assert made.level == level and f"{kept:.0%} of 10 neighbours" in made.why
    assert made.evidence["pool"] == pool and Verdict(**made.to_dict()) == made


def runs(noise: float) -> tuple[Procrustes, Procrustes, np.ndarray]:
    """Two maps that are a true one plus noise of their own, and rows."""
    rng = np.random.default_rng(0)
    truth = polar(rng.standard_normal((24, 32)))
    rows = rng.standard_normal((600, 24))
    fitted = []
    for _ in range(2):
        rough = polar(truth + noise * rng.standard_normal(truth.shape))
        fitted.append(Procrustes.fit(HERE.vectors(rows), THERE.vectors(rows @ rough)))
    return fitted[0], fitted[1], rows


@pytest.mark.parametrize(("noise", "level"), [(0.0, "trusted"), (0.05, "trusted"), (0.16, "doubtful"), (2.0, "failed")])
def test_runs_are_judged_by_their_agreement(noise, level):
    one, other, rows = runs(noise)
    source, target = HERE.vectors(rows[:300]), THERE.vectors(np.random.default_rng(1).standard_normal((500, 32)))
    made = of_runs(one, other, source, target)
    assert made.level == level, made
    assert made.evidence["rows"] == 300 and made.evidence["pool"] == 500
    if not noise:
        assert made.evidence["cosine"] > 0.99 and made.evidence["same_neighbour"] > 0.99
    if level == "failed":
        assert abs(made.evidence["cosine"]) < 0.2 and "cosine" in made.why


def test_runs_between_other_spaces_are_refused():
    one, other, rows = runs(0.0)
    with pytest.raises(ValueError, match=r"made/a@1.*cannot agree\n.*same Spaces"):
        of_runs(one, other.inverse(), HERE.vectors(rows), HERE.vectors(rows))
    with pytest.raises(ValueError, match=r"1 and 600 rows.*\n.*hundreds"):
        of_runs(one, other, HERE.vectors(rows[:1]), THERE.vectors(np.ones((600, 32)) + np.eye(600, 32)))
