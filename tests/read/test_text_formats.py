"""Formats that are plain text: what is found, where, and what is left out."""

import json
from pathlib import Path

import pytest
from reading import ending, failure, passages, texts

from samespace.read.protocol import Done, Limits, Options


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_plain_text_keeps_its_ranges(tmp_path: Path):
    words = "".join(f"Sentence number {i} stands here.{' ' if i % 7 else chr(10) * 2}" for i in range(200))
    found = passages(put(tmp_path / "a.txt", words))
    assert len(found) > 5
    for passage in found:
        start, end = passage.item.locator.chars
        assert words[start:end] == passage.item.text
        assert passage.item.locator.path == str(tmp_path / "a.txt")
        assert (passage.kind, passage.origin) == ("text", "body")


def test_plain_text_in_an_old_charset(tmp_path: Path):
    words = "Съешь ещё этих мягких французских булок, и выпей же чаю, а не то он остынет."
    path = put(tmp_path / "a.txt", words.encode("cp1251"))
    assert texts(path) == [words]
    end = ending(path)
    assert isinstance(end, Done)
    assert end.facts.language == "ru"
    assert end.facts.reader == "text/1"
    assert end.facts.meta["charset"] == "cp1251"


def test_white_space_alone_is_empty(tmp_path: Path):
    assert failure(put(tmp_path / "a.txt", " \n\t ")) == "empty"


def test_too_many_characters_are_too_big(tmp_path: Path):
    options = Options(limits=Limits(characters=1000))
    assert failure(put(tmp_path / "a.txt", "word " * 300), options) == "too_big"
    assert failure(put(tmp_path / "b.txt", "word " * 3000), options) == "too_big"
    assert texts(put(tmp_path / "c.txt", "word " * 100), options)


def test_encoded_data_are_left_out_and_said_so(tmp_path: Path):
    path = put(tmp_path / "a.md", "# Logo\n\nSome words.\n\n" + "iVBORw0KGgo" * 200)
    assert texts(path) == ["# Logo\n\nSome words."]
    assert "base64" in ending(path).facts.notes[0]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: 'From the front'\n---\n# Heading\nwords", "From the front"),
        ("words first\n\n## A heading ##\n\nmore", "A heading"),
        ("Underlined\n==========\n\nwords", "Underlined"),
        ("only words", None),
    ],
)
def test_titles_of_markdown(tmp_path: Path, text, title):
    assert ending(put(tmp_path / "a.md", text)).facts.title == title


def test_html_is_read_as_a_person_reads_it(tmp_path: Path):
    page = """<!doctype html><html lang="en-GB"><head><title>The  title</title><meta name="Author" content="Ada">
    <style>p{color:red}</style><script>alert("no")</script></head><body><!-- not this -->
    <h1>Heading</h1><p>One <b>bo</b>ld<br>line &amp; more</p><script>nor()</script><noscript>nor this</noscript>
    <ul><li>first<li>second</ul><table><tr><th>name<th>age<tr><td>Ada<td>36</table>
    <img src=x alt="a red ball"><pre>  keep
      this</pre></body>"""
    path = put(tmp_path / "a.html", page)
    assert texts(path) == [
        "Heading\n\nOne bold\nline & more\n\nfirst\nsecond\n\nname | age\nAda | 36\n\na red ball\n\n  keep\n      this"
    ]
    facts = ending(path).facts
    assert (facts.title, facts.language, facts.meta["author"]) == ("The title", "en", "Ada")


def test_html_by_its_own_charset(tmp_path: Path):
    page = '<html><meta charset="shift_jis"><p>こんにちは世界</p>'
    assert texts(put(tmp_path / "a.html", page.encode("cp932"))) == ["こんにちは世界"]


def test_html_as_deep_as_it_likes(tmp_path: Path):
    assert ending(put(tmp_path / "a.html", "<!doctype html>" + "<div>" * 100_000 + "deep"))


def test_a_table_names_its_columns(tmp_path: Path):
    path = put(tmp_path / "a.csv", 'name;city;age\n"Ada; L.";London;36\nAlan;;41\n')
    found = passages(path)
    assert [p.item.text for p in found] == ["name: Ada; L.; city: London; age: 36\nname: Alan; age: 41"]
    start, end = found[0].item.locator.chars
    assert path.read_text()[start:end] == '"Ada; L.";London;36\nAlan;;41\n'


def test_rows_of_a_table_are_never_torn(tmp_path: Path):
    lines = [f"{i},{'word ' * (i % 9)}" for i in range(400)]
    path = put(tmp_path / "a.csv", "number,words\n" + "\n".join(lines))
    assert all(len(text) <= 700 for text in texts(path))
    joined = "\n".join(texts(path)).split("\n")
    assert len(joined) == 400
    assert all(line.startswith("number: ") for line in joined)


def test_a_table_without_a_header(tmp_path: Path):
    assert texts(put(tmp_path / "a.tsv", "1\t2\n3\t4\n")) == ["1 | 2\n3 | 4"]


