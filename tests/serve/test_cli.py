"""The command line without a store: usage, errors, what is printed and what is not."""

import json
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from samespace import errors
from samespace.index.progress import Counts, Progress
from samespace.index.protocol import Hit
from samespace.items import Locator
from samespace.serve import cli_index, cli_search
from samespace.serve.cli import _COMMANDS, main
from samespace.serve.terminal import duration, elide, printable


def run(*args: str, **settings):
    return CliRunner().invoke(main, list(args), **settings)


_NO_INDEX = {"audit", "models", "train", "translate"}  # which have none, or take it as an argument


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_every_command_says_what_it_does_and_takes_an_index(command: str) -> None:
    found = run(command, "--help")
    assert found.exit_code == 0 and "Usage" in found.output
    assert ("--index DIR" in found.output) == (command not in _NO_INDEX), "a catalogue or a translation is no index"


def test_help_lists_every_command_that_there_is() -> None:
    text = run("--help").output
    assert all(f"\n  {name} " in text for name in _COMMANDS)
    assert run().exit_code == 2, "without a command it says how it is used"
    assert run("--version").output.startswith("samespace, version")


def test_wrong_usage_is_2_and_says_the_nearest() -> None:
    found = run("serch", "x")
    assert found.exit_code == 2 and "'search'" in found.stderr and found.stdout == ""
    assert run("search", "x", "--jsno").exit_code == 2
    assert run("index").exit_code == 2


def test_our_errors_are_1_with_fact_and_mend_on_stderr(tmp_path: Path) -> None:
    found = run("index", str(tmp_path / "nothing"))
    assert found.exit_code == 1 and found.stdout == ""
    fact, mend = found.stderr.splitlines()
    assert fact == f"error: {tmp_path}/nothing: no such file or folder" and "--forget" in mend


def planted(monkeypatch: pytest.MonkeyPatch, err: BaseException) -> None:
    """A command that ends in an error."""

    @click.command()
    def status() -> None:
        raise err

    from samespace.serve import cli_status

    monkeypatch.setattr(cli_status, "status", status)


@pytest.mark.parametrize(
    ("err", "code", "said"),
    [
        (errors.IndexNotFoundError("x"), 1, "error: x: there is no samespace index here\nMake one: samespace index"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device"),
        (ValueError("a width of 0\nUse 8 or more"), 1, "error: a width of 0\nUse 8 or more"),
        (KeyboardInterrupt(), 130, "stopped\nWhat was committed stays"),
        (errors.QueryError("bad \x1b[31mname\u202e", "mend"), 1, "error: bad \\x1b[31mname\\u202e\nmend"),
    ],
)
def test_what_becomes_of_errors(monkeypatch: pytest.MonkeyPatch, err: BaseException, code: int, said: str) -> None:
    planted(monkeypatch, err)
    found = run("status")
    assert (found.exit_code, found.stdout) == (code, "")
    assert found.stderr.startswith(said)


def test_a_fault_of_ours_shows_where_it_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, ValueError("shapes do not fit"))
    found = run("status")
    assert isinstance(found.exception, ValueError)
    monkeypatch.setenv("SAMESPACE_DEBUG", "1")
    planted(monkeypatch, errors.QueryError("fact", "mend"))
    assert isinstance(run("status").exception, errors.QueryError)


@pytest.mark.parametrize(
    ("args", "parts", "k", "index"),
    [
        (["text", "+", "photo.jpg", "-", "people", "2:red", "-k", "5", "--index", "D"],
         ("text", "+", "photo.jpg", "-", "people", "2:red"), 5, "D"),
        (["-people", "bag", "-k5"], ("-people", "bag"), 5, None),
        (["bag", "-kittens", "-"], ("bag", "-kittens", "-"), 10, None),
        (["bag", "-index", "-2:red"], ("bag", "-index", "-2:red"), 10, None),
        (["bag", "-k", "-3"], ("bag",), -3, None),
        (["bag", "-k-3", "--index=D"], ("bag",), -3, "D"),
        (["--json", "--", "--index", "-k"], ("--index", "-k"), 10, None),
        (["bag", "--where", "-5 < size", "--no-hybrid"], ("bag",), 10, None),
    ],
)  # fmt: skip
def test_a_minus_is_part_of_the_query_unless_it_is_an_option(args, parts, k, index, monkeypatch) -> None:
    monkeypatch.delenv("SAMESPACE_INDEX", raising=False)
    made = cli_search.search.make_context("search", list(args)).params
    assert tuple(p.removeprefix("\x00") for p in made["parts"]) == parts
    assert (made["k"], made["uri"]) == (k, index or ".samespace")
    assert made["where"] == ("-5 < size" if "--where" in args else None)


