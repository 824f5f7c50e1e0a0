"""The command line as a person runs it: real processes, a real store, a model-free encoder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TEXTS = {
    "harbour.txt": "The harbour master counts the boats before the storm and rings the bell at noon.",
    "bread.md": "# Bread\n\nSourdough needs flour, water, salt and a night of patience in a warm kitchen.",
    "invoice.txt": "Invoice 4711: forty copper lanterns for the lighthouse, to be paid within ten days.",
}


def run(*args: str, cwd: Path, env: dict[str, str] | None = None, **settings) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "SAMESPACE_INDEX"} | (env or {})
    settings = {"capture_output": True, "text": True} | settings
    return subprocess.run([sys.executable, "-m", "samespace", *args], cwd=cwd, env=environment, **settings)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with files and an index of them."""
    place = tmp_path_factory.mktemp("cli")
    (place / "files").mkdir()
    for name, text in TEXTS.items():
        (place / "files" / name).write_text(text)
    (place / "files" / os.fsdecode(b"caf\xe9\nmenu.txt")).write_text(
        "A menu of the day: soup of lentils, pears, cheese."
    )
    (place / "files/broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (place / "files/.secret").write_text("x")
    made = run("index", "files", "--model", "hashing:256", "--json", cwd=place)
    assert made.returncode == 0, made.stderr
    (counts,) = [json.loads(line) for line in made.stdout.splitlines()]
    expected = {"seen": 5, "encoded": 4, "reused": 0, "removed": 0, "failed": 1, "ignored": 1}
    assert {name: counts[name] for name in expected} == expected
    return place


def hits(found: subprocess.CompletedProcess) -> list[dict]:
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def test_again_nothing_is_encoded_and_stdout_is_one_object(place: Path) -> None:
    again = run("index", "files", "--json", "--quiet", cwd=place)
    counts = json.loads(again.stdout)
    assert (counts["encoded"], counts["reused"], again.stderr) == (0, 4, "")
    plain = run("index", "files", cwd=place)
    assert plain.stdout.startswith("5 files seen, 0 encoded (0 passages), 4 reused, 1 failed, 1 ignored")
    assert "status --failed" in plain.stdout


def test_search_finds_and_json_has_its_fields(place: Path) -> None:
    found = hits(run("search", "copper", "lanterns", "--json", "-k", "2", cwd=place))
    assert found[0]["path"] == str(place / "files/invoice.txt")
    wanted = {"path", "kind", "locator", "score", "percentile", "confident", "snippet", "origin", "match", "title"}
    assert wanted | {"duplicates"} <= set(found[0])
    assert len(found) <= 2


def test_the_grammar_of_the_issue(place: Path) -> None:
    (place / "photo.txt").write_text(TEXTS["harbour.txt"])
    found = run(
        "search", "boats", "+", "photo.txt", "-", "sourdough", "2:storm", "-k", "5", "--json", cwd=place,
        env={"SAMESPACE_INDEX": str(place / ".samespace")},
    )  # fmt: skip
    assert Path(hits(found)[0]["path"]).name == "harbour.txt"
    assert "taken as a file" in found.stderr


def test_filters_and_people(place: Path) -> None:
    only = hits(run("search", "the", "bell", "--where", 'name like "*.md"', "--json", "-k", "9", cwd=place))
    assert {Path(h["path"]).name for h in only} <= {"bread.md"}
    wrong = run("search", "bell", "--where", "nmae = 3", cwd=place)
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: ") and wrong.stdout == ""
    text = run("search", "soup", "lentils", "-k", "1", cwd=place)
    assert "caf%E9\\x0amenu.txt" in text.stdout and "\x1b" not in text.stdout


def test_paths0_gives_the_bytes_of_the_names(place: Path) -> None:
    found = run("search", "soup", "lentils", "--paths0", "-k", "1", cwd=place, text=False)
    assert found.stdout == os.fsencode(place / "files") + b"/caf\xe9\nmenu.txt\0"


@pytest.mark.parametrize("k", ["0", "-1"])
def test_k_below_one_is_an_error_with_its_mend(place: Path, k: str) -> None:
    found = run("search", "bread", "-k", k, cwd=place)
    assert found.returncode == 1 and f"error: k is {k}" in found.stderr and found.stdout == ""


def test_more_than_there_is_gives_what_there_is(place: Path) -> None:
    assert 1 <= len(hits(run("search", "bread", "-k", "1000", "--json", cwd=place))) <= 4


def test_nothing_confident_is_said_and_is_no_error(place: Path) -> None:
    found = run("search", "quantum chromodynamics", cwd=place)
    assert found.returncode == 0 and "no confident match" in found.stderr


def test_status_spaces_and_failures(place: Path) -> None:
    now = json.loads(run("status", "--json", cwd=place).stdout)
    assert now["files"] == {"indexed": 4, "failed": 1} and now["model"] == "hashing:256"
    (failed,) = [json.loads(line) for line in run("status", "--failed", "--json", cwd=place).stdout.splitlines()]
    assert (Path(failed["path"]).name, failed["failure"]) == ("broken.pdf", "decode") and failed["mend"]
    assert "hashing:256" in run("status", cwd=place).stdout
    space = json.loads(run("spaces", "--json", cwd=place).stdout)["space"]
    assert space == now["space"] and space["dim"] == 256


def test_encode_gives_space_and_vector(place: Path) -> None:
    lines = run("encode", "files/bread.md", "--role", "query", cwd=place).stdout.splitlines()
    made = json.loads(lines[0])
    assert made["space"]["name"] == "samespace/hashing-256@1" and len(made["vector"]) == 256
    assert abs(sum(x * x for x in made["vector"]) - 1) < 1e-4
    stdin = run("encode", "-", "--model", "hashing:32", cwd=place, input="words from a pipe")
    assert len(json.loads(stdin.stdout)["vector"]) == 32
    bad = run("encode", "files/broken.pdf", cwd=place)
    assert bad.returncode == 1 and "damaged" in bad.stderr


def test_the_model_of_an_index_is_kept_and_another_refused(place: Path) -> None:
    other = run("index", "files", "--model", "hashing:64", cwd=place)
    assert other.returncode == 1 and "was made with the model 'hashing:256'" in other.stderr
    assert "samespace migrate .samespace --to hashing:64" in other.stderr
    unknown = run("index", "files", "--model", "multilingal-e5-small", "--index", "new", cwd=place)
    assert unknown.returncode == 1 and "multilingual-e5-small" in unknown.stderr
    assert not (place / "new").exists(), "nothing is left behind"


def test_doctor_of_an_index(place: Path) -> None:
    found = run("doctor", ".samespace", "--json", cwd=place)
    checks = [json.loads(line) for line in found.stdout.splitlines()]
    assert found.returncode == 0 and {c["name"]: c["passed"] for c in checks} == {"its model": True, "recall@10": True}


def test_models_are_listed_as_json_lines(place: Path) -> None:
    listed = [json.loads(line) for line in run("models", "--json", cwd=place).stdout.splitlines()]
    assert len(listed) > 15 and {"name", "licence", "dim", "modalities", "weights", "get", "status"} <= set(listed[0])
    one = run("models", "e5", cwd=place)
    assert one.returncode == 0 and "multilingual-e5-small" in one.stdout


def test_a_reader_that_goes_away_is_no_noise(place: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "samespace", "models"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.wait(60) == 141 and process.stderr.read() == b""
    process.stderr.close()


def test_two_writers_at_once(place: Path) -> None:
    from samespace.index.lance import LanceIndex

    with LanceIndex.open(place / ".samespace").writer():
        refused = run("index", "files", cwd=place)
        assert refused.returncode == 1 and "another process is writing" in refused.stderr and "--wait" in refused.stderr
        assert hits(run("search", "bread", "--json", cwd=place)), "searching works meanwhile"


def many(folder: Path, number: int) -> None:
    folder.mkdir()
    for i in range(number):
        (folder / f"{i:04}.txt").write_text(f"File {i} tells of {i * 7919 % 10007} lanterns and {i * 31} boats. " * 30)


def start(place: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "samespace", "index", "files", "--model", "hashing:64", "--json", *more]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def vectors(place: Path) -> int:
    from samespace.errors import SamespaceError
    from samespace.index.lance import LanceIndex

    try:
        return len(LanceIndex.open(place / ".samespace"))
    except SamespaceError:
        return 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_keeps_what_it_committed(tmp_path: Path, how: signal.Signals) -> None:
    many(tmp_path / "files", 800)
    process = start(tmp_path)
    until = time.monotonic() + 60
    while not (before := vectors(tmp_path)) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130 and "what was committed is in the index" in stderr
    else:
        assert process.returncode == -signal.SIGKILL
    kept = vectors(tmp_path)
    assert 0 < before <= kept
    finished = json.loads(start(tmp_path).communicate(timeout=120)[0])
    again = json.loads(start(tmp_path).communicate(timeout=120)[0])
    assert finished["seen"] == 800 and finished["failed"] == 0
    assert finished["passages"] <= vectors(tmp_path) - kept, "what was there was not embedded again"
    assert (again["encoded"], again["reused"]) == (0, 800)


def test_watching_follows_changes_until_it_is_ended(tmp_path: Path) -> None:
    many(tmp_path / "files", 3)
    process = start(tmp_path, "--watch")
    assert process.stdout and process.stderr
    assert json.loads(process.stdout.readline())["encoded"] == 3
    assert "watching" in process.stderr.readline()
    time.sleep(1.0)  # the watcher begins
    (tmp_path / "files/new.txt").write_text("Something quite new about marmalade and tides.")
    assert json.loads(process.stdout.readline())["encoded"] == 1
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130 and "stays" in stderr
