"""Few pairs and many rows without; which rows to pair next."""

from dataclasses import replace

import numpy as np
import pytest

from samespace import Space, Vectors, errors
from samespace.translate.active import choose
from samespace.translate.few import few
from samespace.translate.measure import measure
from samespace.translate.procrustes import Procrustes, polar

HERE, THERE = Space("made/here@1", 40, fingerprint="h"), Space("made/there@1", 48, fingerprint="t")


def clustered(n: int, noise: float, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Rows in lumps, as texts lie; and the same turned, with noise."""
    fixed, drawn = np.random.default_rng(1), np.random.default_rng(seed)
    centres, spread = fixed.standard_normal((60, 40)), np.linspace(1.2, 0.2, 40)
    rows = (centres[drawn.integers(60, size=n)] + drawn.standard_normal((n, 40))) * spread
    turned = rows @ polar(fixed.standard_normal((40, 48))) + noise * drawn.standard_normal((n, 48))
    return HERE.vectors(rows + 0.3), THERE.vectors(turned - 0.3)


@pytest.mark.slow
def test_rows_without_pairs_carry_a_few_pairs_far():
    source, target = clustered(5500, 0.15)
    rest = (source[5000:], target[5000:])
    pairs = (source[4000:4016], target[4000:4016])
    made = few(source[:2000], target[2000:4000], *pairs)
    alone = Procrustes.fit(*pairs)
    assert made.facts["way"] in ("rows", "axes") and set(made.facts["table"]) >= {"pairs", "rows"}
    assert measure(made, *rest).top1 > measure(alone, *rest).top1 + 0.15
    assert made.fidelity is None
    np.testing.assert_array_equal(made.matrix, few(source[:2000], target[2000:4000], *pairs).matrix)


@pytest.mark.slow
def test_a_map_found_without_pairs_is_gone_on_from_and_a_wrong_one_is_not():
    source, target = clustered(5500, 0.15)
    rest, pairs = (source[5000:], target[5000:]), (source[4000:4006], target[4000:4006])
    sides = (source[:2000], target[2000:4000])
    right = Procrustes.fit(source[4100:4400], target[4100:4400])
    wrong = replace(right, matrix=polar(np.random.default_rng(0).standard_normal(right.matrix.shape)))
    made, again, plain = (few(*sides, *pairs, start=start) for start in (right, wrong, None))
    assert measure(made, *rest).top1 > measure(right, *rest).top1 - 0.05
    np.testing.assert_array_equal(again.matrix, plain.matrix)
    assert made.facts["table"]["start"] < 0.1 < again.facts["table"]["start"]


@pytest.mark.slow
def test_where_rows_say_nothing_the_pairs_alone_are_taken():
    source, target = clustered(2600, 0.3)
    rng = np.random.default_rng(0)
    noise = THERE.vectors(rng.standard_normal((2000, 48)) * rng.permutation(np.linspace(0.1, 2, 48)) - 0.3)
    made = few(source[:2000], noise, source[2000:2200], target[2000:2200])
    assert made.facts["way"] == "pairs" and "alone" in made.facts["why"]


def test_few_rows_are_no_help_and_it_says_so():
    source, target = clustered(300, 0.2)
    made = few(source[:100], target[100:200], source[200:220], target[200:220])
    assert made.facts["way"] == "pairs" and "fewer than 1,000 rows" in made.facts["why"]
    with pytest.raises(ValueError, match="pairs are needed"):
        few(source[:100], target[100:200], source[:5], target[:4])
    with pytest.raises(errors.SpaceMismatchError):
        few(source[:100], target[100:200], target[:5], target[:5])


@pytest.mark.parametrize("way", ["spread", "centres", "random"])
def test_what_is_chosen_is_new_and_distinct(way):
    source, _ = clustered(300, 0.1)
    known = np.arange(0, 300, 3)
    chosen = choose(source, 120, way=way, known=known, seed=3)
    assert len(set(chosen.tolist())) == 120 and not np.intersect1d(chosen, known).size
    np.testing.assert_array_equal(chosen, choose(source, 120, way=way, known=known, seed=3))
    assert len(choose(source, 0, way=way)) == 0 and len(choose(source, 300, way=way)) == 300
    with pytest.raises(ValueError, match=r"201 of 200 rows cannot be chosen\nAsk for 0 to 200"):
        choose(source, 201, way=way, known=known)


def test_a_spread_choice_goes_where_nothing_is_known():
    rng = np.random.default_rng(0)
    lumps = np.repeat(np.eye(40)[:4] * 5, 50, axis=0) + 0.3 * rng.standard_normal((200, 40))
    source = HERE.vectors(lumps)
    assert {int(i) // 50 for i in choose(source, 4, way="spread")} == {0, 1, 2, 3}
    assert len({int(i) // 50 for i in choose(source, 12, seed=1)}) >= 3
    np.testing.assert_array_equal(choose(source, 12, seed=1), choose(source, 12, way="centres", seed=1))
    assert choose(source, 2, way="spread", known=np.arange(100)).min() >= 100
    equal = HERE.vectors(np.ones((20, 40)))
    assert len(set(choose(equal, 5).tolist())) == 5
    with pytest.raises(ValueError, match=r"no way 'best' to choose\nGive one of: spread"):
        choose(source, 2, way="best")  # type: ignore[arg-type]
