"""Linear translators, fitted on pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace import Space, Vectors, errors, similarity
from samespace.translate.affine import Affine, LowRankAffine, Ridge, leave_one_out
from samespace.translate.frame import Frame
from samespace.translate.linear import Linear
from samespace.translate.measure import held_out, measure
from samespace.translate.moments import Moments
from samespace.translate.pairs import Pairs
from samespace.translate.procrustes import Procrustes, polar
from samespace.translate.protocol import Translator
from samespace.translate.rotations import turned

HERE, THERE = Space("made/here@1", 24, fingerprint="h"), Space("made/there@1", 32, fingerprint="t")
FITS = [Procrustes.fit, Affine.fit, LowRankAffine.fit]


def rotation(d: int, e: int, seed: int = 0) -> np.ndarray:
    return polar(np.random.default_rng(seed).standard_normal((d, e)))


def pairs(
    n: int, noise: float = 0.0, seed: int = 0, dims: tuple[Space, Space] = (HERE, THERE)
) -> tuple[Vectors, Vectors]:
    """Rows with a common part, and the same rows turned, with another common part."""
    rng = np.random.default_rng(seed)
    source, target = dims
    rows = rng.standard_normal((n, source.dim)) @ np.diag(np.linspace(1, 0.3, source.dim))
    turned = rows @ rotation(source.dim, target.dim)
    turned += noise * rng.standard_normal(turned.shape)
    return source.vectors(rows + 2.0), target.vectors(turned + np.linspace(-3, 3, target.dim))


@pytest.mark.parametrize("fit", FITS)
def test_each_fit_is_a_translator_that_finds_the_rotation(fit):
    made = fit(*(side[np.arange(400)] for side in pairs(500, 0.05)))
    assert isinstance(made, Translator) and isinstance(made, Linear) and made.fidelity is None
    source, target = (side[np.arange(400, 500)] for side in pairs(500, 0.05))
    found = measure(made, source, target, k=5)
    assert found.top1 == 1.0 and found.rank == 1.0 and found.kept > 0.8 and found.cosine > 0.95
    assert found.pool == 100 and found.pairs == 100 and found.k == 5
    back = made.inverse()
    assert back.source == THERE and back.target == HERE and measure(back, target, source, k=5).top1 == 1.0
    assert len(made(HERE.empty())) == 0
    with pytest.raises(errors.SpaceMismatchError):
        made(target)


def test_a_shuffled_target_is_at_chance():
    source, target = pairs(400, 0.05)
    order = np.random.default_rng(1).permutation(200)
    wrong = Procrustes.fit(source[np.arange(200)], target[order])
    found = measure(wrong, source[np.arange(200, 400)], target[np.arange(200, 400)])
    assert found.top1 < 0.06 and found.kept < 0.25 and abs(found.cosine) < 0.3


def test_procrustes_keeps_inner_products_where_the_target_is_wider():
    made = Procrustes.fit(*pairs(300))
    np.testing.assert_allclose(made.matrix @ made.matrix.T, np.eye(24), atol=1e-9)
    np.testing.assert_allclose(made.back, made.matrix.T)


def test_with_few_pairs_only_what_they_span_is_mapped():
    source, target = pairs(10)
    made = Procrustes.fit(source, target)
    assert np.linalg.matrix_rank(made.matrix) <= 9 and np.isfinite(made.matrix).all()
    values = np.linalg.svd(made.matrix, compute_uv=False)
    assert ((values > 1 - 1e-9) | (values < 1e-9)).all()


def test_frames_from_more_rows_help_few_pairs():
    source, target = pairs(2000, 0.2, seed=3)
    few = np.arange(12)
    own = Procrustes.fit(source[few], target[few])
    framed = Procrustes.fit(source[few], target[few], frames=(Frame.of(source), Frame.of(target)))
    rest = np.arange(1000, 2000)
    assert measure(framed, source[rest], target[rest]).rank < measure(own, source[rest], target[rest]).rank


@pytest.mark.parametrize("n", [15, 60])
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 100.0])
def test_leave_one_out_is_what_leaving_one_out_gives(n: int, penalty: float):
    source, target = pairs(n, 0.3)
    every = Pairs.of(source, target)
    ridge = Ridge.of(every.x, every.y, every.weights)
    fast = leave_one_out(ridge, every.x, every.y, every.weights, penalty)
    for i in (0, n // 2, n - 1):
        rest = np.delete(np.arange(n), i)
        slow = Ridge.of(every.x[rest], every.y[rest], np.ones(n - 1))
        matrix, shift = slow.solve(penalty * ridge.unit / slow.unit)
        np.testing.assert_allclose(fast[i], every.x[i] @ matrix + shift, atol=1e-8)


def test_a_weight_of_zero_is_a_pair_that_is_not_there_and_two_is_twice():
    source, target = pairs(40, 0.3)
    frames = (Frame.of(source), Frame.of(target))
    weights = np.r_[np.zeros(10), np.ones(30)]
    for fit in (Procrustes.fit, lambda *a, **k: Affine.fit(*a, penalty=1.0, **k)):
        with_zero = fit(source, target, weights=weights, frames=frames)
        without = fit(source[np.arange(10, 40)], target[np.arange(10, 40)], frames=frames)
        if isinstance(without, Procrustes):
            np.testing.assert_allclose(with_zero.matrix, without.matrix, atol=1e-9)
        twice = fit(source, target, weights=np.r_[2.0, np.ones(39)], frames=frames)
        doubled = fit(source[np.r_[0, 0:40]], target[np.r_[0, 0:40]], frames=frames)
        if isinstance(twice, Procrustes):
            np.testing.assert_allclose(twice.matrix, doubled.matrix, atol=1e-9)
        else:
            assert np.abs(twice.matrix - doubled.matrix).max() < 0.05


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(0, 3))
def test_moments_of_parts_are_the_moments_of_all(cut: int, seed: int):
    rng = np.random.default_rng(seed)
    x, y, w = rng.standard_normal((61, 5)), rng.standard_normal((61, 3)), rng.random(61)
    whole, parts = Moments.of(x, y, w), Moments.of(x[:cut], y[:cut], w[:cut]) + Moments.of(x[cut:], y[cut:], w[cut:])
    for name in ("x", "y", "xx", "yy", "xy"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), atol=1e-9)
    assert whole.count == parts.count and whole.weight == pytest.approx(parts.weight)
    np.testing.assert_allclose(whole.xy, (x * w[:, None]).T @ y, atol=1e-9)
    np.testing.assert_allclose(whole.scaled(2).yy, 2 * (y * w[:, None]).T @ y, atol=1e-9)


def test_a_fit_on_streamed_moments_is_the_fit_on_all():
    source, target = pairs(300, 0.2)
    frames = (Frame.of(source[np.arange(100)]), Frame.of(target[np.arange(100)]))
    streamed = Moments.none(24, 32)
    for start in range(0, 300, 70):
        part = np.arange(start, min(start + 70, 300))
        streamed += Moments.of(frames[0].enter(source[part].data), frames[1].enter(target[part].data))
    made = Procrustes.of(streamed, HERE, THERE, frames)
    np.testing.assert_allclose(made.matrix, Procrustes.fit(source, target, frames=frames).matrix, atol=1e-9)


def test_more_rank_is_nearer_to_the_whole():
    source, target = pairs(500, 0.1)
    fit, rest = np.arange(400), np.arange(400, 500)
    cosines = [
        measure(LowRankAffine.fit(source[fit], target[fit], rank=r), source[rest], target[rest]).cosine
        for r in (2, 8, 24)
    ]
    assert cosines == sorted(cosines) and cosines[2] - cosines[0] > 0.2
    assert np.linalg.matrix_rank(LowRankAffine.fit(source[fit], target[fit], rank=8).matrix) == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s, t: (s[np.arange(9)], t), r"9 rows of made/here.*but 10 of made/there.*\n.*align"),
        (lambda s, t: (s[[0]], t[[0]]), "1 pairs: at least 2"),
        (lambda s, t: (s[[0] * 10], t), r"all 10 rows of made/here.* are equal\nGive rows that differ"),
    ],
)
@pytest.mark.parametrize("fit", FITS)
def test_pairs_that_are_none_are_refused(fit, change, words: str):
    with pytest.raises(ValueError, match=words):
        fit(*change(*pairs(10)))


@pytest.mark.parametrize("weights", [np.ones(3), -np.ones(10), np.full(10, np.nan), np.zeros(10)])
def test_weights_that_are_none_are_refused(weights: np.ndarray):
    with pytest.raises(ValueError, match=r"weights of shape.*\nGive one for each"):
        Procrustes.fit(*pairs(10), weights=weights)


@pytest.mark.parametrize("dims", [(1, 1), (1, 300), (300, 1), (3, 2)])
@pytest.mark.parametrize("fit", FITS)
def test_any_width(fit, dims: tuple[int, int]):
    spaces = Space("a/a@1", dims[0], "euclidean"), Space("b/b@1", dims[1], "euclidean")
    source, target = pairs(30, 0.1, dims=spaces)
    made = fit(source, target)
    assert made(source).data.shape == (30, dims[1]) and made.inverse()(target).data.shape == (30, dims[0])


def test_copies_of_fitted_rows_are_not_held_out():
    source, _ = pairs(60)
    doubled = source[np.r_[0:60, 0:60]]
    fit, out = held_out(doubled, 0.2, seed=1)
    assert len(out) == 24 and similarity(doubled[fit], doubled[out]).max() < 0.98
    assert len(np.intersect1d(fit, out)) == 0


def test_measure_counts_ties_by_halves_and_refuses_too_few():
    flat = Space("f/f@1", 2)
    rows = flat.vectors([[1, 0], [1, 0], [0, 1], [0, 1]])

    class Same:
        source = target = flat
        fidelity = None

        def __call__(self, vectors: Vectors) -> Vectors:
            return vectors

    found = measure(Same(), rows, rows, k=1)
    assert found.top1 == 0.5 and found.rank == 1.5 and found.kept == 1.0 and found.cosine == pytest.approx(1.0)
    with pytest.raises(ValueError, match="more than k = 4"):
        measure(Same(), rows, rows, k=4)


def test_few_and_wide_rows_are_fitted_as_by_their_moments():
    source, target = pairs(15, 0.3)
    every = Pairs.of(source, target, np.linspace(0.5, 2, 15))
    moments = Moments.of(every.x, every.y, every.weights)
    thin, thick = Ridge.of(every.x, every.y, every.weights), Ridge.on(moments)
    assert thin.vectors.shape == (24, 15) and thick.vectors.shape == (24, 24)
    for one, other in zip(thin.solve(0.3), thick.solve(0.3), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    assert thin.unit == pytest.approx(thick.unit)
    frames = (every.before, every.after)
    by_moments = Procrustes.of(moments, every.source, every.target, frames)
    np.testing.assert_allclose(Procrustes.on(every).matrix, by_moments.matrix, atol=1e-8)
    plain = polar(thick.solve(1.0)[0], rank=14)
    np.testing.assert_allclose(turned(every).matrix, plain, atol=1e-6)
