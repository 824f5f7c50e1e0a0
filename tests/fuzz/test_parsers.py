"""Whatever words or bytes come, our parsers give what they say or raise what they say."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from samespace.encode.catalog import parse as parse_catalog
from samespace.encode.recipe import Recipe
from samespace.errors import FailureClass, QueryError
from samespace.index.filter import Filter
from samespace.index.query_text import parse as parse_query
from samespace.items import Audio, Blob, Document, Image, Locator, Mixed, Text
from samespace.read import language, rows, wire
from samespace.read.charset import clean, decode
from samespace.read.protocol import Done, Facts, Failed, Limits, Longer, Options, Passage, Some
from samespace.read.rtf import _text
from samespace.read.split import split
from samespace.space import Space

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
INTEGERS = st.integers(-(1 << 53), 1 << 53)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PATHS = st.binary(min_size=1, max_size=20).filter(lambda b: 0 not in b).map(os.fsdecode)
PLACES = st.builds(
    Locator,
    st.none() | PATHS,
    st.none() | INTEGERS,
    st.none() | st.tuples(NUMBERS, NUMBERS),
    st.none() | st.tuples(INTEGERS, INTEGERS),
    st.none() | st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
)
BLOBS = st.binary(max_size=20).map(lambda b: Blob(data=b)) | PATHS.map(lambda p: Blob(path=Path(p)))
ITEMS = st.recursive(
    st.builds(Text, WORDS, PLACES) | st.builds(Image, BLOBS, PLACES) | st.builds(Audio, BLOBS, PLACES)
    | st.builds(Document, BLOBS, WORDS, PLACES),
    lambda inner: st.builds(Mixed, st.lists(inner, min_size=1, max_size=3).map(tuple), PLACES),
    max_leaves=4,
)  # fmt: skip
PASSAGES = st.builds(
    Passage,
    ITEMS,
    st.sampled_from(["text", "page"]),
    st.sampled_from(["body", "ocr"]),
    st.none() | WORDS,
    st.none() | st.binary(max_size=9),
)
FACTS = st.builds(
    Facts,
    WORDS,
    st.sampled_from(["text", "page"]),
    WORDS,
    st.none() | WORDS,
    st.none() | WORDS,
    st.dictionaries(WORDS, WORDS | INTEGERS | NUMBERS, max_size=3),
    st.lists(WORDS, max_size=3).map(tuple),
    st.none() | st.binary(max_size=9),
)
EVENTS = (
    st.builds(Some, PATHS.map(Path), st.lists(PASSAGES, max_size=3).map(tuple))
    | st.builds(Done, PATHS.map(Path), FACTS)
    | st.builds(Failed, PATHS.map(Path), st.sampled_from(FailureClass.__args__), WORDS, WORDS)
    | st.builds(Longer, NUMBERS)
    | st.builds(Options, limits=st.builds(Limits, NUMBERS))
)


def always(*strategies):
    """As `given`, on a machine that may be busy."""
    return lambda test: settings(deadline=None)(given(*strategies)(test))


@always(EVENTS)
def test_messages_travel(event):
    assert wire.unpack(wire.pack(event)) == event


@always(EVENTS, st.data())
def test_a_message_with_other_bytes_is_refused_or_sound(event, data):
    """What gets in can be sent on: every field of it has its type."""
    packed = bytearray(wire.pack(event))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        got = wire.unpack(bytes(packed))
    except wire.WireError:
        return
    wire.pack(got)


@pytest.mark.parametrize(
    "tree",
    [
        b'{"Some": [{"p": "YQ=="}, null]}',
        b'{"Some": [{"p": "YQ=="}, [5]]}',
        b'{"Failed": ["a", "decode", "b", "c"]}',
        b'{"Failed": [{"p": "YQ=="}, "blown up", "b", "c"]}',
        b'{"Longer": [NaN]}',
        b'{"Longer": [true]}',
        b'{"Text": ["\\ud800", {"Locator": [null, null, null, null, null]}]}',
        b'{"Locator": [null, 99999999999999999999, null, null, null]}',
        b'{"Locator": [null, null, [1], null, null]}',
        b'{"ReadError": ["other", "b", "c"]}',
    ],
)
def test_a_field_of_another_type_is_refused(tree):
    with pytest.raises(wire.WireError):
        wire.unpack(len(tree).to_bytes(4, "little") + tree)


@always(st.text(max_size=200))
@example("kind:page and (size>10 or not language=de)")
@example("(" * 500)
def test_a_filter_says_itself_again_or_is_refused(text):
    try:
        made = Filter.parse(text)
    except QueryError:
        return
    assert Filter.parse(str(made)) == made
    assert Filter.from_json(made.to_json()) == made


@always(JSON)
def test_a_filter_from_json_is_one_or_refused(data):
    try:
        made = Filter.from_json(data)
    except QueryError:
        return
    assert Filter.from_json(made.to_json()) == made


@always(st.lists(st.text(max_size=20), max_size=8), st.booleans())
@example(["2:", "-", "words"], False)
def test_a_query_is_one_or_refused(args, there):
    try:
        parse_query(args, lambda name: there and not name.startswith("~"))  # of nobody's home there is no file
    except QueryError:
        return


@always(JSON)
def test_a_space_or_recipe_from_json_is_one_or_refused(data):
    for build in (Space.from_dict, Recipe.from_dict):
        if isinstance(data, dict):
            try:
                build(data)
            except (ValueError, TypeError):
                continue


@always(st.builds(Space, WORDS.filter(str.strip), st.integers(1, 4096), st.sampled_from(["cosine", "dot"])))
def test_a_space_says_itself_again(space):
    assert Space.from_json(space.to_json()) == space


@always(st.text(max_size=200))
def test_a_catalogue_is_one_or_refused(text):
    try:
        parse_catalog(text)
    except ValueError:
        return


@always(PLACES)
def test_a_place_says_itself_again(place):
    assert Locator.from_dict(place.to_dict(), place.path) == place


@always(st.binary(max_size=300), st.none() | st.text(max_size=12))
def test_any_bytes_become_clean_text(data, declared):
    text, charset = decode(data, declared)
    assert charset
    assert clean(text) == text
    text.encode()


@always(st.text(max_size=400), st.integers(1, 60), st.integers(0, 60))
def test_passages_hold_every_character(text, size, overlap):
    ranges = split(text, size, overlap)
    held = {i for start, end in ranges for i in range(start, end)}
    assert all(i in held for i, c in enumerate(text) if not c.isspace())
    assert ranges == sorted(ranges)


@always(st.text(max_size=200))
def test_a_language_is_a_tag_or_none(text):
    tag = language.guess(text)
    assert tag is None or (tag.isascii() and 2 <= len(tag) <= 3)


@always(st.lists(st.lists(st.text(max_size=8), max_size=6), max_size=6))
def test_any_rows_become_lines(table):
    rows.has_header(table)
    names = [" ".join(name.split()) for name in table[0]] if table else []
    assert not any("\n" in rows.line(names, row) for row in table)


@always(st.binary(max_size=300))
@example(rb"{\rtf1\u-1?\uc99999\bin9999999999\ansicpg99999 \'zz\u1114111 }")
def test_any_bytes_are_some_rtf(data):
    "".join(_text(data)).encode("utf-16-le", "surrogatepass")
