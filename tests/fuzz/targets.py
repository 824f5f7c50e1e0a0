# ruff: noqa: E501
"""What is fuzzed: each target takes bytes and may raise nothing but what its documents say.

A target of files writes the bytes to one file of the right name and reads it in this process, as a worker would.
"""

import contextlib
import json
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from samespace.encode.recipe import Recipe
from samespace.errors import QueryError, ReadError
from samespace.index.filter import Filter
from samespace.items import Locator
from samespace.read import wire
from samespace.read.one import read_file
from samespace.read.protocol import Done, Failed, Limits, Options
from samespace.read.sniff import sniff
from samespace.space import Space

Target = Callable[[bytes], None]
ROOT = Path(__file__).resolve().parent.parent.parent
FOUND = Path(__file__).resolve().parent / "found"
_LIMITS = Limits(unpacked_bytes=4 << 20, characters=300_000, pixels=1_000_000, pages=50, seconds=60.0)
_OPTIONS = Options(ocr=False, speech=False, limits=_LIMITS)
_FOLDER = tempfile.TemporaryDirectory(prefix="samespace-fuzz-")
# Faults that are ours, not the file's: a reader that meets them has a gap.
_OURS = ("TypeError", "AttributeError", "IndexError", "KeyError", "UnboundLocalError", "NameError", "AssertionError",
         "RuntimeError", "ZeroDivisionError", "OverflowError", "UnicodeEncodeError", "WireError")  # fmt: skip
# Name of a target → the suffix its bytes are read under, where that tells text formats apart, and seeds.
FILES = {
    "sniff": ("", "**/*"),
    "container": (".zip", "office/*"),
    "docx": (".docx", "office/*.docx"),
    "pptx": (".pptx", "office/*.pptx"),
    "xlsx": (".xlsx", "office/*.xlsx"),
    "odf": (".fodt", "office/*"),
    "epub": (".epub", "office/*"),
    "rtf": (".rtf", "notes/*"),
    "html": (".html", "notes/*"),
    "xml": (".xml", "notes/*"),
    "eml": (".eml", "mail/*"),
    "table": (".csv", "tables/*"),
    "tree": (".json", "notes/*"),
    "markdown": (".md", "notes/*.md"),
    "text": (".txt", "notes/*"),
    "image": (".png", "figures/*"),
    "media": (".wav", "recordings/*"),
    "pdf": (".pdf", "documents/*.pdf"),
}


def _read(suffix: str, data: bytes) -> None:
    """Read bytes as a file: it ends with a class, its messages travel, and no fault in it is one of our own code."""
    path = Path(_FOLDER.name) / f"file{suffix}"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        events = list(read_file(path, _OPTIONS))
    for event in events:
        wire.unpack(wire.pack(event))
    end = events[-1]
    assert isinstance(end, (Done, Failed)), end
    assert not isinstance(end, Failed) or not end.reason.startswith(_OURS), end


def _sniff(data: bytes) -> None:
    path = Path(_FOLDER.name) / "file"
    path.write_bytes(data)
    try:
        assert "/" in sniff(path)
    except ReadError:
        return


def _query(data: bytes) -> None:
    from samespace.index.query_text import parse

    try:
        parse(data.decode("utf-8", "replace").split("\n"), lambda name: name.endswith("g") and name[0] != "~")
    except QueryError:
        return


def _filter(data: bytes) -> None:
    try:
        made = Filter.parse(data.decode("utf-8", "replace"))
    except QueryError:
        return
    assert Filter.parse(str(made)) == made
    assert Filter.from_json(made.to_json()) == made


def _wire(data: bytes) -> None:
    try:
        made = wire.unpack(data)
    except wire.WireError:
        return
    wire.unpack(wire.pack(made))


def _plain(data: bytes) -> None:
    """Whatever JSON says a place, a space or a recipe is."""
    try:
        made = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(made, dict):
        return
    for build in (Locator.from_dict, Space.from_dict, Recipe.from_dict, Filter.from_json):
        with contextlib.suppress(ValueError, TypeError, KeyError):
            build(made)


TARGETS: dict[str, Target] = {
    **{name: partial(_read, suffix) for name, (suffix, _) in FILES.items() if name != "sniff"},
    "sniff": _sniff,
    "query": _query,
    "filter": _filter,
    "wire": _wire,
    "plain": _plain,
}


def seeds(name: str) -> list[bytes]:
    """What a target begins with: files of the example library, what was found before, and a few heads."""
    found = [p.read_bytes() for p in sorted(FOUND.glob(f"{name}-*"))]
    pattern = FILES.get(name, ("", ""))[1]
    files = sorted((ROOT / "examples" / "library").glob(pattern)) if pattern else []
    return [*found, *(p.read_bytes()[: 64 << 10] for p in files if p.is_file()), *_HEADS.get(name, [])]


_HEADS = {
    "rtf": [rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 A;}}\f0 caf\'e9 \u8364?{\*\generator x;}\par words}"],
    "html": [
        b"<!doctype html><html lang=en><head><title>t</title></head><body><p>a<pre>b</pre><table><tr><td>c</table>"
    ],
    "xml": [b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a x='1'><title>&b;</title><![CDATA[d]]></a>"],
    "tree": [b'{"a": [1, {"b": null}], "title": "t"}', b'{"nbformat": 4, "cells": [{"source": ["a"]}]}', b"1\n2\n{}"],
    "odf": [
        b'<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" office:mimetype="application/vnd.oasis.opendocument.spreadsheet"><office:body><table-row><table-cell number-columns-repeated="3"><p>a</p></table-cell></table-row></office:body></office:document>'
    ],
    "wire": [wire.pack(Failed(Path("a"), "decode", "b", "c")), wire.pack(Options())],
    "filter": [b"kind:page and (language=de or not size>10)"],
    "query": [b"red\n+\nphoto.jpg\n-\n2:words"],
    "plain": [b'{"page": 1, "seconds": [1, 2], "chars": [0, 1], "box": [0, 0, 1, 1]}'],
}
