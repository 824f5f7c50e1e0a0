"""The int8 search against the exact one: the same rows and the same bits of score, whatever the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samespace import Space, SpaceMismatchError
from samespace.index import ram
from samespace.index.exact import Exact
from samespace.index.ram import Compact, Ram


def same(one, other) -> None:
    for mine, right in zip(one, other, strict=True):
        assert mine.rows.tolist() == right.rows.tolist()
        assert mine.scores.tobytes() == right.scores.tobytes()


def warm(data: np.ndarray, space: Space) -> Ram:
    made = Ram(data, space)
    made._asked = 100  # the int8 copy is made at the next query
    return made


@settings(max_examples=60, deadline=None)
@given(
    metric=st.sampled_from(["cosine", "dot", "euclidean"]),
    n=st.integers(1, 700),
    d=st.integers(1, 40),
    k=st.integers(1, 900),
    seed=st.integers(0, 10**6),
    common=st.sampled_from([0.0, 3.0]),
    repeats=st.booleans(),
    share=st.sampled_from([None, 0.0, 0.05, 0.5]),
    cold=st.booleans(),
    asked=st.integers(1, 4),
    spread=st.sampled_from([1.0, 1e-3, 1e4]),
)
def test_it_gives_the_exact_answer(metric, n, d, k, seed, common, repeats, share, cold, asked, spread):
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((n, d)) + common) * (spread ** rng.random((n, 1)))
    rows = rows[rng.integers(0, n, n)] if repeats else rows
    space = Space("t/x@1", d, metric)
    data = space.vectors(rows).data
    queries = space.vectors(np.concatenate([rng.standard_normal((3, d)) + common, rows[:1]])[-asked:])
    allowed = None if share is None else rng.random(n) < share
    finder = Ram(data, space) if cold else warm(data, space)
    same(finder.nearest(queries, k, allowed=allowed), Exact(data, space).nearest(queries, k, allowed=allowed))
    assert (finder._compact is None) == cold


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("share", [None, 0.5, 0.1])
def test_a_batch_in_many_blocks_gives_the_exact_answer(metric, share, monkeypatch):
    monkeypatch.setattr(ram, "_DOTS", 20_000)
    rng = np.random.default_rng(0)
    space = Space("t/x@1", 16, metric)
    data = space.vectors(rng.standard_normal((900, 16))[rng.integers(0, 900, 2000)]).data
    allowed = None if share is None else rng.random(2000) < share
    queries = space.vectors(np.concatenate([data[:40], rng.standard_normal((100, 16))]))
    for k in (1, 10, 700):
        same(
            Ram(data, space).nearest(queries, k, allowed=allowed),
            Exact(data, space).nearest(queries, k, allowed=allowed),
        )


def test_an_int8_copy_that_is_given_is_used():
    rng = np.random.default_rng(0)
    space = Space("t/x@1", 16)
    data = space.vectors(rng.standard_normal((500, 16))).data
    mean = np.full(16, 0.1, np.float32)
    code = Compact.of(data, mean)
    assert code.mean is mean
    back = mean + code.codes * code.scales[:, None]
    assert (np.linalg.norm(data - back, axis=1) <= code.errors).all()
    finder = Ram(data, space, code)
    same(finder.nearest(space.vectors(data[:3]), 5), Exact(data, space).nearest(space.vectors(data[:3]), 5))
    assert finder._compact is code


def test_equal_vectors_come_in_the_order_of_their_rows():
    space = Space("t/x@1", 3)
    data = space.vectors(np.tile([[1, 1, 1], [1, 1, 0], [1, 0.5, 0], [1, 1, 1]], (500, 1))).data
    found = warm(data, space).nearest(space.vectors([1, 0, 0]), 1900)[0]
    assert (
        found.rows.tolist()
        == [*range(2, 2000, 4), *range(1, 2000, 4), *sorted([*range(0, 2000, 4), *range(3, 2000, 4)])][:1900]
    )


def test_the_coded_rows_are_within_their_bounds():
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((5000, 96)) * np.geomspace(1, 0.01, 96) + 2).astype(np.float32)
    code = Compact.of(data)
    back = code.mean + code.codes * code.scales[:, None]
    left = np.linalg.norm(data.astype(np.float64) - back, axis=1)
    assert (left <= code.errors).all()
    assert (code.errors <= left * 1.01).all()  # and not by being generous
    queries = rng.standard_normal((4, 96)).astype(np.float32)
    assert np.allclose(code.dots(queries), back @ queries.T, rtol=1e-4, atol=1e-3)
    some = rng.permutation(5000)[:30]
    assert np.allclose(code.dots(queries, some), back[some] @ queries.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_the_bounds_hold_for_the_worst_query(metric):
    """A query that points the way in which int8 is off: there Cauchy and Schwarz is an equality."""
    rng = np.random.default_rng(0)
    space = Space("t/x@1", 32, metric)
    data = space.vectors(rng.standard_normal((300, 32))).data
    finder, code = Ram(data, space), Compact.of(data)
    back = code.mean + code.codes * code.scales[:, None]
    for row in range(0, 300, 30):
        query = ((data[row] - back[row]) * 1e3).astype(np.float32)
        lengths = np.linalg.norm(query)[None]
        values, slack = (x[:, 0] for x in finder._bounds(code.dots(query[None]), code.errors, lengths, slice(None)))
        wide = data.astype(np.float64)
        truth = 2 * wide @ query - (wide**2).sum(1) if metric == "euclidean" else wide @ query
        assert (np.abs(values - truth) <= slack).all()
        assert abs(values[row] - truth[row]) > 0.9 * slack[row]  # and it needs to be as wide as it is


def test_the_bound_rules_nearly_everything_out():
    """It is worth its while: of 20,000 rows a hundred or so are scored exactly."""
    rng = np.random.default_rng(0)
    space = Space("t/x@1", 128)
    data = space.vectors(rng.standard_normal((20_000, 128)) * np.arange(1, 129) ** -0.5).data
    counted = []
    exact = ram.score
    ram.score = lambda rows, query, space: counted.append(len(rows)) or exact(rows, query, space)
    try:
        warm(data, space).nearest(space.vectors(data[:20]), 10)
    finally:
        ram.score = exact
    assert np.mean(counted) < 300


def test_a_float32_dot_product_keeps_to_the_rounding_that_is_assumed():
    rng = np.random.default_rng(0)
    for d in (8, 384, 4096):
        rows = rng.standard_normal((2000, d)).astype(np.float32) + 1
        query = rng.standard_normal(d).astype(np.float32) + 1
        exact = rows.astype(np.float64) @ query.astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
        assert (np.abs(rows @ query - exact) / lengths).max() < ram._ROUNDING / 2


def test_it_refuses_nonsense():
    space, other = Space("t/x@1", 3), Space("t/y@1", 3)
    finder = Ram(space.vectors(np.ones((5, 3))).data, space)
    with pytest.raises(SpaceMismatchError, match="Encode with the model"):
        finder.nearest(other.vectors([1, 0, 0]), 1)
    with pytest.raises(ValueError, match="at least 1"):
        finder.nearest(space.vectors([1, 0, 0]), 0)
