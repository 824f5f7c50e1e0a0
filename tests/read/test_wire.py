"""Messages survive the pipe; what is no message does not get in."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from samespace.errors import ReadError
from samespace.items import Blob, Document, Image, Locator, Mixed, Text
from samespace.read import wire
from samespace.read.protocol import Done, Facts, Failed, Passage, Some

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
        "ready",
    ],
)
def test_messages_come_out_as_they_went_in(message):
    assert wire.unpack(wire.pack(message)) == message


def test_an_error_keeps_its_parts():
    err = wire.unpack(wire.pack(ReadError("decode", "reason", "mend")))
    assert isinstance(err, ReadError)
    assert (err.failure, err.reason, err.mend) == ("decode", "reason", "mend")


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("message", [Evil(), Some(Path("a"), (Evil(),)), print, pickle.PickleBuffer])
def test_nothing_that_acts_is_unpickled(message):
    with pytest.raises(pickle.UnpicklingError, match="which no message has"):
        wire.unpack(pickle.dumps(message))
