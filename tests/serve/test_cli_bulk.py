"""Bulk runs from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from samespace.serve.bulk import _journal
from samespace.serve.cli import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--processes", "2", "--ray", "local"], "one of them"),
        (["--processes", "2", "--watch"], "--watch follows folders"),
        (["--journal", "j"], "--journal is for a bulk run"),
    ],
)
def test_options_that_contradict_each_other(tmp_path: Path, options, words):
    result = CliRunner().invoke(main, ["index", str(tmp_path), "--index", str(tmp_path / "i"), *options])
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "i").exists()


def test_a_journal_is_in_the_index_or_among_ones_own_files(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert _journal("/a/index") is None
    one, other = _journal("s3://b/i"), _journal("s3://b/j")
    assert one.parent == other.parent == Path("/state/samespace")
    assert one != other


@pytest.mark.slow
def test_processes_make_an_index_that_answers(tmp_path: Path):
    for i in range(5):
        (tmp_path / f"{i}.txt").write_text(f"note {i} about copper lanterns")

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "samespace", *words, "--index", "i"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    counts = json.loads(run("index", ".", "--model", "hashing:64", "--processes", "2", "--json"))
    assert (counts["seen"], counts["encoded"], counts["failed"]) == (5, 5, 0)
    again = json.loads(run("index", ".", "--processes", "1", "--json"))
    assert (again["reused"], again["passages"]) == (5, 0)
    assert json.loads(run("search", "note 3", "--json").splitlines()[0])["path"].endswith("3.txt")
