"""Other domains are seen before a translation is applied to them."""

import numpy as np
import pytest

from samespace import Space, Vectors, errors
from samespace.translate.domain import Domain

HERE = Space("made/here@1", 24, fingerprint="h")


def kind(n: int, seed: int, middle: float = 0.0, spread: np.ndarray | None = None) -> Vectors:
    """Rows about a common part (2, 2, …), stretched unevenly; `middle` moves them along one axis."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 24)) * (np.linspace(2, 0.2, 24) if spread is None else spread)
    rows[:, 3] += middle
    return HERE.vectors(rows + 2.0)


@pytest.mark.parametrize("n", [60, 300, 6000])
def test_rows_of_the_same_kind_are_inside(n: int) -> None:
    look = Domain.of(kind(n, 0)).look(kind(400, 1))
    assert not look.outside and look.shift < 0.2 and look.beyond < 0.3 and look.rows == 400
    assert look.why.startswith("of the kind that the translation was fitted on: shift 0.")


def test_a_collection_on_one_subject_is_outside() -> None:
    look = Domain.of(kind(2000, 0)).look(kind(400, 1, middle=4.0))
    assert look.outside and look.shift > 0.45 and look.beyond < 0.75, "by its shift alone"
    assert "not of the kind that the translation was fitted on" in look.why and look.to_dict()["why"] == look.why


def test_rows_of_another_space_under_a_wrong_name_are_outside() -> None:
    turned = kind(400, 1, spread=np.linspace(0.2, 2, 24))
    look = Domain.of(kind(2000, 0)).look(turned)
    assert look.outside and look.beyond > 0.75


def test_the_shift_of_few_rows_is_not_their_noise() -> None:
    domain = Domain.of(kind(2000, 0))
    assert np.mean([domain.look(kind(50, seed)).shift for seed in range(2, 12)]) < 0.12


def test_too_few_rows_tell_nothing() -> None:
    assert Domain.of(kind(49, 0)) is None
    assert Domain.of(HERE.vectors(np.ones((80, 24)))) is None
    look = Domain.of(kind(50, 0)).look(kind(49, 1, middle=50.0))
    assert not look.outside and look.why == "49 rows are too few to tell their domain; 50 are needed"


def test_it_is_the_same_for_the_same_rows_and_keeps_none_of_them() -> None:
    rows = kind(5000, 0)
    one, same = Domain.of(rows), Domain.of(rows)
    assert (one.axes == same.axes).all() and one.far == same.far and one.rows == 5000
    assert one.axes.shape == (24, 24) and one.spread.shape == (24,)
    np.testing.assert_allclose(one.axes.T @ one.axes, np.eye(24), atol=1e-5)


def test_what_lies_beside_all_that_the_fitted_rows_span_is_far_out() -> None:
    space = Space("made/flat@1", 100, "dot")
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((240, 100)) * np.r_[np.ones(20), np.full(80, 0.01)]
    domain = Domain.of(space.vectors(flat))
    assert domain.axes.shape == (100, 48)
    beside = flat + np.r_[np.zeros(20), np.full(80, 1.0)] * rng.standard_normal((240, 100))
    assert domain.look(space.vectors(beside)).beyond > 0.95 and not domain.look(space.vectors(flat)).outside


@pytest.mark.parametrize("dim", [1, 8192])
def test_any_width(dim: int) -> None:
    space = Space("made/wide@1", dim, "dot")
    rng = np.random.default_rng(0)
    domain = Domain.of(space.vectors(rng.standard_normal((100, dim))))
    assert not domain.look(space.vectors(rng.standard_normal((100, dim)))).outside


def test_another_space_is_refused() -> None:
    with pytest.raises(errors.SpaceMismatchError):
        Domain.of(kind(60, 0)).look(Space("other/one@1", 24).vectors(np.eye(24).repeat(3, 0)))
