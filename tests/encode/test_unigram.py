"""The tokenizer: against all possible cuts, and against the Rust one of the tokenizers package."""

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samespace.encode.unigram import Unigram

PIECES = {
    "▁": -3.0,
    "▁a": -3.5,
    "▁ab": -4.2,
    "b": -3.1,
    "bc": -3.3,
    "abc": -5.0,
    "c": -3.2,
    "a": -3.0,
    "é": -4.0,
    "红": -4.1,
}
IDS = {piece.encode(): 4 + i for i, piece in enumerate(PIECES)}
SCORES = [0.0] * 4 + list(PIECES.values())
UNKNOWN = min(SCORES) - 10


def make():
    return Unigram(IDS, SCORES, {9: " ", 0x200B: "", 0xFF41: "a"}, bos=0, eos=2, unknown=3)


def best_score(word):
    """The highest score over every way to cut a word into known pieces and unknown characters."""
    best = -math.inf
    for cuts in itertools.product([False, True], repeat=len(word) - 1):
        borders = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(word)]
        parts = [word[i:j] for i, j in itertools.pairwise(borders)]
        scores = [PIECES.get(p, UNKNOWN if len(p) == 1 else -math.inf) for p in parts]
        best = max(best, sum(scores))
    return best


@given(st.text(alphabet="abcé红x", min_size=1, max_size=7))
@example("xxabx")
def test_the_cut_is_the_likeliest_of_all(word):
    unigram = make()
    ids = unigram.encode(word, 100)[1:-1]
    by_id = {i: piece.decode() for piece, i in IDS.items()}
    known = [by_id.get(i) for i in ids]
    score = sum(PIECES[p] for p in known if p) + UNKNOWN * sum(c == "x" for c in word)
    assert score == pytest.approx(best_score("▁" + word))
    assert "".join(p for p in known if p) == ("▁" + word).replace("x", "")


def test_it_normalises_as_xlm_r_does():
    unigram = make()
    assert unigram.normalize("  ａb\u200b \t c ") == "ab c"
    assert unigram.normalize("e\u0301") == "é"
    assert unigram.encode("e\u0301", 9) == unigram.encode("é", 9) == [0, IDS["▁".encode()], IDS["é".encode()], 2]


def test_neighbouring_unknown_characters_are_one_token():
    assert make().encode("xyz", 9) == [0, IDS["▁".encode()], 3, 2]


def test_text_cannot_spell_control_tokens():
    assert make().encode("</s>", 99) == [0, IDS["▁".encode()], 3, 2]


@given(st.text(max_size=200), st.integers(2, 20))
def test_any_text_gives_ids_within_the_limit_and_ends_with_eos(text, limit):
    ids = make().encode(text, limit)
    assert 2 <= len(ids) <= limit
    assert ids[0] == 0
    assert ids[-1] == 2


def test_a_limit_cuts_the_end_only():
    unigram = make()
    whole = unigram.encode("abc abc abc", 99)
    assert unigram.encode("abc abc abc", 5) == [*whole[:4], 2]


@given(st.text(alphabet="abcé红 x", max_size=30))
def test_it_agrees_with_the_tokenizers_package(text):
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *PIECES.items()]
    model = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="always")
    normal = make().normalize(text)
    assert make().encode(text, 999)[1:-1] == model.encode(normal or " ").ids
