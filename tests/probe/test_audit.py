"""What vectors give away: scored on made Spaces whose truth is known."""

import json
from functools import partial

import numpy as np
import pytest

from samespace import Space, Vectors
from samespace.errors import SpaceMismatchError
from samespace.probe.audit import BASELINES, Case, attack, audit, disclosed
from samespace.translate.align import align
from samespace.translate.defence import Noised, Rotated
from samespace.translate.derived import neighbours_kept
from samespace.translate.procrustes import Procrustes, polar

HELD, OWN = Space("made/held@1", 40), Space("made/own@1", 48)
LABELS = 4


def made(rows: int, own: int, noise: float = 0.3, seed: int = 0) -> tuple[Case, np.ndarray]:
    """Items of four kinds, seen by two models that turn and blur them each in its way."""
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((LABELS, 32))
    kind = rng.integers(0, LABELS, rows + own)
    plain = middles[kind] + rng.standard_normal((rows + own, 32))
    turns = [polar(np.random.default_rng(9 + i).standard_normal((32, s.dim))) for i, s in enumerate((HELD, OWN))]
    held, truth = (
        space.vectors(plain @ turn + noise * rng.standard_normal((rows + own, space.dim)) + 0.5)
        for space, turn in zip((HELD, OWN), turns, strict=True)
    )
    labels = OWN.vectors(middles @ turns[1] + 0.5)
    cut, rest = np.arange(rows), np.arange(rows, rows + own)
    return Case(held[cut], truth[rest], truth[cut], labels, kind[:rows]), kind


@pytest.fixture(scope="module")
def case() -> Case:
    return made(700, 900)[0]


def knowing(case: Case):
    """An aligner that needs no pairs because it is told all of them: what the best one could find."""

    def aligned(held: Vectors, own: Vectors, *, seed: int) -> Procrustes:
        return Procrustes.fit(case.held, case.truth)

    return aligned


def test_the_baselines_stand_where_they_must_and_pairs_find_more(case):
    found = audit(case, pairs=(10, 200), seed=3).found
    assert tuple(found) == (*BASELINES, "10 pairs", "200 pairs")
    chance = found["chance"]
    assert (chance.top1, chance.top10, chance.rank, chance.attribute) == (1 / 500, 10 / 500, 250.5, 0.25)
    for name in ("random text", "untranslated"):
        one = found[name]
        assert one.top1 < 0.02 and one.top10 < 0.06 and 210 < one.rank < 290 and abs(one.likeness) < 0.15
    assert found["random text"].attribute == pytest.approx(0.25, abs=0.08)
    same = found["same model"]
    assert same.top1 == 1 and same.rank == 1 and same.attribute > 0.95 and same.likeness > 0.5
    few, many = found["10 pairs"], found["200 pairs"]
    assert chance.top10 < few.top10 < many.top10 and many.top1 > 0.5 and many.rank < few.rank
    assert few.likeness < many.likeness <= same.likeness and many.attribute > 0.9
    assert json.loads(json.dumps(audit(case, pairs=(10,)).to_dict()))["facts"]["pool"] == 690


def test_leaked_rows_are_not_scored_and_a_seed_gives_the_same(case):
    assert audit(case, pairs=(100,), seed=1).to_dict() == audit(case, pairs=(100,), seed=1).to_dict()
    assert audit(case, pairs=(100, 10), seed=1).facts["pool"] == 600
    assert audit(case, pairs=(100,), seed=1).found != audit(case, pairs=(100,), seed=2).found


def test_without_pairs_the_best_run_is_told_and_the_attackers_own_verdict(case):
    made = audit(case, pairs=(0,), runs=2, unpaired=knowing(case))
    assert made.facts["verdict"]["level"] == "trusted"
    assert made.found["no pairs"].top1 > 0.5
    assert "verdict" not in audit(case, pairs=(0,), unpaired=knowing(case)).facts


def test_a_score_is_what_a_plain_count_says(case):
    rows = np.arange(50, 200)
    read = attack(case, np.arange(50))(case.held[rows])
    found = disclosed(case, read, rows)
    middle = case.own.data.astype(float).mean(0)
    x, pool, own, labels = (
        side - by for side, by in (
            (read.data, middle), (case.truth.data[rows], middle), (case.own.data, middle),
            (case.labels.data, case.labels.data.mean(0)),
        )
    )  # fmt: skip
    x, pool, own, labels = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (x, pool, own, labels))
    places, alike, right = [], [], {c: [] for c in range(LABELS)}
    for i, row in enumerate(x):
        places.append(1 + sum(row @ other > row @ pool[i] for other in pool))
        alike.append(max(own, key=lambda other: row @ other) @ pool[i])
        true = case.answers[rows[i]]
        right[true].append(max(range(LABELS), key=lambda c: row @ labels[c]) == true)
    assert found.top1 == np.mean([p == 1 for p in places]) and found.top10 == np.mean([p <= 10 for p in places])
    assert found.rank == pytest.approx(np.mean(places)) and found.likeness == pytest.approx(np.mean(alike))
    assert found.attribute == pytest.approx(np.mean([np.mean(each) for each in right.values()]))


