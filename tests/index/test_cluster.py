"""A real Ray cluster on this machine: a worker killed in the middle, a driver killed and started again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bulking import fill, new, rows_of

from samespace.encode.hashing import load
from samespace.errors import StoreError
from samespace.index.bulk import JOURNAL
from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
from samespace.items import Text

pytest.importorskip("ray", reason="needs ray: pip install 'samespace[ray]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:lance is not fork-safe:UserWarning"),  # Ray starts its servers by fork and exec
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # the same, said in the child
]

ENCODER = load("64")
DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[4])
from bulking import order
from samespace.encode.hashing import load
from samespace.index.bulk import bulk
from samespace.index.cluster import Cluster
from samespace.index.lance import LanceIndex
from samespace.items import Text
encoder, index = load("64"), LanceIndex.open(sys.argv[1])
with Cluster("local", cpus=2) as cluster:
    counts = bulk(index, order(index, encoder, loader=sys.argv[3]), [sys.argv[2]], executor=cluster, files=16)
print(json.dumps(counts.to_dict()))
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for Ray whose sockets have short enough paths."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """A folder, and what an ingest makes of it."""
    home = tmp_path_factory.mktemp("ordinary")
    folder = fill(home / "folder", 120)
    index = new(home / "index", ENCODER)
    ingest(index, ENCODER, [folder])
    return folder, index


@pytest.fixture
def slow_loader(tmp_path, monkeypatch):
    """A model that leaves word of where it works, and takes its time until it is told to hurry."""
    monkeypatch.setenv("MARKS", str(tmp_path / "marks"))
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def driven(index: LanceIndex, folder: Path) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    arguments = [index.uri, str(folder), "bulking:patient_encoder", here]
    return subprocess.Popen([sys.executable, "-c", DRIVER, *arguments], stdout=subprocess.PIPE, text=True)


def waited(driver: subprocess.Popen[str], what):
    """The first answer that is something."""
    while not (found := what()):
        assert driver.poll() is None, "the driver ended"
        time.sleep(0.05)
    return found


def same_answers(one: LanceIndex, two: LanceIndex) -> None:
    queries = ENCODER.encode([Text(words) for words in ("the note", "speaks of 3", "at length")])
    for a, b in zip(one.nearest(queries, 10), two.nearest(queries, 10), strict=True):
        assert a.rows.tolist() == b.rows.tolist()
        assert a.scores.tolist() == b.scores.tolist()


def test_a_killed_worker_costs_its_part_a_second_try(ordinary, tmp_path, place, slow_loader):
    folder, ordinary_index = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    with driven(index, folder) as driver:
        try:
            victim = int(waited(driver, lambda: [*slow_loader.glob("working-*")])[0].name.split("-")[1])
            os.kill(victim, signal.SIGKILL)
            (slow_loader / "hurry").touch()
            assert driver.wait(180) == 0
        finally:
            driver.kill()
    assert f"working-{victim}" in {path.name for path in slow_loader.iterdir()}
    assert len([*slow_loader.glob("working-*")]) >= 2
    assert rows_of(index) == rows_of(ordinary_index)
    same_answers(index, ordinary_index)


def test_a_killed_driver_goes_on_from_its_journal(ordinary, tmp_path, place, slow_loader):
    folder, ordinary_index = ordinary
    index = new(tmp_path / "bulk", ENCODER)
    journal = tmp_path / "bulk" / JOURNAL
    with driven(index, folder) as driver:
        try:
            waited(driver, lambda: journal.exists() and len(journal.read_bytes().splitlines()) >= 3)
        finally:
            driver.kill()
    assert index.files() == {}
    parts = [json.loads(line.split(b" ", 1)[1]) for line in journal.read_bytes().splitlines()[1:-1]]
    kept = sum(part["files"] - part["counts"]["failed"] for part in parts)
    (slow_loader / "hurry").touch()
    with driven(index, folder) as driver:
        try:
            counts = json.loads(driver.communicate(timeout=180)[0])
        finally:
            driver.kill()
    assert 16 <= kept <= counts["reused"]
    assert counts["passages"] < len(ordinary_index)
    assert not journal.exists()
    assert rows_of(index) == rows_of(ordinary_index)
    same_answers(index, ordinary_index)


def test_no_cluster_there_is_an_error_that_says_what_to_check(place):
    from samespace.index.cluster import Cluster

    with pytest.raises(StoreError, match=r"127.0.0.1:1: no Ray cluster answers there(.|\n)*--ray local"):
        Cluster("127.0.0.1:1")
