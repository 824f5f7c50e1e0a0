"""Translators to a Space derived from another."""

import numpy as np
import pytest

from samespace.errors import SpaceMismatchError
from samespace.space import Space
from samespace.translate.derived import Cut, Requantised, neighbours_kept
from samespace.translate.protocol import Translator

WHOLE = Space("acme/whole@1", 8, fingerprint="a")
COARSE = Space("acme/whole@1+int8", 8, fingerprint="b", parent=WHOLE)
SMALL = Space("acme/whole@1/3", 3, fingerprint="c", parent=WHOLE)


@pytest.fixture
def rows():
    return WHOLE.vectors(np.random.default_rng(0).standard_normal((40, 8)))


def test_requantised_takes_vectors_over_unchanged(rows):
    there = Requantised(WHOLE, COARSE, 0.9)
    made = there(rows)
    assert isinstance(there, Translator)
    assert made.space == COARSE
    np.testing.assert_allclose(made.data, rows.data, atol=1e-7)
    with pytest.raises(SpaceMismatchError):
        there(made)


def test_its_fidelity_is_the_share_of_neighbours_kept(rows):
    noise = np.random.default_rng(1).standard_normal(rows.data.shape)
    exact = Requantised.measure(rows, COARSE.vectors(rows.data))
    near = Requantised.measure(rows, COARSE.vectors(rows.data + 0.05 * noise))
    far = Requantised.measure(rows, COARSE.vectors(noise))
    assert exact.fidelity == 1.0
    assert 0.8 < near.fidelity < 1
    assert far.fidelity < 0.3  # chance is 5 / 39


def test_neighbours_are_counted_row_by_row():
    line = Space("acme/line@1", 1, "euclidean")
    a = line.vectors([[0], [1], [3], [7]])
    b = line.vectors([[0], [1], [7], [3]])  # rows 2 and 3 have changed places
    # nearest in a: 1, 0, 1, 2; in b: 1, 0, 3, 1
    assert neighbours_kept(a, b, k=1) == 0.5
    assert neighbours_kept(a, a, k=1) == 1.0


def test_a_cut_keeps_the_first_numbers_at_unit_length(rows):
    made = Cut(WHOLE, SMALL)(rows)
    wanted = rows.data[:, :3] / np.linalg.norm(rows.data[:, :3], axis=1, keepdims=True)
    np.testing.assert_allclose(made.data, wanted, atol=1e-6)
    assert made.space == SMALL
    assert Cut(WHOLE, SMALL).fidelity == 1.0


def test_spaces_that_do_not_belong_together_are_refused(rows):
    with pytest.raises(ValueError, match="not one model"):
        Requantised(WHOLE, SMALL)
    with pytest.raises(ValueError, match="parent=source"):
        Cut(WHOLE, Space("other/small@1", 3))
    with pytest.raises(ValueError, match="40 and 39 rows"):
        neighbours_kept(rows, rows[:39])
    with pytest.raises(ValueError, match="more than k = 40"):
        neighbours_kept(rows, rows, k=40)
