"""What is expected of a large pool, told from a small one."""

import numpy as np
import pytest

from samespace import Space
from samespace.translate.reach import POOL, reach

SPACE = Space("made/rows@1", 64)


def rows(n: int, noise: float, seed: int = 0):
    """Unit rows, and the same with noise: (made, pool)."""
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((n, 64))
    return SPACE.vectors(true + noise * rng.standard_normal((n, 64))), SPACE.vectors(true)


@pytest.mark.parametrize("noise", [1.6, 2.2, 3.0])
def test_of_twenty_rows_it_foretells_what_is_found_of_five_thousand(noise: float):
    made, pool = rows(POOL, noise)
    true = float(((made.data[:1500] @ pool.data.T).argmax(axis=1) == np.arange(1500)).mean())
    folds = [np.arange(start, start + 20) for start in range(0, 2000, 20)]
    found = reach([(made[fold], pool[fold]) for fold in folds])
    assert 0.1 < true < 0.95 and abs(found - true) < 0.08


def test_it_tells_maps_apart_where_all_find_every_row():
    (good, pool), (fair, _) = rows(40, 0.8), rows(40, 1.2)
    for made in (good, fair):
        assert ((made.data @ pool.data.T).argmax(axis=1) == np.arange(40)).all()
    assert reach([(good, pool)]) > reach([(fair, pool)]) + 0.005


def test_by_chance_it_is_nothing_and_exactly_right_it_is_all():
    made, pool = rows(400, 0.0)
    assert reach([(made, pool)]) == pytest.approx(1)
    assert reach([(made[np.r_[1:400, 0]], pool)]) < 0.01


def test_rows_of_the_pool_that_are_no_ones_own_are_others_too():
    made, pool = rows(60, 1.0)
    assert reach([(made[:30], pool)]) == pytest.approx(reach([(made[:30], pool[:30])]), abs=0.05)


def test_equal_scores_are_no_error():
    flat = SPACE.vectors(np.ones((5, 64)))
    assert reach([(flat, flat)]) < 0.01