def test_the_index_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMESPACE_INDEX", str(tmp_path / "mine"))
    assert f"{tmp_path}/mine: there is no samespace index here" in run("status").stderr
    assert f"{tmp_path}/other: there is no" in run("status", "--index", str(tmp_path / "other")).stderr


HIT = Hit(
    id="abc",
    path="/a/ev\x1b[2Jil\nname\u202e.pdf",
    kind="page",
    origin="ocr",
    locator=Locator(page=7, box=(0.1, 0.2, 0.3, 0.4)),
    score=0.8123456789,
    percentile=0.999,
    confident=True,
    match="strong",
    snippet="the \x1b]0;total\x07 is\n 12 euros",
    title="T",
    mime="application/pdf",
    by=("meaning", "words"),
    duplicates=("/b/copy.pdf",),
)


def test_a_hit_as_json() -> None:
    made = json.loads(json.dumps(cli_search._object(HIT)))
    assert made == {
        "path": HIT.path, "kind": "page", "locator": {"page": 7, "box": [0.1, 0.2, 0.3, 0.4]}, "place": "p.7",
        "score": 0.812346, "percentile": 0.999, "confident": True, "match": "strong", "snippet": HIT.snippet,
        "origin": "ocr", "title": "T", "mime": "application/pdf", "by": ["meaning", "words"], "id": "abc",
        "duplicates": ["/b/copy.pdf"],
    }  # fmt: skip


def test_further_places_are_named_once() -> None:
    others = tuple(replace(HIT, locator=Locator(page=page)) for page in (7, 9, 9, 2))
    assert "  p.7  (p.9, p.2)" in click.unstyle(cli_search._text(1, replace(HIT, others=others)))


def test_a_hit_for_people_cannot_steer_the_terminal() -> None:
    text = click.unstyle(cli_search._text(1, HIT))
    assert text.splitlines() == [
        " 1. strong  ev\\x1b[2Jil\\x0aname\\u202e.pdf  page  p.7",
        "      the \\x1b]0;total\\x07 is 12 euros",
        "      /a/",
        "      and 1 copy: /b/copy.pdf",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\tb", "a\\x09b"), ("日本語 café", "日本語 café"), ("👩\u200d🔬", "👩\u200d🔬"), ("\ue000\x9b", "\\ue000\\x9b")],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_numbers_for_people() -> None:
    assert [duration(s) for s in (0.4, 59, 61, 3599, 7500)] == [
        "0 s",
        "59 s",
        "1 min 01 s",
        "59 min 59 s",
        "2 h 05 min",
    ]
    assert elide("abcdefghij", 5) == "ab…ij" and elide("abc", 5) == "abc" and len(elide("x" * 99, 10)) == 10


def test_progress_in_one_line() -> None:
    now = Progress("read", 12, 400, 500, 90, 2, 3.5, 111.0, "/a/b\x1b.txt")
    said = cli_index._progress(now)
    assert said == "12/400 files · 90 passages encoded · 3.5 files/s · 1 min 51 s left · 2 failed · b\\x1b.txt"
    assert cli_index._progress(Progress("scan", 0, 0, 1, 0, 0, 0.0, None)) == "looking: 1 file"


def test_the_counts_for_people() -> None:
    counts = Counts(seen=9, encoded=4, passages=30, reused=3, failed=2, seconds=61)
    said = cli_index._summary(counts, "x").splitlines()
    assert said[0] == "9 files seen, 4 encoded (30 passages), 3 reused, 2 failed, in 1 min 01 s"
    assert said[1].endswith("samespace status --failed --index x")
    assert cli_index._summary(Counts(seen=1, reused=1), "x") == "1 file seen, 0 encoded (0 passages), 1 reused, in 0 s"


def test_an_index_of_a_model_that_has_changed_says_how_to_move(tmp_path) -> None:
    from samespace.errors import SpaceMismatchError
    from samespace.index.lance import LanceIndex
    from samespace.serve.session import encoder_of
    from samespace.space import Space

    before = Space("samespace/hashing-64@older", 64)
    index = LanceIndex.create(tmp_path / "old.index", before, "hashing:64")
    with pytest.raises(SpaceMismatchError, match=r"(?s)changed since.*samespace migrate .*old\.index --to hashing:64"):
        encoder_of(index)
