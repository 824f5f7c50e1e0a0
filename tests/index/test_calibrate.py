"""The null: what unrelated queries reach, whatever the model's cosines look like."""

import numpy as np
import pytest

from samespace import Space
from samespace.index.calibrate import CONFIDENT, STRONG, Background, Levels, Null, word

SPACE = Space("test/cone@1", 64)


def cone(n: int, seed: int, offset: float = 4.0):
    """Vectors in a narrow cone, as E5's: cosines of unrelated ones live high."""
    rows = np.random.default_rng(seed).standard_normal((n, 64))
    rows[:, 0] += offset * 2
    return SPACE.vectors(rows)


@pytest.mark.parametrize("offset", [0.0, 4.0])
@pytest.mark.parametrize("total", [1, 8, 500])
def test_unrelated_queries_are_seldom_confident(offset, total):
    levels = Levels(cone(80, 1, offset), np.full(80, 1 / 80))
    rows = cone(total, 2, offset)
    null = Null.fit(cone(120, 3, offset), [""] * 120, levels, rows, total)
    assert null is not None
    z = [null.worth(one, rows, "")[0].max() for one in cone(400, 4, offset)]
    assert np.mean(np.array(z) > CONFIDENT) < 0.05
    assert abs(np.median(z)) < 0.5 and 0.5 < np.std(z) < 2.0


def test_a_related_query_is_confident_in_a_cone():
    levels = Levels(cone(80, 1), np.full(80, 1 / 80))
    rows = cone(200, 2)
    null = Null.fit(cone(120, 3), [""] * 120, levels, rows, 200)
    assert null is not None
    near = SPACE.vectors(rows.data[7] + 0.03 * np.random.default_rng(0).standard_normal(64))
    z, percentile = null.worth(near, rows, "")
    assert z.argmax() == 7 and z[7] > STRONG and percentile[7] == 1.0
    assert 0.3 < np.median(percentile) < 0.7


def test_a_sample_stands_for_the_whole():
    levels = Levels(cone(80, 1), np.full(80, 1 / 80))
    whole, queries = cone(3000, 2), cone(120, 3)
    full = Null.fit(queries, ["LATIN"] * 120, levels, whole, 3000)
    part = Null.fit(queries, ["LATIN"] * 120, levels, whole[::30], 3000)
    small = Null.fit(queries, ["LATIN"] * 120, levels, whole[::30], 100)
    assert full is not None and part is not None and small is not None
    assert part.location["LATIN"] == pytest.approx(full.location["LATIN"], abs=0.5 * full.scale)
    assert part.location[""] == pytest.approx(full.location[""], abs=0.5 * full.scale)
    assert small.location[""] < full.location[""] - full.scale


def test_writings_have_locations_of_their_own():
    queries = SPACE.vectors(np.concatenate([cone(60, 3).data, cone(60, 5).data]))
    rows = cone(50, 2)
    names = ["LATIN"] * 60 + ["CJK"] * 60
    tilted = queries.data.copy()
    tilted[60:] -= 0.3 * rows.data.mean(axis=0)
    levels = Levels(SPACE.vectors(np.eye(64)[:32]), np.full(32, 1 / 32))
    null = Null.fit(SPACE.vectors(tilted), names, levels, rows, 50)
    assert null is not None
    assert null.location["CJK"] < null.location["LATIN"]
    latin, chinese = (null.worth(queries[0], rows, name)[0].max() for name in ("LATIN", "CJK"))
    assert chinese > latin


def beside(shift: float):
    """A background, and 200 things whose middle lies that far from the texts': all look towards coordinate 1."""
    background = Background(cone(120, 3), cone(80, 1), ("LATIN",) * 120, ("LATIN",) * 80)
    rows = np.random.default_rng(6).standard_normal((200, 64))
    rows[:, 0] += 8.0 - shift
    rows[:, 1] += 3.0
    return background, SPACE.vectors(rows)


def test_things_among_the_texts_are_held_against_texts():
    background, things = beside(shift=0.0)
    levels = Levels.of_things(background, things)
    assert levels.references is background.texts and not levels.hubs
    null = Null.fit(background.queries, background.query_scripts, levels, things, 200)
    assert null is not None
    asks_for_things = cone(1, 9).data[0] + np.eye(64)[1] * 0.25  # looks towards all of them, and so towards the best
    plain = null.worth(cone(1, 9), things, "LATIN")[0].max()
    assert null.worth(SPACE.vectors(asks_for_things), things, "LATIN")[0].max() > plain + 1.5


def test_things_apart_are_held_against_their_own_mean():
    background, things = beside(shift=8.0)
    assert Levels.of_things(background, things).references is things
    assert Levels.of_things(None, things).references is things


def test_too_little_to_say():
    levels = Levels(cone(8, 1), np.full(8, 1 / 8))
    assert Null.fit(cone(3, 3), [""] * 3, levels, cone(5, 2), 5) is None
    assert Null.fit(cone(30, 3), [""] * 30, levels, SPACE.empty(), 0) is None
    nothing = np.ones((30, 5), bool)
    assert Null.fit(cone(30, 3), [""] * 30, levels, cone(5, 2), 5, apart=nothing) is None


def test_words_for_people():
    assert [word(z) for z in (CONFIDENT - 0.01, CONFIDENT, STRONG, -np.inf)] == ["weak", "likely", "strong", "weak"]


def test_the_background_is_kept_for_its_space_alone(tmp_path, encoder):
    asked = []

    def encode(texts, role):
        asked.append(role)
        return encoder.encode(texts, role=role)

    first = Background.of(encode, encoder.space, tmp_path, "a")
    again = Background.of(encode, encoder.space, tmp_path, "a")
    assert asked == ["query", "document"]
    assert np.array_equal(first.queries.data, again.queries.data)
    Background.of(encode, encoder.space, tmp_path, "b")
    assert len(asked) == 4
    assert len(first.queries) >= 100 and len(first.texts) >= 80
    assert {"LATIN", "CJK", "CYRILLIC", "ARABIC", "HANGUL"} <= set(first.query_scripts) & set(first.text_scripts)
    assert first.weights(["CJK"]) @ [s == "CJK" for s in first.text_scripts] == pytest.approx(1)
    assert first.weights(["RUNIC"]).sum() == pytest.approx(1)
