"""samespace snapshot, restore and what status says of the disk, on a real index."""

import json
from pathlib import Path

import made_rows as rows
import pytest
from click.testing import CliRunner

from samespace import Space
from samespace.index.lance import LanceIndex
from samespace.serve.cli import main


@pytest.fixture
def index(tmp_path: Path) -> LanceIndex:
    made = LanceIndex.create(tmp_path / "i", Space("t/x@1", 8, "cosine", "ab" * 16), "m")
    rows.fill(made, 4)
    return made


def run(index: LanceIndex, *args: str):
    return CliRunner().invoke(main, [*args, "--index", index.uri])


def test_kept_listed_restored_removed(index):
    assert run(index, "snapshot").stderr == f"no snapshot yet\nMake one: samespace snapshot NAME --index {index.uri}\n"
    assert run(index, "snapshot", "before").exit_code == 0
    with index.writer() as writer:
        writer.remove(["/files/0.txt"])
        writer.maintain()
    assert len(LanceIndex.open(index.uri)) == 9
    (line,) = run(index, "snapshot", "--json").stdout.splitlines()
    told = json.loads(line)
    assert (told["name"], told["files"]) == ("before", 4) and told["created"].startswith("20")
    assert "4 files" in run(index, "snapshot").stdout
    status = json.loads(run(index, "status", "--json").stdout)
    assert status["kept"] > 0 and set(status["tables"]) == {"files", "items", "vec_abababababab"}
    assert status["live"] + status["kept"] <= status["bytes"]
    assert "for snapshots" in run(index, "status").stdout
    assert run(index, "restore", "before").exit_code == 0
    assert len(LanceIndex.open(index.uri)) == 12
    assert run(index, "snapshot", "--remove", "before").exit_code == 0
    assert "for snapshots" not in run(index, "status").stdout


def test_errors(index):
    assert run(index, "snapshot", "a", "--remove", "b").exit_code == 2
    run(index, "snapshot", "a")
    for args, fact in (
        (("snapshot", "a"), "it has a snapshot 'a' already"),
        (("snapshot", "a b"), "'a b' is no name for a snapshot"),
        (("restore", "b"), "unknown snapshot 'b'"),
    ):
        found = run(index, *args)
        assert found.exit_code == 1 and found.stdout == "" and fact in found.stderr.splitlines()[0]
        assert len(found.stderr.splitlines()) == 2
    with index.writer():
        assert "--wait" in run(index, "restore", "a").stderr
