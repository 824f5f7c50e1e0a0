"""One file in this process: every fault becomes a Failed with a class, a reason and a mend."""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from reading import ending, failure

from samespace.errors import MissingExtraError, ReadError
from samespace.read import one, readers
from samespace.read.protocol import Done, Facts, Failed, Limits, Options, Passage, Some


@pytest.mark.parametrize(
    ("fault", "kind", "word"),
    [
        (ReadError("encrypted", "locked", "Unlock it"), "encrypted", "Unlock"),
        (MissingExtraError("sound", "av", "read"), "unsupported", "samespace[read]"),
        (ModuleNotFoundError("No module named 'av'", name="av"), "unsupported", "samespace[read]"),
        (ImportError("libxml2.so.16: cannot open", name="lxml.etree"), "unsupported", "samespace[read]"),
        (MemoryError(), "too_big", "memory_bytes"),
        (PermissionError(errno.EACCES, "no"), "permission", "chmod"),
        (FileNotFoundError(errno.ENOENT, "gone"), "vanished", "index"),
        (OSError(errno.EIO, "Input/output error"), "decode", "disk"),
        (RecursionError(), "decode", "save it"),
        (KeyError("w:body"), "decode", "save it"),
        (ValueError("line one\nline two"), "decode", "save it"),
    ],
)
def test_every_fault_has_a_class_and_a_mend(fault, kind, word):
    told = one.failed(Path("a"), fault, Options())
    assert told.failure == kind
    assert word in told.mend
    assert "\n" not in told.reason
    assert told.reason


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "lxml", None)
    (tmp_path / "a.html").write_text("<!doctype html><p>words")
    end = ending(tmp_path / "a.html")
    assert isinstance(end, Failed)
    assert (end.failure, end.reason) == ("unsupported", "reading this needs the package lxml")


def test_a_file_that_is_gone(tmp_path: Path):
    assert failure(tmp_path / "gone") == "vanished"


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x" * 100)
    end = ending(tmp_path / "a.txt", Options(limits=Limits(file_bytes=99)))
    assert isinstance(end, Failed)
    assert (end.failure, end.reason) == ("too_big", "100 bytes, the limit is 99")


def test_an_unknown_binary_is_unsupported(tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(range(256)))
    assert failure(tmp_path / "a") == "unsupported"


@pytest.mark.parametrize(
    "name", ["new\nline.txt", "\u202eright-to-left.txt", os.fsdecode(b"not\xff\xfeutf8.txt"), "空间.txt"]
)
def test_names_of_every_kind(tmp_path: Path, name):
    (tmp_path / name).write_text("words")
    events = list(one.read_file(tmp_path / name, Options()))
    assert isinstance(events[0], Some)
    assert isinstance(events[1], Done)
    assert events[1].path == tmp_path / name
    assert events[0].passages[0].item.locator.path == str(tmp_path / name)


def test_passages_come_in_handfuls(tmp_path: Path):
    (tmp_path / "a.txt").write_text("Some words here. " * 20_000)
    *some, done = one.read_file(tmp_path / "a.txt", Options())
    assert isinstance(done, Done)
    assert len(some) > 2
    assert all(len(e.passages) <= 64 for e in some)


class Forgetful:
    """A plugin that gives no Facts."""

    name, version, mimes = "forgetful", 1, frozenset({"text/plain"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        yield from ()


def test_a_plugin_goes_before_the_built_in_and_a_broken_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def load(group: str, name: str) -> object:
        if name == "broken":
            raise ImportError("it is from another age")
        return Forgetful

    monkeypatch.setattr(readers.registry, "names", lambda group: ("broken", "forgetful"))
    monkeypatch.setattr(readers.registry, "load", load)
    readers._plugins.cache_clear()
    try:
        assert readers.label("text/plain") == "forgetful/1"
        assert readers.label("text/html") == "html/1"
        (tmp_path / "a.txt").write_text("words")
        assert "0 Facts" in ending(tmp_path / "a.txt").reason
        with pytest.raises(ReadError, match="'broken' cannot be used: it is from another age"):
            readers.find("application/wasm")
    finally:
        readers._plugins.cache_clear()


def test_every_built_in_reads_what_the_table_says():
    for mime, module in readers._MODULES.items():
        if module != "pdf":
            assert mime in readers.find(mime).mimes
    assert readers.label("application/x-nothing") is None
