"""Files made to break readers: the run ends, each file has the end it may have, and nothing is left over."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import bombs
import pytest

from samespace.read.pool import ReaderPool
from samespace.read.protocol import Done, Failed, Limits, Options, Some
from samespace.read.sniff import sniff

ROOT = Path(__file__).resolve().parent.parent.parent
_ENDS_BY_TIME = frozenset({"same_slide_5000_times.pptx"})  # in the way of a short test


def run(folder: Path, *words: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hostile_run", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def holds(told: dict) -> None:
    """What every run over hostile files must keep."""
    assert told["seen"] == told["encoded"] + told["named"] + told["reused"] + told["failed"]
    assert not told["stopped"]
    assert told["left"] == []
    assert told["running"] == []
    assert told["parent_mb"] < 1500
    assert told["worker_mb"] <= told["limit_mb"]
    assert told["worst_cpu"] <= 30 + 3
    assert set(told["classes"]) <= {"indexed", "name_only", "decode", "too_big", "unsupported", "empty", "encrypted"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bombs(tmp_path):
    laid = bombs.lay(tmp_path / "bombs")
    for name in _ENDS_BY_TIME:
        (tmp_path / "bombs" / name).unlink()
        del laid[tmp_path / "bombs" / name]
    told = run(tmp_path / "bombs", "--cpu", "12", "--wall", "120")
    holds(told)
    ends = {Path(path).name: end.replace("name_only", "indexed") for path, (end, _) in told["ends"].items()}
    assert {path.name: ends[path.name] for path, may in laid.items() if ends[path.name] not in may} == {}
    assert all(reason for end, reason in told["ends"].values() if end not in ("indexed", "name_only"))


@pytest.mark.slow
def test_strange_names_and_unknown_kinds(tmp_path):
    count = bombs.strange_names(tmp_path / "all" / "names") + bombs.unknown_kinds(tmp_path / "all" / "kinds")
    told = run(tmp_path / "all", "--cpu", "12", "--wall", "60")
    holds(told)
    assert told["seen"] + told["ignored"] >= count


@pytest.mark.slow
def test_all_of_the_strange_files(data):
    """What other projects keep to break their readers, all of it."""
    folder = data / "mixed_files" / "files"
    if not folder.is_dir():
        pytest.skip("the strange files (mixed_files) are not here: set SAMESPACE_DATA to their folder")
    told = run(folder, "--cpu", "30", "--wall", "120")
    holds(told)
    assert told["seen"] + told["ignored"] >= sum(p.is_file() for p in folder.rglob("*"))
    assert told["classes"]["indexed"] + told["classes"]["name_only"] > told["seen"] / 2


@pytest.mark.timeout(60)  # without bounds some of these take hours
def test_sniffing_is_not_held_up(tmp_path):
    """It is done here, not in a worker: what holds it up holds up the run."""
    for name in ("open_comments.html", "comments.html", "many_boxes.mp4", "mimetype_bomb.odt", "deep.xml"):
        (tmp_path / name).write_bytes(bombs.BOMBS[name][0]())
    (tmp_path / "name.xml").write_bytes(b"<" + b"a" * 65_000)
    assert {path.name: sniff(path) for path in tmp_path.iterdir()} == {
        "open_comments.html": "text/html",
        "comments.html": "text/html",
        "many_boxes.mp4": "video/mp4",
        "mimetype_bomb.odt": "application/zip",
        "deep.xml": "application/xml",
        "name.xml": "text/plain",
    }


def test_a_secret_is_not_pulled_in_by_an_entity(tmp_path):
    for name in ("laughs.svg", "laughs.docx", "laughs.odt"):
        (tmp_path / name).write_bytes(bombs.BOMBS[name][0]())
    with ReaderPool(Options(), workers=1) as pool:
        events = list(pool.read(sorted(tmp_path.iterdir())))
    assert "root:" not in repr(events)
    assert "lollol" not in repr(events)


@pytest.mark.slow
def test_a_file_that_grows_while_it_is_read_ends(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("the first line\n" * 1000)
    over = threading.Event()

    def grow() -> None:
        while not over.is_set():
            with path.open("a") as file:
                file.write("one more line\n" * 1000)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with ReaderPool(Options(limits=Limits(characters=2_000_000)), workers=1) as pool:
            ends = [e for e in pool.read([path]) if not isinstance(e, Some)]
    finally:
        over.set()
        writer.join()
    assert len(ends) == 1


@pytest.mark.slow
def test_a_library_cut_off_and_with_wrong_bytes(tmp_path):
    """Every kind of the example library, cut at some places and with bytes changed at others: each still ends."""
    import random

    draw, made = random.Random(4), []
    for source in sorted((ROOT / "examples" / "library").rglob("*")):
        if not source.is_file() or (source.suffix in (".wav", ".flac") and source.stat().st_size > 400_000):
            continue
        data = source.read_bytes()
        for number in range(4):
            damaged = bytearray(data[: draw.randrange(1, len(data))] if number % 2 else data)
            for _ in range(0 if number == 1 else 20):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            made.append(tmp_path / f"{number}-{source.name}")
            made[-1].write_bytes(damaged)
    classes: dict[str, int] = {}
    with ReaderPool(
        Options(ocr=False, speech=False, limits=Limits(cpu_seconds=20, wall_seconds=120)), workers=2
    ) as pool:
        for event in pool.read(made):
            if isinstance(event, Done | Failed):
                end = event.failure if isinstance(event, Failed) else "done"
                classes[end] = classes.get(end, 0) + 1
    assert sum(classes.values()) == len(made)
    assert set(classes) <= {"done", "decode", "unsupported", "empty", "too_big", "encrypted"}, classes
