"""A file is what its content is."""

import os
import socket
import struct
import zipfile
from pathlib import Path

import pytest

from samespace.errors import ReadError
from samespace.read.sniff import sniff

_OOXML = "application/vnd.openxmlformats-officedocument."
_MAIL = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: hi\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\nwords\r\n"
)


def _box(kind: bytes, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return struct.pack(">I", len(body) + 8) + kind + body


def _mp4(*handlers: bytes, brand: bytes = b"isom") -> bytes:
    tracks = [_box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8) + h + bytes(12)))) for h in handlers]
    return _box(b"ftyp", brand, bytes(4), b"isom") + _box(b"mdat", bytes(1000)) + _box(b"moov", *tracks)


@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [
        ("a.txt", b"%PDF-1.7\n...", "application/pdf"),
        ("a.pdf", b"just words", "text/plain"),
        ("a.jpg", b"\x89PNG\r\n\x1a\n...", "image/png"),
        ("noname", b"\xff\xd8\xff\xe0....", "image/jpeg"),
        ("a", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("film.mp4", b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        ("film.mp4", b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" * 50, "audio/mpeg"),
        ("film.mp4", _mp4(b"soun"), "audio/mp4"),
        ("sound.m4a", _mp4(b"soun", b"vide"), "video/mp4"),
        ("a.mov", _mp4(b"vide", brand=b"qt  "), "video/quicktime"),
        ("a.mp4", _mp4(brand=b"heic"), "image/heic"),
        ("a.avif", _mp4(brand=b"avif"), "image/avif"),
        ("a.bin", b"<!DOCTYPE html><p>x", "text/html"),
        ("a.xml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "text/html"),
        ("a.html", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        ("a.txt", b'<?xml version="1.0"?><book/>', "application/xml"),
        ("a.md", b"# Title", "text/markdown"),
        ("a.csv", b"a,b\n1,2", "text/csv"),
        ("a.json", b"{}", "application/json"),
        ("a.jsonl", b"{}\n{}", "application/jsonl"),
        ("a.py", b"import os", "text/x-source"),
        ("run", b"#!/bin/sh\necho", "text/x-source"),
        ("Makefile", b"all:\n", "text/x-source"),
        ("letter", _MAIL, "message/rfc822"),
        ("letter.txt", _MAIL, "message/rfc822"),
        ("note.txt", b"Subject: to change\nFrom: here on it is prose\n\nand so on", "text/plain"),
        ("a.doc", b"{\\rtf1 x}", "application/rtf"),
        ("a.txt", "größe".encode("utf-16"), "text/plain"),
        ("a.dat", bytes(range(256)), "application/octet-stream"),
        ("a.txt", b"\x00\x01\x02\x03" * 10, "application/octet-stream"),
    ],
)
def test_by_content(tmp_path: Path, name, content, mime):
    path = tmp_path / name
    path.write_bytes(content)
    assert sniff(path) == mime


@pytest.mark.parametrize(
    ("members", "mime"),
    [
        ({"[Content_Types].xml": "", "word/document.xml": ""}, _OOXML + "wordprocessingml.document"),
        ({"[Content_Types].xml": "", "ppt/presentation.xml": ""}, _OOXML + "presentationml.presentation"),
        ({"[Content_Types].xml": "", "xl/workbook.xml": ""}, _OOXML + "spreadsheetml.sheet"),
        ({"mimetype": "application/epub+zip"}, "application/epub+zip"),
        ({"mimetype": "application/vnd.oasis.opendocument.text"}, "application/vnd.oasis.opendocument.text"),
        ({"a.txt": "x"}, "application/zip"),
    ],
)  # fmt: skip
def test_inside_of_a_zip(tmp_path: Path, members, mime):
    path = tmp_path / "named.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    assert sniff(path) == mime
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-30])  # without its directory
    assert sniff(cut).startswith("application/")


def test_an_empty_file_is_refused(tmp_path: Path):
    (tmp_path / "none").touch()
    with pytest.raises(ReadError) as err:
        sniff(tmp_path / "none")
    assert err.value.failure == "empty"


def test_what_is_no_file_is_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")  # opening it would hang
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for place in (tmp_path / "pipe", tmp_path / "socket", tmp_path, Path("/dev/zero")):
            with pytest.raises(ReadError, match="not a regular file") as err:
                sniff(place)
            assert err.value.failure == "unsupported"


def test_links_that_lead_nowhere_or_to_themselves(tmp_path: Path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    with pytest.raises(ReadError) as err:
        sniff(tmp_path / "loop")
    assert err.value.failure == "unsupported"
    with pytest.raises(ReadError) as err:
        sniff(tmp_path / "broken")
    assert err.value.failure == "vanished"


def test_no_permission(tmp_path: Path):
    path = tmp_path / "secret.txt"
    path.write_text("words")
    path.chmod(0)
    tmp_path.chmod(0o755)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(ReadError, match="chmod") as err:
            sniff(path)
    finally:
        os.seteuid(was)
    assert err.value.failure == "permission"
