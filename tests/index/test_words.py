"""Words of a query, snippets, and rank fusion."""

import pytest
from collecting import flat, row
from hypothesis import given
from hypothesis import strategies as st

from samespace.index.rank import Candidate, fuse
from samespace.index.snippet import snippet
from samespace.index.words import Asked, script, telling


def test_function_words_tell_nothing():
    assert telling("What is the Price of a Boat?") == ["price", "boat"]
    assert telling("Wo ist das Boot") == ["boot"]
    assert telling("o f x") == []
    assert telling("猫") == ["猫"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("boat", "LATIN"),
        ("лодка x", "CYRILLIC"),
        ("船和boats", "LATIN"),
        ("カレー", "CJK"),
        ("배", "HANGUL"),
        ("12", "LATIN"),
    ],
)
def test_writings(text, name):
    assert script(text) == name


@pytest.fixture(scope="module")
def view(encoder):
    rows = [row(f"/f{n}", f"common words number{n} of the town council") for n in range(60)]
    rows.append(row("/g", "Invoice A-1044 for Jorgensen Boatyard, common"))
    return flat(encoder, rows).snapshot()


@pytest.mark.parametrize(
    ("words", "text", "proof"),
    [
        ("number7", "a text with number7 in it", "code"),
        ("invoice a-1044", "Invoice A-1044 for", "code"),
        ("a-104", "Invoice A-1044 for", "none"),
        ("b-77x1", "in cab-77x1 it stands", "words"),
        ("jorgensen boatyard", "of Jorgensen, Boatyard", "words"),
        ("bill of jorgensen boatyard", "of Jorgensen, Boatyard", "hint"),
        ("jorgensen boatyard herring", "of Jorgensen, Boatyard", "hint"),
        ("jorgensen kettle herring", "of Jorgensen", "none"),
        ("common town council", "common town council", "none"),
        ("the of", "the of", "none"),
    ],
)
def test_what_words_prove(view, words, text, proof):
    assert Asked.of(words, view).proof((text,)) == proof


def test_common_words_do_not_search(view):
    assert Asked.of("common jorgensen", view).text == "jorgensen"
    assert Asked.of("what is the", view).only_stopwords
    assert not Asked.of("common", view).only_stopwords


def test_snippets_are_about_the_words():
    text = "First we talk of bread. " * 20 + "Then the herring came. " + "At last there was music. " * 20
    found = snippet(text, ["herring"])
    assert "herring" in found and len(found) <= 300 and found.startswith("…")
    assert snippet(text, []) == snippet(text, ["zebra"])
    assert "pencil" in snippet("Nothing here. " * 40 + "Two pencils lay there. " + "Nothing. " * 60, ["pencil", "xx"])
    assert snippet("线" * 500 + "鱼汤" + "面" * 500, ["鱼汤"]).count("鱼汤") == 1


@given(st.text(max_size=900), st.lists(st.text(min_size=1, max_size=5), max_size=3))
def test_snippets_are_short_plain_lines(text, terms):
    made = snippet(text, terms)
    assert len(made) <= 300 and "\n" not in made and all(c.isprintable() for c in made)


def _ranked(rows, proof="none", by="meaning"):
    return [Candidate(r, score=10.0 - i, proof=proof, by=(by,)) for i, r in enumerate(rows)]


def test_fusion_by_hand():
    joined = fuse(_ranked([1, 2, 3]), _ranked([3, 4], "words", "words"))
    assert [c.row for c in joined] == [3, 1, 2, 4] or [c.row for c in joined] == [3, 1, 4, 2]
    scores = {c.row: c.score for c in joined}
    assert scores == pytest.approx({1: 1 / 61, 2: 1 / 62, 3: 1 / 63 + 1 / 61, 4: 1 / 62})
    assert joined[0].by == ("meaning", "words") and joined[0].proof == "words"


def test_words_that_prove_nothing_change_nothing():
    joined = fuse(_ranked([1, 2, 3]), _ranked([3, 2], "none", "words"))
    assert [c.row for c in joined] == [1, 2, 3]


def test_a_code_beats_meaning():
    assert fuse(_ranked([1, 2, 3]), _ranked([9], "code", "words"))[0].row == 9


def test_equal_rank_puts_content_before_names():
    a, b = Candidate(1, 5.0, name_only=True), Candidate(2, 5.0)
    assert [c.row for c in fuse([a, b], [])] == [2, 1]
    a, b = Candidate(1, 5.0, name_only=True), Candidate(2, 5.0)
    assert [c.row for c in fuse([a, b], _ranked([7], "none", "words"))][:2] == [2, 1]