def test_json_as_paths_and_values(tmp_path: Path):
    data = [{"name": "Ada", "tags": ["one", "two"], "at": {"city": "London", "none": None}}, {"name": "Alan"}]
    assert texts(put(tmp_path / "a.json", json.dumps(data))) == [
        "name: Ada\ntags: one, two\nat.city: London\n\nname: Alan"
    ]


def test_json_lines_keep_their_ranges(tmp_path: Path):
    lines = [json.dumps({"n": i, "text": "words " * 40}) + "\n" for i in range(20)]
    path = put(tmp_path / "a.jsonl", "".join(lines))
    found = passages(path, Options(passage_chars=300, overlap_chars=0))
    assert len(found) == 20
    start, end = found[7].item.locator.chars
    assert json.loads(path.read_text()[start:end])["n"] == 7


def test_json_that_is_none_is_read_as_text(tmp_path: Path):
    path = put(tmp_path / "a.json", '{"cut": "off')
    assert texts(path) == ['{"cut": "off']
    assert "no JSON" in ending(path).facts.notes[0]
    assert texts(put(tmp_path / "b.json", '{"a": 1}\n{"b": 2}')) == ["a: 1\n\nb: 2"]


def test_json_too_deep_is_a_failure_and_not_the_end(tmp_path: Path):
    assert failure(put(tmp_path / "a.json", "[" * 500_000 + "]" * 500_000)) == "decode"
    assert failure(put(tmp_path / "b.json", "[" * 400 + "{}" + "]" * 400)) == "decode"


def test_half_a_surrogate_pair_in_json_does_not_get_through(tmp_path: Path):
    (text,) = texts(put(tmp_path / "a.json", '{"a": "x\\ud800y"}'))
    assert text == "a: x y"


def test_a_notebook_is_its_cells(tmp_path: Path):
    book = {"nbformat": 4, "cells": [{"source": ["# Title\n", "words"], "outputs": [{"png": "xx"}]}, {"source": "1+1"}]}
    assert texts(put(tmp_path / "a.ipynb", json.dumps(book))) == ["# Title\nwords\n\n1+1"]


def test_xml_expands_no_entity_and_opens_nothing(tmp_path: Path):
    secret = put(tmp_path / "secret", "SECRET")
    kind = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}"><!ENTITY y "YES">]>'
    page = f'<?xml version="1.0"?>{kind}<a><b>&x; &y;</b>ok</a>'
    assert "SECRET" not in "".join(texts(put(tmp_path / "a.xml", page)))
    laughs = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1 if i else str()};" * 10}">' for i in range(12)
    )
    assert sum(map(len, texts(put(tmp_path / "b.xml", laughs + "]><a>&a11;</a>")))) < 1000


def test_a_drawing_is_found_by_its_words(tmp_path: Path):
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg"><title>Plan</title><style>x{}</style><text>North wall</text></svg>'
    )
    path = put(tmp_path / "a.svg", drawing)
    assert texts(path) == ["Plan\nNorth wall"]
    assert ending(path).facts.title == "Plan"


def test_a_mail_with_two_forms_and_an_attachment(tmp_path: Path):
    mail = (
        b"From: Ada <ada@example.org>\nTo: bob@example.org\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\n"
        b"Date: Mon, 1 Jan 2024 10:00:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=AA\n\n"
        b"--AA\nContent-Type: multipart/alternative; boundary=BB\n\n--BB\nContent-Type: text/plain\n\nplain words\n"
        b"--BB\nContent-Type: text/html\n\n<p>html words</p>\n--BB--\n"
        b"--AA\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=bill.pdf\n\nJVBE\n--AA--\n"
    )
    path = put(tmp_path / "a.eml", mail)
    (text,) = texts(path)
    assert "Subject: Grüße" in text
    assert "plain words" in text
    assert "html words" not in text
    facts = ending(path).facts
    assert (facts.title, facts.meta["author"]) == ("Grüße", "Ada <ada@example.org>")
    assert facts.notes == ("attachment not read: bill.pdf (application/pdf)",)


def test_a_box_of_mails(tmp_path: Path):
    one = b"From a@b Mon Jan  1 10:00:00 2024\nFrom: a@b\nTo: c@d\nSubject: first\nDate: x\n\nwords one\n\n"
    path = put(tmp_path / "a.mbox", one + one.replace(b"first", b"second").replace(b"one", b"two"))
    together = "\n".join(texts(path))
    assert (
        together.index("first") < together.index("words one") < together.index("second") < together.index("words two")
    )
    assert ending(path).facts.meta["mails"] == 2


def test_rtf_without_its_furniture(tmp_path: Path):
    rtf = (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator Nobody}{\info{\title A title}}"
        r"\f0\fs24 Caf\'e9 \u8211? dash\par {\b bold\b0} \{brace\}{\pict 89504e47}\par \u-10179?\u-8704?\par}"
    )
    path = put(tmp_path / "a.rtf", rtf)
    assert texts(path) == ["Café – dash\n\nbold {brace}\n\n😀"]
    assert ending(path).facts.title == "A title"
