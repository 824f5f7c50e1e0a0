"""Queries: the algebra, and the command line's grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace import Space
from samespace.errors import QueryError
from samespace.index.query import Both, File, Opposite, Query, Stored, Total, parse
from samespace.items import Blob, Image, Text


def told(query: Query) -> list[str]:
    return [str(part) for part in query.parts()]


def test_sums_keep_their_weights_and_order():
    query = Query.text("red bag") + 0.7 * Query.item(Image(Blob(b"x"))) - 2 * Query.text("people")
    assert told(query) == ["+1 'red bag'", "+0.7 image", "-2 'people'"]
    assert told(-query * 0.5) == ["-0.5 'red bag'", "-0.35 image", "+1 'people'"]


def test_sources():
    space = Space("a/b@1", 4)
    kinds = [Query.stored("7"), Query.item("7"), Query.file("a/b.pdf"), Query.vectors(space.vectors([[1, 0, 0, 0]]))]
    assert [told(q)[0] for q in kinds] == ["+1 item '7'", "+1 item '7'", "+1 file 'b.pdf'", "+1 vectors of a/b@1"]
    assert next(kinds[0].parts()).source == Stored("7")


def test_logic_has_no_sum():
    both = Query.text("a") & ~Query.text("b")
    assert isinstance(both.node, Both) and isinstance(both.node.right, Opposite)
    assert told(both | Query.text("c")) == ["+1 'a'", "+1 'b'", "+1 'c'"]
    for wrong in (lambda: both + Query.text("c"), lambda: 2 * both, lambda: -both):
        with pytest.raises(QueryError, match="Add first, then combine"):
            wrong()


def test_filters_add_up():
    a = Query.text("a").where("kind = image")
    assert str((a + Query.text("b").where({"size": {"gt": 3}})).filter) == "kind = 'image' and size > 3"
    assert str(a.where("page = 1").filter) == "kind = 'image' and page = 1"
    assert (2 * a).filter == a.filter == (~a).filter


@pytest.mark.parametrize("weight", [0, float("nan"), float("inf"), 1e9])
def test_weights_that_say_nothing_are_refused(weight):
    with pytest.raises(QueryError, match="Use a number other than 0"):
        Query.text("a") * weight


@pytest.mark.parametrize("words", ["", "  \n"])
def test_no_words_no_query(words):
    with pytest.raises(QueryError, match="Say what to look for"):
        Query.text(words)


def test_deep_queries_are_refused_not_crashed_on():
    query = Query.text("a")
    with pytest.raises(QueryError, match="flatter"):
        for _ in range(5000):
            query = ~query


FILES = {"photo.jpg", "my notes.txt", "people", "2:red", "-odd", "~/x.pdf"}


def read(*args: str) -> list[str]:
    return told(parse(args, exists=lambda path: path in FILES))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["red", "bag"], ["+1 'red bag'"]),
        (["red bag", "+", "photo.jpg", "-", "person", "2:night"],
         ["+1 'red bag'", "+1 file 'photo.jpg'", "-1 'person'", "+2 'night'"]),
        (["+photo.jpg", "-person"], ["+1 file 'photo.jpg'", "-1 'person'"]),
        (["-", ".5:", "red", "hat"], ["-0.5 'red'", "+1 'hat'"]),
        (["2:", "my notes.txt"], ["+2 file 'my notes.txt'"]),
        (["people"], ["+1 file 'people'"]),
        (["text:people", "crowd"], ["+1 'people'", "+1 'crowd'"]),
        (["2:text:photo.jpg"], ["+2 'photo.jpg'"]),
        (["file:photo.jpg"], ["+1 file 'photo.jpg'"]),
        (["2:red"], ["+1 file '2:red'"]),
        (["-odd"], ["+1 file '-odd'"]),
        (["-", "people"], ["-1 file 'people'"]),
        (["TCP/IP", "and/or"], ["+1 'TCP/IP and/or'"]),
        (["3.14", "e.g.", ".pdf"], ["+1 '3.14 e.g. .pdf'"]),
        (["12:30 train"], ["+12 '30 train'"]),
        (["text:12:30 train"], ["+1 '12:30 train'"]),
        (["", " ", "x"], ["+1 'x'"]),
        (["红色的包"], ["+1 '红色的包'"]),
        (["a.pdf and b.pdf"], ["+1 'a.pdf and b.pdf'"]),
        (["-", "a", "-", "b"], ["-1 'a'", "-1 'b'"]),
    ],
)  # fmt: skip
def test_the_grammar(args, expected):
    assert read(*args) == expected


@pytest.mark.parametrize(
    ("args", "mend"),
    [
        ([], "Say what to look for"),
        (["", "\t"], "Say what to look for"),
        (["+"], "Put a part after it"),
        (["a", "-"], "Put a part after it"),
        (["+", "-", "a"], "Put a part after it"),
        (["2:"], "Put a part after it"),
        (["0:a"], "other than 0"),
        (["2:", "3:a"], "one weight a part"),
        (["text:"], "Put words after"),
        (["file:gone.jpg"], "without file:"),
        (["gone.jpg"], "write text:gone.jpg"),
        (["./gone"], "write text:./gone"),
        (["/etc/gone"], "write text:/etc/gone"),
        (["https://example.org/a"], "write text:https"),
        (["x" * 20_000], "put it into a file"),
        (["2:a"] * 200, "in quotes"),
    ],
)
def test_what_cannot_be_meant_is_refused(args, mend):
    with pytest.raises(QueryError, match=mend):
        read(*args)


def test_files_are_announced():
    query = parse(["photo.jpg", "-", "people"], exists=lambda path: path in FILES)
    assert query.explain()[0] == "photo.jpg: taken as a file; write text:photo.jpg for the words"
    assert len(query.explain()) == 2


def test_the_real_disk_is_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "herring").write_text("x")
    (tmp_path / "notes").mkdir()
    assert told(parse(["herring", "+", "notes"])) == ["+1 file 'herring'", "+1 'notes'"]


def test_half_letters_are_mended():
    source = next(parse(["caf\udce9"], exists=lambda _: False).parts()).source
    assert source == Text("caf?")
    assert Query.text("\ud800").node.parts[0].source == Text("?")


_PIECES = st.sampled_from(
    ["+", "-", "2:", "0:", "text:", "file:", ":", "a", "photo.jpg", " ", "/", "~", "\0", "1e9:", "x.pdf"]
)


@given(st.lists(st.text(max_size=8) | st.lists(_PIECES, max_size=4).map("".join), max_size=6))
def test_no_argument_brings_out_anything_but_a_query_error(args):
    for exists in ({"exists": lambda path: path in FILES}, {}):
        try:
            query = parse(args, **exists)
        except QueryError:
            continue
        assert isinstance(query.node, Total)
        assert all(isinstance(p.source, Text | File) and p.weight for p in query.parts())
