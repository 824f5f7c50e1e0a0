"""Serving for real: one process, one address, one person."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from samespace.encode.hashing import Hashing
from samespace.errors import IndexNotFoundError, ServeError
from samespace.serve import http


def test_another_address_needs_a_token_of_its_own(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.0.7", "example.org"):
        with pytest.raises(ServeError, match="--token"):
            http.run(str(tmp_path), host=host, port=0, open_browser=False)
    with pytest.raises(ServeError, match="fewer than 16"):
        http.run(str(tmp_path), token="short", port=0, open_browser=False)


def test_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match="--port 0"):
            http.run(str(tmp_path), port=port, open_browser=False)


def test_no_index_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="samespace index"):
        http.run(str(tmp_path / "none"), port=0, open_browser=False)


@pytest.mark.slow
def test_it_is_served_until_it_is_stopped(encoder: Hashing, tmp_path: Path) -> None:
    from samespace.index.ingest import ingest
    from samespace.index.lance import LanceIndex

    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("The keeper of the lighthouse wound up the clock.")
    index = LanceIndex.create(tmp_path / "index", encoder.space, "hashing:256")
    ingest(index, encoder, [tmp_path / "files"], workers=1)
    code = "from samespace.serve.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", str(tmp_path / "index"), "--port", "0", "--no-browser"]
    private = tmp_path / "tmp"
    private.mkdir()
    environment = os.environ | {"TMPDIR": str(private)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            assert server.stderr is not None
            said = ""
            while "Ctrl-C" not in said:
                line = server.stderr.readline()
                assert line, said
                said += line
            url = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", said)
            assert url is not None
            base, token = f"http://127.0.0.1:{url[1]}", url[2]
            assert len(token) >= 43
            with httpx.Client(base_url=base, trust_env=False, follow_redirects=True) as client:
                assert client.get("/healthz").json() == {"ok": True}
                assert client.get("/v1/status").status_code == 401
                assert client.get("/", params={"token": token}).status_code == 200
                found = client.post("/v1/search", json={"parts": [{"text": "the lighthouse keeper"}]}).json()
                assert found["hits"][0]["name"] == "a.txt"
                assert client.post("/v1/query-file?name=q.txt", content=b"clock").status_code == 200
                assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 421
            assert list(private.glob("samespace-query-*/*"))
            server.send_signal(signal.SIGINT)
            out, rest = server.communicate(timeout=30)
        finally:
            server.kill()
    assert out == "", "stdout is for data"
    assert token not in rest, "the token is told once, and no request is logged"
    assert "lighthouse" not in rest
    assert "Traceback" not in rest
    assert not list(private.glob("samespace-query-*")), "query files are gone"
    assert server.returncode in (0, 130, -signal.SIGINT)
