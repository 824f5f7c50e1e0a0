"""samespace migrate: the surface, on a small index of words."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from samespace.index import migrate
from samespace.index.lance import LanceIndex
from samespace.serve.cli import main

TOWNS = (
    "harbour", "lantern", "copper", "window", "garden", "bridge", "engine",
    "paper", "winter", "letter", "kitchen", "mountain", "market", "doctor",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("notes")
    for i, town in enumerate(TOWNS):
        for j in range(2):
            (made / f"{town}{j}.txt").write_text(
                f"The {town} of number {i}{j} stands beside the old {TOWNS[i - 1]} road."
            )
    return made


def run(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(args))
    assert result.exit_code == code, result.output
    return result


def answer(*args: str) -> dict:
    return json.loads(run(*args, "--json", "--quiet").stdout)


def first(*args: str) -> str:
    found = [json.loads(line) for line in run("search", *args, "--no-hybrid", "--json").stdout.splitlines()]
    return Path(found[0]["path"]).name


def test_there_and_back(folder: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "i")
    run("index", str(folder), "--index", place, "--model", "hashing:64", "--quiet", "--no-ocr", "--no-speech")
    asked = ("The copper of number 21 stands beside the old lantern road.", "--index", place)
    plan = answer("migrate", place, "--to", "hashing:128", "--plan")
    assert plan["rows"] == 28 and plan["measured"]["pairs"] == 28 and not (tmp_path / "i/migration").exists()
    assert answer("migrate", place, "--status") == {"index": place, "stage": "at rest", "model": "hashing:64"}
    assert "not moving" in run("migrate", place, code=1).stderr
    there = run("migrate", place, "--to", "hashing:64", code=1).stderr
    assert "in the space of 'hashing:64' already" in there and f"search --index {place} WORDS" in there
    assert "move it there: samespace migrate" in run("search", *asked, "--model", "hashing:128", code=1).stderr

    begun = run("migrate", place, "--to", "hashing:128", "--sample", "20", "--limit", "0", "--json")
    assert "to embed  8 rows" in begun.stderr
    now = json.loads(begun.stdout)
    assert (now["stage"], now["rows"], now["embedded"]) == ("moving", 28, 20)
    refused = run("migrate", place, "--switch", "--keep", "1.0", code=1).stderr
    assert "embedded by 'hashing:128'" in refused and "--keep" in refused
    assert (
        first(*asked)
        == first(*asked, "--model", "hashing:128")
        == first(*asked, "--model", "hashing:128", "--depth", "0")
    )
    assert "moving to hashing:128" in run("search", *asked, "--model", "hashing:128").stderr
    assert "moving    to hashing:128" in run("status", place).stdout
    assert "half-way" in run("index", str(folder), "--index", place, "--model", "hashing:128", code=1).stderr
    shown = run("migrate", place, "--status").stdout
    assert "from hashing:64 to hashing:128: moving" in shown and "20 of 28 rows (71.4%)" in shown
    assert f"next      samespace migrate {place}, until" in shown
    assert f"meanwhile: samespace search --index {place} --model hashing:128 WORDS" in shown

    said = run("migrate", place)
    assert "28 of 28 rows (100.0%)" in said.stdout and "--switch" in said.stdout and "disk" in said.stderr
    assert answer("migrate", place, "--switch")["stage"] == "switched"
    assert LanceIndex.open(place).model == "hashing:128" and first(*asked) == "copper1.txt"
    assert answer("migrate", place, "--rollback")["stage"] == "back"
    assert LanceIndex.open(place).model == "hashing:64" and first(*asked) == "copper1.txt"
    assert answer("migrate", place, "--to", "hashing:128", "--switch")["stage"] == "switched"
    assert answer("migrate", place, "--finish")["stage"] == "finished"
    assert answer("migrate", place, "--status")["model"] == "hashing:128"
    assert "stage" not in run("status", place).stdout and "moving" not in run("status", place).stdout


def test_a_stop_ends_in_order_and_the_same_command_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, plain = str(tmp_path / "i"), migrate.move
    run("index", str(folder), "--index", place, "--model", "hashing:64", "--quiet", "--no-ocr", "--no-speech")

    def stopped(*args: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return plain(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "move", stopped)
        run("migrate", place, "--to", "hashing:128", "--sample", "20", "--switch", code=128 + signal.SIGTERM)
    now = answer("migrate", place, "--status")
    assert (now["stage"], now["embedded"]) == ("moving", 20)
    assert answer("migrate", place, "--switch", "--to", "hashing:128")["stage"] == "switched"


@pytest.mark.parametrize(
    "flags", [("--status", "--finish"), ("--plan", "--switch"), ("--rollback", "--to", "hashing:8"), ("--keep", "2")]
)
def test_what_makes_no_sense_is_refused(flags: tuple[str, ...]) -> None:
    run("migrate", "nowhere", *flags, code=2)


def test_no_index(tmp_path: Path) -> None:
    assert "no samespace index here" in run("migrate", str(tmp_path / "x"), "--to", "hashing:8", code=1).stderr
