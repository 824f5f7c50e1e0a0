"""The kernel regression beside a rotation: against the formula, where it helps, and where it stands back."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from samespace import Space, Vectors, errors
from samespace.translate import files, kernel, trial
from samespace.translate.affine import Affine
from samespace.translate.fit import fit
from samespace.translate.kernel import Kernel
from samespace.translate.measure import measure
from samespace.translate.pairs import Pairs
from samespace.translate.rotations import ridge_rotation

HERE, THERE = Space("made/here@1", 12, fingerprint="h"), Space("made/there@1", 16, fingerprint="t")
FREE = Space("made/free@1", 12, "dot", fingerprint="f")


def bent(n: int, seed: int = 0, space: Space = HERE) -> tuple[Vectors, Vectors]:
    """Rows, and what a fixed smooth map makes of them that no straight one can."""
    drawn, fixed = np.random.default_rng(seed), np.random.default_rng(5)
    rows = drawn.standard_normal((n, 12))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made = np.tanh(rows @ fixed.standard_normal((12, 48)) * 2) @ fixed.standard_normal((48, 16))
    made += 3 * np.abs(rows @ fixed.standard_normal((12, 16)))
    return space.vectors(rows), THERE.vectors(made)


@pytest.mark.parametrize("space", [HERE, FREE], ids=["cosine", "dot"])
def test_it_is_the_formula(space: Space):
    source, target = bent(90, space=space)
    weights = np.linspace(0.2, 2, 60)
    made = Kernel.fit(source[:60], target[:60], weights=weights)
    pairs = Pairs.of(source[:60], target[:60], weights)
    apart = ((pairs.x[:, None] - pairs.x) ** 2).sum(axis=2)
    outer = np.linalg.solve(np.exp(-apart / 2) + np.diag(0.03 / pairs.weights), pairs.y)
    rows = pairs.before.enter(source.data[60:])
    near = np.exp(-((rows[:, None] - pairs.x) ** 2).sum(axis=2) / 2)
    turn = ridge_rotation(source[:60], target[:60], weights=weights)
    there = 2 * rows @ turn.matrix + near @ outer
    there /= np.linalg.norm(there, axis=1, keepdims=True)
    np.testing.assert_allclose(made.carried(source.data[60:]), there, atol=2e-4)
    whole = made.after.leave(there)
    np.testing.assert_allclose(made(source[60:]).data, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=2e-4)
    np.testing.assert_allclose(made.inverse()(target).data, turn.inverse()(target).data, atol=1e-6)
    assert len(made(space.empty())) == 0


def test_it_keeps_more_than_straight_maps_where_the_map_bends_and_auto_takes_it():
    source, target = bent(900)
    rest = (source[600:], target[600:])
    made = Kernel.fit(source[:600], target[:600])
    straight = Affine.fit(source[:600], target[:600])
    assert measure(made, *rest).kept > measure(straight, *rest).kept + 0.01
    auto = fit(source[:600], target[:600])
    assert auto.facts["method"] == "kernel"
    assert measure(made.inverse(), *reversed(rest)).top1 > 0.05


def test_where_no_pair_is_near_the_rotation_stands_alone():
    source, target = bent(80, space=FREE)
    made = Kernel.fit(source, target)
    far = FREE.vectors(20 * source.data[:5])
    turned = made.before.enter(far.data) @ made.matrix
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    np.testing.assert_allclose(made.carried(far.data), turned, atol=1e-5)


def test_a_weight_of_zero_is_a_pair_that_the_regression_has_not():
    source, target = bent(70)
    made = Kernel.fit(source, target, weights=np.r_[np.zeros(20), np.ones(50)])
    assert len(made.rows) == len(made.outer) == 50
    np.testing.assert_allclose(made.rows, made.before.enter(source.data[20:]), atol=1e-6)


def test_of_many_pairs_the_regression_takes_some_and_the_rotation_all(monkeypatch: pytest.MonkeyPatch):
    source, target = bent(200)
    whole = Kernel.fit(source, target)
    monkeypatch.setattr(kernel, "_MOST", 50)
    part = Kernel.fit(source, target, seed=3)
    assert part.rows.shape == (50, 12) and part.facts["pairs"] == 200 and part.facts["rows_kept"] == 50
    np.testing.assert_allclose(part.matrix, whole.matrix)
    assert not np.array_equal(part.rows, Kernel.fit(source, target, seed=4).rows)
    np.testing.assert_array_equal(part.rows, Kernel.fit(source, target, seed=3).rows)


def test_the_more_pairs_the_less_the_rotation_has_to_say(monkeypatch: pytest.MonkeyPatch):
    source, target = bent(200)
    full = Kernel.fit(source, target).matrix
    monkeypatch.setattr(kernel, "_ALIKE", 50)
    np.testing.assert_allclose(Kernel.fit(source, target).matrix, full / 4)


def test_it_is_kept_to_the_last_bit(tmp_path):
    source, target = bent(150)
    made = fit(source[:120], target[:120], method="kernel")
    files.save(made, tmp_path / "k")
    again = files.load(tmp_path / "k")
    assert isinstance(again, Kernel) and again.facts["method"] == "kernel"
    np.testing.assert_array_equal(again(source).data, made(source).data)


def test_copies_among_the_pairs_do_no_harm():
    source, target = bent(60)
    rows = np.r_[0:60, [0] * 40]
    made = Kernel.fit(source[rows], target[rows])
    assert np.isfinite(made.outer).all() and np.isfinite(made(source).data).all()


def test_without_scipy_it_says_so_and_auto_goes_without(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(errors.MissingExtraError, match="scipy"):
        Kernel.fit(*bent(40))
    monkeypatch.setattr(trial, "find_spec", lambda name: None)
    assert trial.candidates(500, 12) == ("procrustes", "ridge-rotation", "blend", "affine")


def test_another_space_is_refused():
    made = Kernel.fit(*bent(40))
    with pytest.raises(errors.SpaceMismatchError):
        made(replace(HERE, fingerprint="other").vectors(np.ones((1, 12))))
