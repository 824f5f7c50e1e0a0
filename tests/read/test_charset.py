"""Text comes out of its bytes whatever charset they are in, and binaries do not pass for text."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.read.charset import clean, decode, looks_like_text

_RUSSIAN = "Съешь ещё этих мягких французских булок, да выпей же чаю. Погода сегодня хорошая, и мы идём гулять. " * 3
_GERMAN = "Die Größe der Fläche überraschte alle Gäste; schöne Grüße aus München, wo die Bäume blühen. " * 3
_CHINESE = "今天天气很好，我们去公园散步。公园里有很多人，他们都很高兴。你想一起来吗？当然想去。" * 3
_JAPANESE = "今日はとても天気が良いので、公園へ散歩に行きました。たくさんの人がいて、みんな楽しそうでした。" * 3


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ["plain ascii words, some of them", _GERMAN])
def test_unicode_in_every_dress(text, charset):
    data = text.encode(charset)
    assert looks_like_text(data)
    assert decode(data)[0] == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (_RUSSIAN, "cp1251"),
        (_RUSSIAN, "koi8-r"),
        (_GERMAN, "cp1252"),
        (_CHINESE, "gb18030"),
        (_CHINESE, "big5"),
        (_JAPANESE, "cp932"),
        (_JAPANESE, "euc_jp"),
    ],
)
def test_charsets_of_the_eight_bit_days_are_guessed(text, charset):
    data = text.encode(charset, "ignore")
    assert looks_like_text(data)
    assert decode(data)[0] == data.decode(charset)


def test_a_declared_charset_is_believed_only_if_it_fits():
    assert decode("naïve".encode("cp1252"), "iso-8859-1") == ("naïve", "cp1252")
    assert decode("naïve".encode(), "us-ascii-nonsense")[0] == "naïve"
    assert decode("天气".encode(), "gzip")[0] == "天气"  # a codec of Python that is no charset


def test_binaries_are_not_text():
    assert not looks_like_text(os.urandom(4096))
    assert not looks_like_text(b"\xff\xfe" + os.urandom(4096))  # not even behind a mark
    assert not looks_like_text(b"\xff\xfe" + b"\x00\xd8" * 100)  # halves of pairs
    assert not looks_like_text(b"\x00" * 100)
    assert not looks_like_text(b"abc\x00\x01\x02def" * 20)


def test_a_character_cut_at_the_end_of_the_head_does_no_harm():
    data = ("é" * 100).encode()[:-1]
    assert looks_like_text(data)


@given(st.binary(max_size=300))
def test_decoding_never_fails(data):
    text, _ = decode(data)
    text.encode()  # no half surrogate pairs


@given(st.text(max_size=100))
def test_cleaning_keeps_every_index(text):
    assert len(clean(text)) == len(text)
    clean(text).encode()
