"""Words are cut the same way in what is indexed and in what is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.index.term import normalize


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Total: RM 1,234", ["total", "rm", "1", "234"]),
        ("IMG_2024-harbour.jpg", ["img", "2024", "harbour", "jpg"]),
        ("ＦＵＬＬ width ﬁne", ["full", "width", "fine"]),
        ("这家餐厅很好吃", ["这家", "家餐", "餐厅", "厅很", "很好", "好吃"]),
        ("好", ["好"]),
        ("iPhone手机14", ["iphone", "手机", "14"]),
        ("don’t", ["don’t"]),
        ("ÄRGER naïve straße", ["ärger", "naïve", "straße"]),
        ("the and of", ["the", "and", "of"]),
        ("한국어", ["한국", "국어"]),
        ("\u202e\x00\n", []),
        ("Привет мир", ["привет", "мир"]),
    ],
)
def test_cut(text, terms):
    assert normalize(text) == terms


@given(st.text())
def test_terms_are_stable_and_hold_no_space(text):
    terms = normalize(text)
    assert all(term and not any(c.isspace() for c in term) for term in terms)
    assert normalize(text.swapcase().swapcase()) == normalize(text) or not text.isascii()
