"""Translation without pairs, stage by stage, on Spaces made of the same skewed sources."""

import numpy as np
import pytest

from samespace import Space, Vectors
from samespace.translate.align import align, judged
from samespace.translate.assign import Problem, sinkhorn
from samespace.translate.axes import look
from samespace.translate.consensus import match_axes
from samespace.translate.ica import fast_ica, whitening
from samespace.translate.measure import measure
from samespace.translate.near import unit
from samespace.translate.procrustes import polar
from samespace.translate.refine import COPY, anneal, first_map, halves, polish, settle

SOURCES = 16


def topics(n: int, seed: int, sources: int = SOURCES) -> np.ndarray:
    """(n, sources) uncorrelated, unit variance, each as skewed as no other; some are strong where others are."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    shape = np.linspace(0.15, 1.5, sources)
    links = np.triu(fixed.random((sources, sources)) < 5 / sources, 1) * fixed.uniform(0.3, 1.5, (sources, sources))
    plain = (rng.gamma(shape, 1.0, (n, sources)) - shape) / np.sqrt(shape)
    made = plain * np.sqrt(1 + 3 * np.abs(plain).clip(0, 4) @ links)
    return (made - made.mean(0)) / made.std(0)


def turn(d: int, seed: int) -> np.ndarray:
    return polar(np.random.default_rng(seed).standard_normal((d, d)))


@pytest.fixture(scope="module")
def sides() -> tuple[np.ndarray, np.ndarray]:
    """Whitened rows of two draws, each turned its own way."""
    made = []
    for seed in (1, 2):
        rows = topics(6000, seed)
        rows = rows @ turn(SOURCES, seed)
        made.append((rows @ whitening(rows, SOURCES)).astype(np.float32))
    return made[0], made[1]


def test_whitening_gives_uncorrelated_rows_and_says_what_is_lacking():
    rows = np.random.default_rng(0).standard_normal((500, 8)) @ np.diag([5, 3, 1, 1, 0.5, 0.1, 0, 0])
    white = rows @ whitening(rows, 6)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(6), atol=1e-8)
    with pytest.raises(ValueError, match=r"span 6 directions, 7 are needed\n.*pairs"):
        whitening(rows, 7)


def test_fast_ica_finds_the_sources_each_with_its_sign():
    rows = topics(6000, 1)
    mixed = rows @ turn(SOURCES, 1)
    white = (mixed @ whitening(mixed, SOURCES)).astype(np.float32)
    found = fast_ica(white, np.random.default_rng(0))
    alike = np.corrcoef(found.values.T, rows.T)[:SOURCES, SOURCES:]
    np.testing.assert_allclose(found.turn.T @ found.turn, np.eye(SOURCES), atol=1e-6)
    assert found.settled and np.sort(alike.max(axis=1))[2:].min() > 0.9
    assert (alike.max(axis=1) > -alike.min(axis=1)).all()  # right signs


def test_looks_are_the_same_however_a_side_is_turned(sides):
    values = fast_ica(sides[0], np.random.default_rng(0)).values
    order = np.random.default_rng(3).permutation(SOURCES)
    one, other = look(values), look(np.ascontiguousarray(values[:, order]))
    for name in ("quantiles", "skew", "weight"):
        np.testing.assert_allclose(getattr(one, name)[order], getattr(other, name), atol=1e-5)
    for name in ("excess", "lean"):
        np.testing.assert_allclose(getattr(one, name)[np.ix_(order, order)], getattr(other, name), atol=1e-4)


def test_an_assignment_finds_a_permutation_from_any_start_and_states_its_value(sides):
    values = fast_ica(sides[0], np.random.default_rng(0)).values
    order = np.random.default_rng(3).permutation(SOURCES)
    problem = Problem(look(values), look(np.ascontiguousarray(values[:, order])))
    rng = np.random.default_rng(0)
    match = problem.solve(problem.starts(4, rng))
    assert (order[match.to] == np.arange(SOURCES)).all()
    assert match.value == pytest.approx(_value(problem, match.to)) and match.value > 1.5
    assert match.value > max(_value(problem, rng.permutation(SOURCES)) for _ in range(50)) + 0.5


def _value(problem: Problem, to: np.ndarray) -> float:
    """The objective, written out."""
    p = np.zeros((len(to), len(to)))
    p[np.arange(len(to)), to] = 1
    both = ((problem._r[0], problem._r[1]), (problem._k[0], problem._k[1]))
    return sum(float((p * (a @ p @ b.T)).sum()) for a, b in both) + float((p * problem._linear).sum())


def test_sinkhorn_makes_sums_of_one():
    made = sinkhorn(np.random.default_rng(0).random((9, 9)) + 0.1, 50)
    np.testing.assert_allclose(made.sum(0), 1, atol=1e-6)
    np.testing.assert_allclose(made.sum(1), 1, atol=1e-6)


def test_axes_of_two_draws_are_matched(sides):
    soon, axial = match_axes(*sides, np.random.default_rng(0), widths=(12, 16), runs=(3,))
    truth = (whitening(sides[0], 16).T @ _back(1)) @ (whitening(sides[1], 16).T @ _back(2)).T
    cosine = (axial.agreement.map * truth).sum() / np.linalg.norm(axial.agreement.map) / np.linalg.norm(truth)
    assert cosine > 0.7
    assert [way for _, way, _ in axial.values] == ["fresh", "fresh", "grown"]
    *_, again = match_axes(*sides, np.random.default_rng(0), widths=(12, 16), runs=(3,))
    np.testing.assert_array_equal(again.agreement.map, axial.agreement.map)
    assert axial.agreement.value == max(value for width, _, value in axial.values if width == 16)
    assert [width for width, _, _ in soon.values] == [12] and soon.agreement.map.shape == (12, 12)


def _back(seed: int) -> np.ndarray:
    """From the whitened rows of a draw to its sources, by least squares."""
    rows = topics(6000, seed)
    mixed = rows @ turn(SOURCES, seed)
    white = mixed @ whitening(mixed, SOURCES)
    return np.linalg.lstsq(white, rows, rcond=None)[0]


def spaces(n: int, noise: float, seed: int = 0) -> tuple[Vectors, Vectors, np.ndarray]:
    """Rows of two Spaces for the same items, the second turned and blurred; where the halves are cut."""
    rng = np.random.default_rng(seed)
    rows = topics(2 * n + 600, seed, 48) @ rng.standard_normal((48, 40))
    turned = rows @ polar(rng.standard_normal((40, 48)))
    turned += noise * turned.std() * rng.standard_normal(turned.shape)
    here, there = Space("made/a@1", 40), Space("made/b@1", 48)
    return here.vectors(rows + 1), there.vectors(turned - 1), np.array([n, 2 * n])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_spaces_without_a_pair_and_the_same_rows_shuffled_column_by_column():
    source, target, (a, b) = spaces(5000, 0.1)
    stages: list[str] = []
    made = align(source[np.arange(a)], target[np.arange(a, b)], widths=(36, 40), runs=(3,), tell=stages.append)
    rest = np.arange(b, len(source))
    found = measure(made, source[rest], target[rest])
    assert found.top1 > 0.9 and found.kept > 0.5 and made.fidelity is None
    assert [s for s in stages if s != "annealing"][-2:] == ["first map", "polishing"] and stages[0] == "axes: 36"
    np.testing.assert_allclose(made.matrix @ made.matrix.T, np.eye(40), atol=1e-6)
    rng = np.random.default_rng(0)
    noise = np.stack([rng.permutation(column) for column in target.data[a:b].T], axis=1)
    wrong = align(source[np.arange(a)], target.space.vectors(noise), widths=(36,), runs=(3,))
    assert measure(wrong, source[rest], target[rest]).top1 < 0.1
    assert wrong.facts["value"] < made.facts["value"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_runs_that_agree_are_trusted_and_nonsense_is_not():
    source, target, (a, b) = spaces(4000, 0.1, seed=3)
    here, there, rest = source[np.arange(a)], target[np.arange(a, b)], np.arange(b, len(source))
    good = judged(here, there, seed=1, widths=(36,), runs=(2,))
    assert good.facts["verdict"]["level"] == "trusted" and good.facts["seed"] == 1
    assert good.facts["verdict"]["evidence"]["cosine"] > 0.8
    assert measure(good, source[rest], target[rest]).top1 > 0.9
    noise = target.space.vectors(np.random.default_rng(0).standard_normal(there.data.shape))
    assert judged(here, noise, widths=(36,), runs=(2,)).facts["verdict"]["level"] == "failed"


@pytest.mark.slow
def test_clusters_start_the_same_way():
    source, target, (a, b) = spaces(1500, 0.1, seed=4)
    made = align(source[np.arange(a)], target[np.arange(a, b)], method="kmeans", runs=(1,))
    assert made.facts["method"] == "align:kmeans" and "value" not in made.facts
    np.testing.assert_allclose(made.matrix @ made.matrix.T, np.eye(40), atol=1e-6)


@pytest.mark.slow
def test_the_late_stages_mend_a_rough_map():
    source, target, (a, b) = spaces(1500, 0.2, seed=1)
    x, y = (unit(v - v.mean(0)) for v in (source.data[:a], target.data[a:b]))
    rest = [unit(v.data[b:] - v.data.mean(0)) for v in (source, target)]
    truth = polar(rest[0].T @ rest[1])
    rng = np.random.default_rng(0)
    rough = polar(truth + 0.35 * rng.standard_normal(truth.shape))

    def top1(w: np.ndarray) -> float:
        return float(((rest[0] @ w) @ rest[1].T).argmax(1).__eq__(np.arange(len(rest[0]))).mean())

    assert top1(rough) < 0.5
    assert top1(polish(x, y, rough, rng)) > top1(rough) + 0.3
    assert top1(polish(x, y, anneal(x, y, first_map(x, y, unit(x @ rough).astype(np.float32), y, rng), rng), rng)) > 0.8


def test_two_halves_of_the_rows_agree_on_a_right_map_and_on_no_wrong_one():
    source, target, (a, b) = spaces(1500, 0.1, seed=1)
    x, y = (unit(v - v.mean(0)).astype(np.float32) for v in (source.data[:a], target.data[a:b]))
    truth = polar((source.data - source.data.mean(0)).T @ (target.data - target.data.mean(0)))
    rng = np.random.default_rng(0)
    both, agreed = halves(x, y, truth, rng)
    assert agreed > COPY and np.linalg.norm(polar(both) - truth) < 0.5 * np.linalg.norm(truth)
    assert halves(x, y, polar(rng.standard_normal(truth.shape)), rng)[1] < min(COPY, agreed / 2)


def test_the_same_items_in_another_order_are_recognised_and_found():
    source, target, (a, _) = spaces(1500, 0.4, seed=2)
    x, y = (unit(v.data[:a] - v.data.mean(0)).astype(np.float32) for v in (source, target))
    truth = polar(x.T @ y)
    rng = np.random.default_rng(0)
    rough = polar(truth + 0.1 * rng.standard_normal(truth.shape))
    order = rng.permutation(a)
    found, same = settle(x, y[order], rough)
    assert same.same and same.share > 0.9
    assert np.linalg.norm(found - truth) < 0.3 * np.linalg.norm(rough - truth)
    there = unit(target.data[a : 2 * a] - target.data.mean(0)).astype(np.float32)
    kept, other = settle(x, there, truth)
    assert not other.same and kept is truth and other.share < 0.55


def test_too_few_rows_are_refused():
    space = Space("made/a@1", 4)
    with pytest.raises(ValueError, match=r"3 different rows of made/a@1: without pairs at least 1,000.*\n.*pairs: fit"):
        align(space.vectors(np.eye(4)[:3]), space.vectors(np.eye(4)[:3]))
    copies = space.vectors(np.random.default_rng(0).standard_normal((500, 4)).repeat(4, axis=0))
    with pytest.raises(ValueError, match="500 different rows"):
        align(copies, copies)


def test_rows_that_span_too_little_are_refused():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((1200, 3)) @ rng.standard_normal((3, 90))
    space = Space("made/flat@1", 90)
    with pytest.raises(ValueError, match=r"span 3 directions, 90 are needed\n.*pairs"):
        align(space.vectors(flat), space.vectors(flat))
