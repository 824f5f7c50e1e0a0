"""Messages between the pool and its workers.

A worker decodes hostile files, so what comes from it is not trusted. A message is JSON over a list of byte strings:
plain values, and our own value classes by name, each field of the type it is declared to have. Nothing in it can act,
and what does not fit is refused.

Layout: u32 length of the JSON, the JSON, the byte strings one after the other. In the JSON a list stands for a tuple
and an object for what its first key says: "b" bytes (length), "p" a path (as the system has it), "d" a mapping,
"s" a set, otherwise the name of a class.

Knows nothing of processes. Imports the standard library, items and protocol.
"""

import base64
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Final, get_type_hints

from samespace import items
from samespace.errors import ReadError
from samespace.read import protocol
from samespace.read.shape import AnyName, Test, test_of

__all__ = ["LONGEST", "Job", "WireError", "pack", "unpack"]

LONGEST: Final = 32 << 20  # bytes of one message: a handful of passages has about one; more is an attack or a mistake
_LONGEST_TREE: Final = 16 << 20  # of these, of JSON: objects in memory are ten times as large


@dataclass(frozen=True)
class Job:
    """What the pool asks for: to read a file, or to render a place of it."""

    path: bytes  # as the system has it: names need not be text
    render: tuple[items.Locator, int] | None = None  # locator, pixels


_CLASSES: Final[dict[str, Any]] = {
    cls.__name__: cls
    for cls in (
        *(items.Text, items.Image, items.Audio, items.Video, items.Document, items.Mixed, items.Locator, items.Blob),
        *(protocol.Passage, protocol.Facts, protocol.Some, protocol.Done, protocol.Failed, protocol.Longer),
        *(protocol.Options, protocol.Limits, Job),
    )
}
_HEAD: Final = struct.Struct("<I")


class WireError(ValueError):
    """A message that is none of ours."""


def pack(message: object) -> bytes:
    """A message as bytes. Raises WireError if there is anything in it but plain values and our value classes."""
    blobs: list[bytes] = []
    text = json.dumps(_plain(message, blobs)).encode("ascii")  # lone surrogates are escaped
    if len(text) > _LONGEST_TREE:
        raise WireError(f"a message with {len(text):,} bytes of words, {_LONGEST_TREE:,} at most")
    return b"".join((_HEAD.pack(len(text)), text, *blobs))


def unpack(data: bytes) -> Any:
    """The message back. Raises WireError if it is not one."""
    try:
        (length,) = _HEAD.unpack_from(data)
        end = _HEAD.size + length
        if length > _LONGEST_TREE:
            raise ValueError("too many words")
        tree = json.loads(data[_HEAD.size : end])
        return _Reader(memoryview(data)[end:]).value(tree)
    except (struct.error, ValueError, TypeError, KeyError, RecursionError) as err:
        raise WireError(f"a worker sent what no message has ({type(err).__name__}: {str(err)[:200]})") from err


def _plain(value: object, blobs: list[bytes]) -> Any:
    """As JSON data; bytes go to `blobs`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        blobs.append(value)
        return {"b": len(value)}
    if isinstance(value, PurePath):
        return {"p": base64.b64encode(os.fsencode(value)).decode("ascii")}
    if isinstance(value, tuple | list):
        return [_plain(v, blobs) for v in value]
    if isinstance(value, frozenset):
        return {"s": [_plain(v, blobs) for v in sorted(value, key=repr)]}
    if isinstance(value, Mapping):
        return {"d": [[_plain(k, blobs), _plain(v, blobs)] for k, v in value.items()]}
    if isinstance(value, ReadError):
        return {"ReadError": [value.failure, value.reason, value.mend]}
    name = type(value).__name__
    if _CLASSES.get(name) is not type(value):
        raise WireError(f"{type(value).__module__}.{name} is nothing that a message has")
    values = {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]
    made = {name: [_plain(v, blobs) for v in values.values()]}
    _require(name, values)
    return made


class _Reader:
    """Builds values, taking byte strings in order."""

    def __init__(self, blobs: memoryview) -> None:
        self.blobs, self.at = blobs, 0

    def value(self, tree: Any) -> Any:
        """One value. Raises ValueError, TypeError or KeyError if it is none."""
        if isinstance(tree, list):
            return tuple(self.value(t) for t in tree)
        if not isinstance(tree, dict):
            return tree
        ((sort, rest),) = tree.items()
        match sort:
            case "b":
                return self._bytes(rest)
            case "p":
                return Path(os.fsdecode(base64.b64decode(rest, validate=True)))
            case "s":
                return frozenset(self.value(t) for t in rest)
            case "d":
                return {self.value(k): self.value(v) for k, v in rest}
            case "ReadError":
                failure, reason, mend = rest
                _require("Failed", {"failure": failure, "reason": reason, "mend": mend})
                return ReadError(failure, reason, mend)
        made = _CLASSES[sort]
        names = [f.name for f in fields(made)]
        values = dict(zip(names, (self.value(t) for t in rest), strict=True))
        _require(sort, values)
        return made(**values)

    def _bytes(self, length: int) -> bytes:
        start, self.at = self.at, self.at + length
        if length < 0 or self.at > len(self.blobs):
            raise ValueError("bytes are missing")
        return bytes(self.blobs[start : self.at])


@cache
def _tests(name: str) -> dict[str, tuple[Test, Any]]:
    """For each field of a class the test of its declared type, and that. A path may hold bytes that are no text."""
    hints = get_type_hints(_CLASSES[name])
    hints |= {"path": AnyName | None} if name == "Locator" else {}
    return {f.name: (test_of(hints[f.name]), hints[f.name]) for f in fields(_CLASSES[name])}


def _require(name: str, values: Mapping[str, object]) -> None:
    """Raise WireError unless each value is what the field of that class takes."""
    tests = _tests(name)
    for field, value in values.items():
        test, hint = tests[field]
        if not test(value):
            raise WireError(f"{name}.{field} is {str(value)[:60]!r}, and that is no {hint}")
