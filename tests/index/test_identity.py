"""What is the same reading, and what is another."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from samespace.index.identity import content_hash, item_id, reading_key
from samespace.index.tools import tools
from samespace.items import Locator
from samespace.read.protocol import Limits, Options

BASE = Options()


def key(**changes) -> str:
    made = {"content": "c", "mime": "text/plain", "reader": "text/1", "options": BASE} | changes
    return reading_key(made.pop("content"), made.pop("mime"), made.pop("reader"), made.pop("options"), **made)


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "d"},
        {"mime": "text/markdown"},
        {"reader": "text/2"},
        {"reader": None},
        {"options": replace(BASE, passage_chars=500)},
        {"options": replace(BASE, overlap_chars=0)},
        {"options": replace(BASE, wants=frozenset({"text", "image"}))},
        {"name": "a.txt"},
        {"tools": {"ocr": "none"}},
        {"limits": True},
    ],
)
def test_what_changes_the_passages_is_another_reading(changes) -> None:
    assert key(**changes) != key() == key()


def test_options_that_do_not_matter_for_a_file_do_not_count() -> None:
    other = replace(BASE, ocr=False, speech=False, window_seconds=3.0, limits=Limits(pages=1))
    assert key(options=other) == key(), "none of it changes a text"
    assert key(mime="audio/wav", options=other) != key(mime="audio/wav")
    assert key(options=other, limits=True) != key(limits=True), "a failure is tried again with other limits"


def test_tools_count_where_they_are_used() -> None:
    off = replace(BASE, ocr=False, speech=False)
    assert tools("text", BASE) == {} == tools("text", off)
    assert tools("image", off) == {"ocr": "off"} == tools("application", off)
    assert tools("audio", off) == {"speech": "off"}
    assert set(tools("video", BASE)) == {"ocr", "speech"}
    assert tools("audio", replace(BASE, speech_weights="/nowhere")) == {"speech": "none"}


def test_the_hash_is_of_the_bytes_and_can_be_stopped(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(b"x" * (9 << 20))
    assert content_hash(file) == hashlib.blake2b(b"x" * (9 << 20), digest_size=16).hexdigest()
    with pytest.raises(InterruptedError):
        content_hash(file, lambda: True)


def test_the_key_of_an_item_is_its_place() -> None:
    ids = {
        item_id("r", 0, "body", Locator()),
        item_id("r", 1, "body", Locator()),
        item_id("s", 0, "body", Locator()),
        item_id("r", 0, "ocr", Locator()),
        item_id("r", 0, "body", Locator(page=1)),
    }
    assert len(ids) == 5
    assert item_id("r", 0, "body", Locator(path="/a")) in ids, "where the file stands is not part of it"
