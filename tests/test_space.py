"""Spaces and Vectors: identity, entry checks, arithmetic, similarity."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samespace import Space, SpaceMismatchError, Vectors, similarity
from samespace.errors import VectorError

names = st.text(min_size=1, max_size=20)
metrics = st.sampled_from(["cosine", "dot", "euclidean"])
spaces = st.recursive(
    st.builds(Space, names, st.integers(1, 64), metrics, st.text(max_size=8)),
    lambda inner: st.builds(Space, names, st.integers(1, 64), metrics, st.text(max_size=8), inner),
    max_leaves=3,
)
finite = st.floats(-100, 100, width=32)


def rows(n: int, d: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, (n, d), elements=finite).filter(lambda a: (np.linalg.norm(a, axis=1) > 1e-2).all())


@given(spaces)
def test_json_both_ways(space: Space) -> None:
    back = Space.from_json(space.to_json())
    assert back == space
    assert hash(back) == hash(space)


@given(spaces, spaces)
def test_equal_json_means_equal_space(a: Space, b: Space) -> None:
    assert (a == b) == (a.to_json() == b.to_json())


@pytest.mark.parametrize("field", ["name", "dim", "metric", "fingerprint", "parent"])
def test_any_field_makes_another_space(red: Space, blue: Space, field: str) -> None:
    other = {"name": "x/y@2", "dim": 9, "metric": "dot", "fingerprint": "cc", "parent": blue.to_dict()}[field]
    assert Space.from_dict({**red.to_dict(), field: other}) != red


@pytest.mark.parametrize("text", ["{}", "[]", '{"name": "a"}', '{"name": "a", "dim": "x", "metric": "cosine"}'])
def test_a_broken_description_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the description of a Space"):
        Space.from_json(text)


@pytest.mark.parametrize(
    ("args", "says"), [(("", 3), "needs a name"), (("a", 0), "at least 1"), (("a", 3, "cos"), "none of cosine")]
)
def test_a_space_checks_itself(args: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Space(*args)


def test_equal_width_is_not_the_same_space(red: Space, blue: Space) -> None:
    a, b = red.vectors(np.eye(8)), blue.vectors(np.eye(8))
    for mix in (lambda: similarity(a, b), lambda: a + b, lambda: a - b, lambda: a.concat(b), lambda: (2 * a) + b):
        with pytest.raises(SpaceMismatchError, match="translate them first") as caught:
            mix()
        assert {caught.value.got, caught.value.needed} == {str(red), str(blue)}


@given(rows(5, 8))
def test_cosine_vectors_have_unit_length(data: np.ndarray) -> None:
    vectors = Space("a", 8).vectors(data)
    np.testing.assert_allclose(np.linalg.norm(vectors.data, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.diag(similarity(vectors, vectors)), 1, atol=1e-5)


@given(rows(4, 8))
def test_dot_vectors_keep_their_length(data: np.ndarray) -> None:
    np.testing.assert_array_equal(Space("a", 8, "dot").vectors(data).data, data)


@given(rows(6, 8), rows(3, 8), metrics)
def test_similarity_is_the_formula(a: np.ndarray, b: np.ndarray, metric: str) -> None:
    space = Space("a", 8, metric)
    x, y = space.vectors(a), space.vectors(b)
    wide_x, wide_y = x.data.astype(np.float64), y.data.astype(np.float64)
    want = -np.linalg.norm(wide_x[:, None] - wide_y[None], axis=2) if metric == "euclidean" else wide_x @ wide_y.T
    scale = max(1.0, float(np.abs(wide_x).max() * np.abs(wide_y).max()))
    np.testing.assert_allclose(similarity(x, y), want, atol=1e-3 if metric == "euclidean" else 1e-4 * scale)


@given(rows(4, 8), st.permutations(range(8)))
def test_a_rotation_keeps_inner_products(data: np.ndarray, order: list[int]) -> None:
    space = Space("a", 8)
    x = space.vectors(data)
    turned = space.vectors(x.data[:, order] * np.array([1, -1] * 4, np.float32))
    np.testing.assert_allclose(similarity(turned, turned), similarity(x, x), atol=1e-5)


def test_higher_is_closer_for_every_metric() -> None:
    for metric in ("cosine", "dot", "euclidean"):
        space = Space("a", 2, metric)
        near, far = similarity(space.vectors([1.0, 0.1]), space.vectors([[1.0, 0.0], [0.0, 1.0]]))[0]
        assert near > far


def test_bad_rows_are_refused(red: Space) -> None:
    with pytest.raises(VectorError, match=r"shape \(1, 7\)"):
        red.vectors(np.ones(7))
    with pytest.raises(VectorError, match="row 1 is not finite"):
        red.vectors([[1.0] * 8, [np.nan] + [1.0] * 7])
    with pytest.raises(VectorError, match="row 1 is not finite"):
        Space("a", 2, "dot").vectors([[1.0, 2.0], [np.inf, 0.0]])
    with pytest.raises(VectorError, match="row 1 has length zero"):
        red.vectors([[1.0] * 8, [0.0] * 8])
    with pytest.raises(VectorError, match="has length 2, not 1"):
        red.vectors(np.array([[2.0] + [0.0] * 7]), normalize=False)
    with pytest.raises(VectorError, match="type float64"):
        Vectors(np.eye(8), red)


def test_no_vectors_is_a_shape_too(red: Space) -> None:
    assert red.empty().data.shape == (0, 8)
    assert similarity(red.empty(), red.vectors(np.eye(8))).shape == (0, 8)
    assert len(red.vectors(np.zeros((0, 8)))) == 0


def test_half_precision_is_kept(red: Space) -> None:
    assert red.vectors(np.eye(8, dtype=np.float16)).data.dtype == np.float16
    assert red.vectors(np.eye(8, dtype=np.float64)).data.dtype == np.float32


def test_vectors_cannot_be_changed(red: Space) -> None:
    with pytest.raises(ValueError, match="read-only"):
        red.vectors(np.eye(8)).data[0, 0] = 5


def test_rows_stay_rows(red: Space) -> None:
    vectors = red.vectors(np.eye(8))
    assert vectors[3].data.shape == (1, 8)
    assert [int(v.data.argmax()) for v in vectors[2:5]] == [2, 3, 4]
    assert len(vectors[np.array([True] * 2 + [False] * 6)]) == 2


def test_weights_last_until_the_end(red: Space) -> None:
    a, b = red.vectors(np.eye(8)[0]), red.vectors(np.eye(8)[1])
    np.testing.assert_allclose((2 * a + b).vectors().data[0, :2], np.array([2, 1]) / np.sqrt(5), atol=1e-6)
    np.testing.assert_allclose((a - 2 * b).vectors().data[0, :2], np.array([1, -2]) / np.sqrt(5), atol=1e-6)
    np.testing.assert_allclose((-a).vectors().data[0, 0], -1)


def test_parts_that_cancel_have_no_direction(red: Space) -> None:
    a = red.vectors(np.eye(8)[0])
    with pytest.raises(VectorError, match="no direction"):
        (a - a).vectors()


def test_names_tell_spaces_apart(red: Space) -> None:
    assert str(red) == "test/red@1#aaaaaaaa"
    assert json.loads(red.to_json())["dim"] == 8
