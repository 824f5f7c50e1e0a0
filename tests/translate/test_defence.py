"""Translators that hide: what each does to a row, what it keeps, and that its Space is not the one it hides."""

import numpy as np
import pytest

from samespace import Space, Vectors
from samespace.errors import SpaceMismatchError
from samespace.translate.defence import Noised, Rotated, Rounded, cut_to
from samespace.translate.protocol import Translator

SPACE = Space("made/plain@1", 64)


@pytest.fixture(scope="module")
def rows() -> Vectors:
    return SPACE.vectors(np.random.default_rng(0).standard_normal((400, 64)) + 0.2)


def all_of(rows: Vectors) -> list[Translator]:
    return [Noised.of(SPACE, 0.5, b"k"), Rounded.fit(rows, 2), Rotated.of(SPACE, b"k"), cut_to(SPACE, 32)]


def test_each_is_a_translator_into_a_space_of_its_own(rows):
    made = all_of(rows)
    assert len({one.target for one in made}) == len(made)
    for one in made:
        assert isinstance(one, Translator) and one.source == one.target.parent == SPACE
        out = one(rows)
        assert out.space == one.target and len(out) == len(rows)
        np.testing.assert_array_equal(out.data, one(rows).data)
        assert len(one(SPACE.empty())) == 0
        with pytest.raises(SpaceMismatchError):
            one(out)


@pytest.mark.parametrize("size", [0.25, 1.0, 3.0])
def test_noise_leaves_the_cosine_it_says(rows, size):
    out = Noised.of(SPACE, size, b"key")(rows)
    assert (out.data * rows.data).sum(1).mean() == pytest.approx(1 / np.sqrt(1 + size**2), abs=0.03)


def test_noise_follows_from_row_and_key_so_that_many_answers_do_not_wash_it_away(rows):
    noised = Noised.of(SPACE, 1.0, b"key")
    alone = np.concatenate([noised(row).data for row in rows[:5]])
    np.testing.assert_array_equal(noised(rows).data[:5], alone)
    other = Noised.of(SPACE, 1.0, b"another")
    assert other.target != noised.target
    assert np.abs(other(rows).data - noised(rows).data).max() > 0.1
    noise = noised(rows).data - rows.data * (noised(rows).data * rows.data).sum(1, keepdims=True)
    alike = np.corrcoef(noise)[np.triu_indices(len(rows), 1)]
    assert abs(alike.mean()) < 0.01  # each row has noise of its own


def test_rounding_has_so_many_levels_and_loses_less_with_more(rows):
    near = []
    for bits in (1, 2, 4, 8):
        rounded = Rounded.fit(rows, bits)
        level = np.round((rows.data - rounded.low) / rounded.step - 0.5).clip(0, 2**bits - 1)
        wanted = rounded.low + (level + 0.5) * rounded.step
        out = rounded(rows).data
        np.testing.assert_allclose(out, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)
        near.append(float((out * rows.data).sum(1).mean()))
    assert near == sorted(near) and 0.7 < near[0] < 0.9 and near[3] > 0.999


def test_a_rotation_keeps_every_score_and_the_key_leads_back(rows):
    turned = Rotated.of(SPACE, b"key")
    out = turned(rows)
    np.testing.assert_allclose(out.data @ out.data.T, rows.data @ rows.data.T, atol=1e-5)
    assert abs((out.data * rows.data).sum(1).mean()) < 0.2
    np.testing.assert_allclose(turned.inverse()(out).data, rows.data, atol=1e-5)
    wrong = Rotated.of(SPACE, b"kez")
    assert wrong.target != turned.target and np.abs(wrong(rows).data - out.data).max() > 0.1


def test_a_cut_keeps_the_first_numbers_and_claims_nothing(rows):
    cut = cut_to(SPACE, 16)
    assert cut.fidelity is None and cut.target.dim == 16
    head = rows.data[:, :16]
    np.testing.assert_allclose(cut(rows).data, head / np.linalg.norm(head, axis=1, keepdims=True), atol=1e-6)


def test_no_secret_stands_in_what_is_told():
    for one in (Noised.of(SPACE, 0.5, b"hush-hush"), Rotated.of(SPACE, b"hush-hush")):
        assert "hush" not in one.target.to_json() + str(dict(one.facts))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Noised.of(SPACE, 0.0, b"k"), "noise of size 0.0 hides nothing\nGive a positive"),
        (lambda: Noised.of(SPACE, float("nan"), b"k"), "noise of size nan"),
        (lambda: Noised.of(Space("made/dot@1", 4, "dot"), 0.5, b"k"), "made/dot@1 is dot"),
        (lambda: Noised.of(SPACE, 0.5, b""), "an empty key is no secret\nDraw one"),
        (lambda: Rotated.of(SPACE, b""), "an empty key is no secret\nDraw one"),
        (lambda: Rounded.fit(SPACE.empty(), 2), "0 rows of made/plain@1 show no range\nGive some"),
        (lambda: Rounded.fit(SPACE.empty(), 0), "0 bits\nGive 1 to 8"),
        (lambda: Rounded.fit(SPACE.empty(), 9), "9 bits\nGive 1 to 8"),
        (lambda: cut_to(SPACE, 64), "has 64 numbers, 64 cannot be kept\nGive 1 to 63"),
        (lambda: cut_to(SPACE, 0), "0 cannot be kept"),
    ],
)
def test_bad_input_is_refused_with_the_mend(make, says):
    with pytest.raises(ValueError) as told:
        make()
    assert says in str(told.value)
