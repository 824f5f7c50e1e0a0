"""Original files: under their root only, never through a link, in the stretch that is asked for."""

import os
import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from samespace.errors import ReadError
from samespace.serve.media import PLAYABLE, locate, open_under, stream


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.wav").write_bytes(bytes(range(100)))
    (tmp_path / "secret").write_text("no")
    return tmp_path / "in"


def test_a_file_under_its_root_is_opened(root: Path) -> None:
    handle = open_under(str(root / "deep" / "a.wav"), str(root))
    try:
        assert os.read(handle, 3) == b"\x00\x01\x02"
    finally:
        os.close(handle)


def test_a_root_may_be_one_file_or_reached_by_a_link(root: Path, tmp_path: Path) -> None:
    file = root / "deep" / "a.wav"
    assert locate(str(file), str(file)) == file
    (tmp_path / "link").symlink_to(root)
    assert locate(str(tmp_path / "link" / "deep" / "a.wav"), str(tmp_path / "link")) == file


@pytest.mark.parametrize("path", ["../secret", "deep/../../secret", "deep/../../in2/secret"])
def test_no_way_leads_out(root: Path, path: str) -> None:
    (root.parent / "in2").mkdir()
    (root.parent / "in2" / "secret").write_text("no")
    with pytest.raises(ReadError, match="not lie under"):
        open_under(f"{root}/{path}", str(root))


def test_a_link_in_the_place_of_a_file_is_refused(root: Path) -> None:
    (root / "deep" / "a.wav").unlink()
    (root / "deep" / "a.wav").symlink_to(root.parent / "secret")
    with pytest.raises(ReadError, match="not lie under"):
        open_under(str(root / "deep" / "a.wav"), str(root))


def test_a_link_inside_the_root_is_followed(root: Path) -> None:
    (root / "b.wav").symlink_to(root / "deep" / "a.wav")
    assert locate(str(root / "b.wav"), str(root)) == root / "deep" / "a.wav"


def test_a_link_put_there_after_the_check_is_not_followed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "deep" / "a.wav"

    def swapped(path: str, root: str) -> Path:
        real = locate(path, root)
        file.unlink()
        file.symlink_to(file.parents[2] / "secret")
        return real

    monkeypatch.setattr("samespace.serve.media.locate", swapped)
    with pytest.raises(ReadError, match="cannot be opened"):
        open_under(str(file), str(root))


def test_a_folder_that_became_a_link_out_is_refused(root: Path) -> None:
    (root.parent / "out").mkdir()
    (root.parent / "out" / "a.wav").write_text("no")
    (root / "deep" / "a.wav").unlink()
    (root / "deep").rmdir()
    (root / "deep").symlink_to(root.parent / "out")
    with pytest.raises(ReadError, match="not lie under"):
        open_under(str(root / "deep" / "a.wav"), str(root))


def test_special_files_do_not_hang_it(root: Path) -> None:
    os.mkfifo(root / "pipe.wav")
    listening = socket.socket(socket.AF_UNIX)
    try:
        for path in (root / "pipe.wav", root / "deep"):
            with pytest.raises(ReadError):
                open_under(str(path), str(root))
    finally:
        listening.close()


def test_a_vanished_file_says_so(root: Path) -> None:
    with pytest.raises(ReadError, match="no longer there") as caught:
        open_under(str(root / "b.wav"), str(root))
    assert caught.value.failure == "vanished"


@pytest.fixture
def client(root: Path) -> TestClient:
    def answer(request: Request) -> Response:
        return stream(open_under(str(root / "deep" / "a.wav"), str(root)), "audio/wav", request.headers.get("range"))

    return TestClient(Starlette(routes=[Route("/", answer)]))


WHOLE = bytes(range(100))


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        (None, 200, 0, 99),
        ("bytes=0-", 206, 0, 99),
        ("bytes=10-19", 206, 10, 19),
        ("bytes=99-", 206, 99, 99),
        ("bytes=90-5000", 206, 90, 99),
        ("bytes=-5", 206, 95, 99),
        ("bytes=-5000", 206, 0, 99),
        ("bytes=1-2,4-5", 200, 0, 99),
        ("lines=1-2", 200, 0, 99),
        ("bytes=-", 200, 0, 99),
    ],
)
def test_stretches(client: TestClient, asked: str | None, status: int, first: int, last: int) -> None:
    answer = client.get("/", headers={"range": asked} if asked else {})
    assert answer.status_code == status
    assert answer.content == WHOLE[first : last + 1]
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers.get("content-range") == (f"bytes {first}-{last}/100" if status == 206 else None)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=500-600", "bytes=20-10", "bytes=-0"])
def test_a_stretch_that_is_not_there(client: TestClient, asked: str) -> None:
    answer = client.get("/", headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */100"


def test_it_is_sent_as_a_fixed_safe_type(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "audio/wav"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert set(PLAYABLE.values()) <= {
        f"{a}/{b}" for a in ("audio", "video") for b in ["aac", "flac", "mp4", "mpeg", "ogg", "wav", "webm"]
    }