def test_without_answers_the_same_model_is_the_measure_and_unknown_ones_do_not_count(case):
    asked = Case(case.held, case.own, case.truth, case.labels)
    assert audit(asked, pairs=()).found["same model"].attribute == 1
    hidden = case.answers.copy()
    hidden[hidden == 2] = -1
    rows = np.arange(700)
    half = disclosed(Case(case.held, case.own, case.truth, case.labels, hidden), case.truth, rows)
    whole = disclosed(case, case.truth, rows)
    assert half.attribute != whole.attribute and half.top1 == whole.top1
    none = Case(case.held, case.own, case.truth, case.labels, np.full(700, -1))
    assert disclosed(none, case.truth, rows).attribute is None
    assert disclosed(Case(case.held, case.own, case.truth), case.truth, rows).attribute is None


def test_a_rotation_costs_nothing_and_hides_nothing_and_noise_costs_what_it_hides(case):
    rotated, noised = Rotated.of(HELD, b"key"), Noised.of(HELD, 2.0, b"key")
    kept = [neighbours_kept(case.held, one(case.held), 10) for one in (rotated, noised)]
    assert kept[0] > 0.99 > 0.5 > kept[1] > 10 / 700
    plain, turned, blurred = (
        audit(one, pairs=(200,)).found["200 pairs"] for one in (case, case.hidden(rotated), case.hidden(noised))
    )
    assert turned.top1 == pytest.approx(plain.top1, abs=0.02) and blurred.top1 < plain.top1 / 2


def skewed(n: int) -> np.ndarray:
    """(n, 40) mixtures of 48 skewed sources, some strong where others are: what texts' vectors are like."""
    rng = np.random.default_rng(99)
    shape = np.linspace(0.15, 1.5, 48)
    links = np.triu(rng.random((48, 48)) < 5 / 48, 1) * rng.uniform(0.3, 1.5, (48, 48))
    plain = (rng.gamma(shape, 1.0, (n, 48)) - shape) / np.sqrt(shape)
    plain = plain * np.sqrt(1 + 3 * np.abs(plain).clip(0, 4) @ links)
    made: np.ndarray = (plain / plain.std(0)) @ rng.standard_normal((48, 40))
    return made


@pytest.mark.slow
def test_a_keyed_rotation_is_undone_without_a_pair():
    plain = skewed(8000)
    rng = np.random.default_rng(0)
    own = Space("made/own@1", 40).vectors(plain @ polar(rng.standard_normal((40, 40))))
    held = HELD.vectors(plain + 0.1 * plain.std() * rng.standard_normal(plain.shape))
    one, other = np.arange(4000), np.arange(4000, 8000)
    case = Case(held[one], own[other], own[one]).hidden(Rotated.of(HELD, b"nobody knows"))
    found = audit(case, pairs=(0,), unpaired=partial(align, widths=(36,), runs=(3,))).found
    assert found["no pairs"].top1 > 0.9 and found["untranslated"].top1 < 0.01


@pytest.mark.slow
def test_with_a_few_leaked_pairs_all_the_other_rows_help():
    plain = skewed(4000)
    own = Space("made/own@1", 40).vectors(plain @ polar(np.random.default_rng(0).standard_normal((40, 40))))
    held = HELD.vectors(plain + 0.2 * plain.std() * np.random.default_rng(1).standard_normal(plain.shape))
    one, other = np.arange(2000), np.arange(2000, 4000)
    case = Case(held[one], own[other], own[one])
    leaked, rows = np.arange(12), np.arange(12, 1012)
    alone = Procrustes.fit(case.held[leaked], case.truth[leaked])
    found = disclosed(case, attack(case, leaked)(case.held[rows]), rows)
    assert found.top1 > disclosed(case, alone(case.held[rows]), rows).top1 + 0.2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: Case(c.held, c.own, c.truth[:9]), "700 held rows but 9 items to judge them by\nGive"),
        (lambda c: Case(c.held, c.own, c.truth, c.labels[:1]), "1 label: two or more"),
        (lambda c: Case(c.held, c.own, c.truth, None, c.answers), "answers without labels\nGive"),
        (lambda c: Case(c.held, c.own, c.truth, c.labels, c.answers[:9]), "answers of shape (9,)"),
        (lambda c: Case(c.held, c.own, c.truth, c.labels, c.answers + 1), "whole number from 0 to 3"),
        (lambda c: Case(c.held, c.own, c.truth, c.labels, c.answers * 1.0), "type float64"),
        (lambda c: audit(c, pairs=(690,)), "700 held rows, 690 of them leaked: 10 are left to score, 20 are needed"),
        (lambda c: audit(c, pairs=(0,)), "rows of made/held@1: without pairs at least 1,000"),
    ],
)
def test_bad_input_is_refused_with_the_mend(case, change, says):
    with pytest.raises(ValueError) as told:
        change(case)
    assert says in str(told.value)


def test_spaces_are_not_mixed(case):
    with pytest.raises(SpaceMismatchError):
        Case(case.held, case.own, case.held)
    with pytest.raises(SpaceMismatchError):
        Case(case.held, case.own, case.truth, case.held[:3])
