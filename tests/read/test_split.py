"""Passages cover the text, in order, within bounds, at its own borders."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samespace.read.split import split, width

_ALPHABETS = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="ab .!?,\n", max_size=600),
    st.text(alphabet="今天好，。！\n a", max_size=300),
    st.text(alphabet="สวัสดีครับ ", max_size=300),
    st.lists(st.sampled_from(["Word ", "end. ", "\n\n", "長い文章。", "x" * 70, "e\u0301", "\ud800"]), max_size=60).map(
        "".join
    ),
)


@settings(deadline=None, max_examples=300)
@given(text=_ALPHABETS, size=st.integers(1, 80), overlap=st.integers(0, 60))
@example(text="00 0", size=2, overlap=1)
@example(text=" \n ", size=5, overlap=2)
@example(text="長長長長", size=2, overlap=1)
@example(text="a" * 100, size=1, overlap=1)
def test_every_character_is_in_some_passage(text, size, overlap):
    ranges = split(text, size, overlap)
    covered = set()
    for start, end in ranges:
        passage = text[start:end]
        assert passage, "never empty"
        assert passage == passage.strip()
        assert width(passage) <= size or len(passage) == 1
        covered.update(range(start, end))
    assert all(i in covered for i, c in enumerate(text) if not c.isspace())
    starts, ends = [a for a, _ in ranges], [b for _, b in ranges]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))


@settings(deadline=None, max_examples=100)
@given(text=_ALPHABETS, size=st.integers(4, 80), overlap=st.integers(0, 40))
def test_an_overlap_is_no_longer_than_asked_for(text, size, overlap):
    ranges = split(text, size, overlap)
    for (_, end), (start, _) in pairwise(ranges):
        assert width(text[start:end]) <= min(overlap, size // 2)


def test_cuts_fall_between_paragraphs_before_sentences_before_words():
    text = "One two three. Four five six.\n\nSeven eight nine. Ten eleven twelve."
    assert [text[a:b] for a, b in split(text, 45, 0)] == [
        "One two three. Four five six.",
        "Seven eight nine. Ten eleven twelve.",
    ]
    assert [text[a:b] for a, b in split(text, 24, 0)] == [
        "One two three.",
        "Four five six.",
        "Seven eight nine.",
        "Ten eleven twelve.",
    ]
    words = "alpha beta gamma delta"
    assert [words[a:b] for a, b in split(words, 12, 0)] == ["alpha beta", "gamma delta"]


def test_the_overlap_repeats_whole_sentences():
    text = "First sentence here. Second one here. Third one here. Fourth one here."
    cut = [text[a:b] for a, b in split(text, 45, 20)]
    assert cut[0].endswith("Second one here.")
    assert cut[1].startswith("Second one here. Third")


def test_chinese_and_japanese_are_cut_after_their_own_stops():
    text = "今天天气很好。我们去公园散步！你想一起来吗？当然想去。"
    assert [text[a:b] for a, b in split(text, 40, 0)] == ["今天天气很好。我们去公园散步！", "你想一起来吗？当然想去。"]
    quoted = "「行こう。」と彼は言った。「そうだね。」と私は答えた。"
    assert [quoted[a:b] for a, b in split(quoted, 36, 0)] == [
        "「行こう。」と彼は言った。",
        "「そうだね。」と私は答えた。",
    ]


def test_a_chinese_character_counts_more_than_a_latin_letter():
    assert width("abcd") == 4
    assert width("空间") == 5
    assert len(split("字" * 100, 100, 0)) == 3  # 40 to a passage
    assert len(split("x" * 100, 100, 0)) == 1


def test_a_cut_within_a_word_keeps_marks_with_their_letters():
    text = "ก็" * 30  # a consonant and a mark above it, without a space
    assert all(not text[a:b].startswith("็") for a, b in split(text, 7, 3))


def test_sizes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="must be at least 1"):
        split("text", 0, 0)
    with pytest.raises(ValueError, match="at least 0"):
        split("text", 10, -1)
