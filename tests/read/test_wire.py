"""Messages survive the pipe; what is no message does not get in."""

import json
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import ReadError
from samespace.items import Blob, Document, Image, Locator, Mixed, Text
from samespace.read import wire
from samespace.read.protocol import Done, Facts, Failed, Options, Passage, Some

_PLACE = Locator(path=os.fsdecode(b"a\xff\n"), page=3, seconds=(1.0, 2.0), chars=(1, 2), box=(0.0, 0.1, 0.2, 0.3))
_PASSAGE = Passage(Text("words \N{GRINNING FACE}", _PLACE), "text", "body", "en", b"webp")


@pytest.mark.parametrize(
    "message",
    [
        Some(Path(os.fsdecode(b"a\xff\n")), (_PASSAGE, replace(_PASSAGE, item=Image(Blob(path=Path("b")), _PLACE)))),
        Some(Path("a"), (Passage(Mixed((Text("a"), Document(Blob(data=b"x"), "y"))), "page", "pixels"),)),
        Done(Path("a"), Facts("text/plain", "text", "text/1", "title", "en", {"pages": 3}, ("note",), b"x")),
        Failed(Path("a"), "decode", "reason", "mend"),
        b"bytes",
        wire.Job(b"a\xff", (_PLACE, 300)),
        Options(wants=frozenset({"text", "image"})),
        "ready",
    ],
)
def test_messages_come_out_as_they_went_in(message):
    assert wire.unpack(wire.pack(message)) == message


def test_an_error_keeps_its_parts():
    err = wire.unpack(wire.pack(ReadError("decode", "reason", "mend")))
    assert isinstance(err, ReadError)
    assert (err.failure, err.reason, err.mend) == ("decode", "reason", "mend")


class Locator2(Locator):
    """Looks like one of ours."""


@pytest.mark.parametrize("message", [print, object(), Some(Path("a"), (Locator2(),)), {1: complex(1)}, memoryview(b"")])
def test_only_our_own_values_are_sent(message):
    with pytest.raises(wire.WireError, match="nothing that a message has"):
        wire.pack(message)


def forged(tree: object, blobs: bytes = b"") -> bytes:
    text = json.dumps(tree).encode()
    return struct.pack("<I", len(text)) + text + blobs


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xff\xff\xff{}",
        forged({"Popen": [["true"]]}),
        forged({"Text": ["too", "many", "fields"]}),
        forged({"Text": []}),
        forged({"Text": ["a", None], "Blob": []}),
        forged({}),
        forged({"b": 5}, b"abc"),
        forged({"b": -1}, b"abc"),
        forged({"b": "x"}),
        forged({"p": "no base64!"}),
        forged({"d": [1]}),
        forged({"Blob": [None, None]}),
        pickle.dumps(print),
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(wire.WireError, match="what no message has"):
        wire.unpack(data)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_plain(noise):
    try:
        wire.unpack(noise)
    except wire.WireError:
        return
