"""Everything that goes wrong in one folder: each file is accounted for, none harms another, and search still works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made import pdf, picture, tone

pytestmark = pytest.mark.slow


def samespace(*args: object, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"XDG_CACHE_HOME": str(cwd / "cache")}
    return subprocess.run([sys.executable, "-m", "samespace", *map(str, args)], capture_output=True, cwd=cwd, env=env)


def indexed(folder: Path, cwd: Path, *more: str) -> dict:
    done = samespace("index", folder, "--index", "i", "--model", "hashing:256", "--json", *more, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def found(cwd: Path, *args: str) -> list[dict]:
    done = samespace("search", *args, "--index", "i", "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import soundfile

    top = tmp_path_factory.mktemp("bad") / "files"
    (top / "deep").mkdir(parents=True)
    (top / "good.txt").write_text("The ferry to the island leaves at nine.")
    (top / "line\nbreak.txt").write_text("A name with a newline holds zebras.")
    (top / "\u202etxt.exe.txt").write_text("A name that reads backwards holds giraffes.")
    Path(os.fsdecode(os.fsencode(top) + b"/\xff\xfe.txt")).write_text("A name that is no text holds walruses.")
    (top / '"><img src=x onerror=alert(1)>.txt').write_text("A hostile name holds otters.")
    (top / "empty.txt").touch()
    (top / "locked.pdf").write_bytes(pdf(["secret words"], password="pw"))
    (top / "open.pdf").write_bytes(pdf(["The lease of the ice house ends in May."]))
    soundfile.write(top / "sound.wav", tone(1), 16000)
    (top / "sound.wav").rename(top / "sound.mp4")
    soundfile.write(top / "silence.wav", tone(1) * 0, 16000)
    picture("harbour").save(top / "whole.png")
    whole = (top / "whole.png").read_bytes()
    (top / "cut.png").write_bytes(whole[: len(whole) // 2])
    (top / "deep" / "loop").symlink_to(top)
    (top / "unknown.bin").write_bytes(bytes(range(256)) * 20)
    return top


@pytest.fixture(scope="module")
def place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    cwd = tmp_path_factory.mktemp("cwd")
    return cwd, indexed(folder, cwd)


def test_every_file_is_accounted_for(place: tuple[Path, dict]) -> None:
    _, counts = place
    assert counts["seen"] == 13
    assert counts["failed"] == 4
    assert counts["ignored"] == 1
    assert counts["encoded"] + counts["reused"] + counts["named"] + counts["failed"] == counts["seen"]


def test_the_failed_are_listed_with_class_and_mend(place: tuple[Path, dict]) -> None:
    done = samespace("status", "--failed", "--json", "--index", "i", cwd=place[0])
    listed = done.stdout.decode()
    for name, failure in (("empty.txt", "empty"), ("locked.pdf", "encrypted"), ("cut.png", "decode")):
        assert name in listed
        assert failure in listed
    assert "unsupported" in listed


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("ferry island nine", "good.txt"),
        ("zebras", "line\nbreak.txt"),
        ("giraffes", "\u202etxt.exe.txt"),
        ("walruses", ".txt"),
        ("otters", '"><img src=x onerror=alert(1)>.txt'),
        ("lease ice house", "open.pdf"),
    ],
)
def test_every_good_file_is_found_by_its_own_words(place: tuple[Path, dict], words: str, name: str) -> None:
    assert found(place[0], words)[0]["path"].endswith(name)


def test_names_do_not_reach_the_terminal_raw(place: tuple[Path, dict]) -> None:
    shown = samespace("search", "zebras giraffes", "--index", "i", cwd=place[0]).stdout.decode()
    assert "line\nbreak" not in shown
    assert "\u202e" not in shown


def test_again_costs_nothing(place: tuple[Path, dict], folder: Path) -> None:
    counts = indexed(folder, place[0])
    assert (counts["encoded"], counts["removed"]) == (0, 0)


def test_k_is_checked(place: tuple[Path, dict]) -> None:
    done = samespace("search", "ferry", "-k", 0, "--index", "i", cwd=place[0])
    assert done.returncode == 1
    assert "-k 10" in done.stderr.decode()
    assert len(found(place[0], "ferry", "-k", "1000")) <= 13


def test_common_words_match_nothing_for_sure(place: tuple[Path, dict]) -> None:
    assert not any(hit["confident"] for hit in found(place[0], "the of and"))


def test_another_model_is_refused(place: tuple[Path, dict], folder: Path) -> None:
    done = samespace("index", folder, "--index", "i", "--model", "hashing:64", cwd=place[0])
    assert done.returncode == 1
    assert len(done.stderr.decode().strip().splitlines()) >= 2


def test_wrong_places_are_said(tmp_path: Path) -> None:
    done = samespace("index", tmp_path / "nowhere", "--index", "i", "--model", "hashing:64", cwd=tmp_path)
    assert done.returncode == 1
    assert b"nowhere" in done.stderr
    (tmp_path / "empty").mkdir()
    assert indexed(tmp_path / "empty", tmp_path)["seen"] == 0
    done = samespace("search", "x", "--index", "none", cwd=tmp_path)
    assert done.returncode == 1
    assert b"samespace index" in done.stderr


def test_a_full_disk_is_said_and_nothing_is_lost(folder: Path, tmp_path: Path) -> None:
    """The limit on file size stands for a full disk: every write beyond it fails."""
    indexed(folder, tmp_path)
    more = tmp_path / "more"
    shutil.copytree(folder, more, symlinks=True)
    (more / "long.txt").write_text(
        "\n\n".join(f"Paragraph {i} about whales and winds number {i}." * 9 for i in range(3000))
    )
    code = (
        "import resource, runpy, signal, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000)); "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.argv[0] = 'samespace'; "
        "runpy.run_module('samespace', run_name='__main__')"
    )
    args = ["index", str(more), "--index", "i", "--model", "hashing:256"]
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, cwd=tmp_path)
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert found(tmp_path, "ferry island nine")[0]["path"].endswith("good.txt")
    assert indexed(more, tmp_path)["failed"] >= 4
    assert found(tmp_path, "paragraph 2999")
