"""Temporary folders of processes that were killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from samespace.read.leftover import Folder, sweep

OWNER = """
import sys, time
from samespace.read.leftover import Folder
folder = Folder("test")
(folder.path / "a").write_text("a")
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _aged(path: Path) -> Path:
    os.utime(path, (1e9, 1e9))
    return path


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path: Path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        folder = _aged(Path(owner.stdout.readline().strip()))
        assert sweep() == 0 and (folder / "a").exists()
        owner.send_signal(signal.SIGKILL)
    assert sweep() == 1 and not folder.exists()


def test_young_ones_files_links_and_others_names_stay(tmp_path: Path):
    young = tmp_path / "samespace-young"
    young.mkdir()
    _aged_file = tmp_path / "samespace-file"
    _aged_file.write_text("")
    _aged(_aged_file)
    target = tmp_path / "precious"
    target.mkdir()
    (tmp_path / "samespace-link").symlink_to(target)
    _aged(target)
    assert sweep() == 0 and young.exists() and target.exists() and _aged_file.exists()


def test_a_folder_of_the_users_own_stays_whatever_it_is_called(tmp_path: Path):
    for name in ("samespace-demo", "samespace-index-2024", "samespace-bench-l7oux7ko", "samespace-read-1-abcdefgh.bak"):
        (tmp_path / name).mkdir()
        _aged(tmp_path / name)
    assert sweep() == 0 and len(list(tmp_path.iterdir())) == 4


def test_a_folder_is_private_and_goes_once_or_twice():
    folder = Folder("test")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.remove()
    folder.remove()
    assert not folder.path.exists()
