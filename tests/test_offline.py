"""Nothing leaves the machine: index, search and export under a guard that refuses and records every outside address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GUARD = """
import os, sys

def _guard(event, args):
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1")):
            _refuse(event, address)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        if args[0] not in (None, "", "localhost", "127.0.0.1"):
            _refuse(event, args[0])

def _refuse(event, what):
    with open(os.environ["GUARD_LOG"], "a") as log:
        log.write(f"{event} {what}\\n")
    raise OSError("outside connections are refused in this test")

sys.addaudithook(_guard)
"""


@pytest.fixture
def guarded(tmp_path: Path):
    """Run Python under the guard, children included; returns (finished process, what it tried)."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    log = tmp_path / "log"

    def run(*args: str) -> tuple[subprocess.CompletedProcess[str], str]:
        log.write_text("")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        env = kept | {
            "PYTHONPATH": str(tmp_path / "guard"),
            "GUARD_LOG": str(log),
            "XDG_CACHE_HOME": str(tmp_path / "c"),
        }
        done = subprocess.run([sys.executable, *args], capture_output=True, text=True, env=env, cwd=tmp_path)
        return done, log.read_text()

    return run


def test_the_guard_sees_an_attempt(guarded) -> None:
    done, tried = guarded("-c", "import socket; socket.create_connection(('example.org', 80), 1)")
    assert done.returncode
    assert "example.org" in tried


@pytest.mark.slow
def test_index_and_search_stay_here(guarded, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "tea.txt").write_text("Pour the water over the leaves and wait.")
    (files / "page.html").write_text('<img src="http://example.org/spy.png"><p>Remote pictures are not fetched.</p>')
    (files / "shape.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://example.org/x"/></svg>'
    )
    for args in (
        ["index", str(files), "--index", "i"],
        ["search", "how to make tea", "--index", "i", "--json"],
        ["status", "--index", "i"],
        ["models"],
        ["encode", str(files / "tea.txt")],
    ):
        done, tried = guarded("-m", "samespace", *args)
        assert done.returncode == 0, done.stderr
        assert tried == ""


@pytest.mark.slow
def test_export_stays_here(guarded) -> None:
    pytest.importorskip("openvino")
    code = (
        "from samespace.encode.load import load\nfrom samespace import Text\n"
        "e = load('all-MiniLM-L6-v2', accelerate=True)\nprint(len(e.encode([Text('hello')])), e.recipe.backend)"
    )
    done, tried = guarded("-c", code)
    assert done.returncode == 0, done.stderr
    assert tried == ""
    assert done.stdout.split()[-1] != "torch"
