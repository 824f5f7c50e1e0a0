"""kill -9 in each stage of a run, one crash after the other in the life of one index."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from crash_checks import Ledger, check, cleaned, folder_of, free, go_on, hashing, nobody_left, words
from crash_runs import HITS, ROUNDS, Scene

pytestmark = pytest.mark.slow

STAGES = (
    "scan", "read", "encode", "commit", "collect", "compact", "words", "neighbours", "index", "clean", "preview",
)  # fmt: skip
OTHER = {"re-embed a changed file": "encode", "re-embed everything": "encode", "restore": "restore", "save": "save"}
SLOW = {"entry": 0.005, "encode": 0.02, "preview": 0.01}
TRIES = 12


class Life:
    """One index through many crashes: the folder changes, the run is killed, everything is checked, the next run."""

    def __init__(self, place: Path) -> None:
        self.scene = Scene(place, how={"slow": SLOW})
        self.chance, self.encoder = random.Random(ROUNDS), hashing()
        self.hits: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.number = 100
        self.chars = 1000
        assert self.scene.run() == 0, self.scene.errors
        self.lasted = self.scene.lasted()
        self.before = Ledger.of(self.scene.index)

    def change(self) -> None:
        """Some files are new, one is changed, one is gone; a picture, so that there are previews."""
        from PIL import Image

        folder_of(self.scene.source, 9, first=self.number)
        self.number += 9
        there = sorted(self.scene.source.glob("*.txt"))
        there[0].write_text(words(self.number * 1000))
        for path in self.chance.sample(there[1:], max(1, len(there) - 16)):
            path.unlink()
        for _ in range(2):
            colour = tuple(self.chance.randrange(256) for _ in range(3))
            Image.new("RGB", (64, 48), colour).save(self.scene.source / f"boat {self.chance.random()}.png")

    def crash(self, name: str, stage: str, *steps: list) -> None:
        """Kill it in a stage, and count whether it was really there. All checks and the next run follow, hit or not."""
        scene, marks = self.scene, self.scene.marks
        longest = self.lasted.get(stage, 0.02) * 0.7 ** (self.missed[name] + 1)
        hits = scene.kill_in(stage, self.chance, *steps, longest=longest)
        ledger = Ledger(files=dict(self.before.files), digests=set(self.before.digests), created=True)
        ledger.saved = dict(self.before.saved)
        ledger.hear(line for line in marks.read_bytes().splitlines(keepends=True) if line.endswith(b"\n"))
        (self.hits if stage in hits else self.missed)[name] += 1
        try:
            self.settle(ledger)
        finally:
            saved, self.before = self.before.saved, Ledger.of(scene.index)
            self.before.saved = saved

    def settle(self, ledger: Ledger) -> None:
        scene = self.scene
        nobody_left(scene.temporary)
        assert free(scene.index)
        check(scene.index, ledger, self.encoder)
        with cleaned(scene.temporary):
            go_on(scene.index, [scene.source], ledger, self.encoder, passage_chars=self.chars)


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    made = Life(tmp_path_factory.mktemp("kill") / "scene")
    yield made
    HITS["kill -9"] = made.hits
    HITS["kill -9, the stage was over"] = made.missed


@pytest.mark.parametrize("stage", STAGES)
def test_kill_9_in(life: Life, stage: str):
    wanted = max(1, ROUNDS // 5)
    for _ in range(TRIES * wanted):
        life.change()
        life.crash(stage, stage, ["ingest", {"passage_chars": life.chars}])
        if life.hits[stage] >= wanted:
            break
    assert life.hits[stage] >= wanted, f"{stage} was hit {life.hits[stage]} times, missed {life.missed[stage]}"


@pytest.mark.parametrize("name", OTHER)
def test_kill_9_while(life: Life, name: str):
    """Changes of another sort: one file, the way of reading, the whole index back to a snapshot."""
    wanted = max(1, ROUNDS // 5)
    for _ in range(TRIES * wanted):
        steps = [["ingest", {"passage_chars": life.chars}]]
        if name == "re-embed a changed file":
            path = sorted(life.scene.source.glob("*.txt"))[life.hits[name] % 5]
            path.write_text(words(life.number * 999 + life.missed[name]))
            life.number += 1
        elif name == "re-embed everything":
            life.chars = 1150 - life.chars
            steps = [["ingest", {"passage_chars": life.chars}]]
        else:
            life.change()
            mark = f"s{life.number}"
            steps = [["save", mark], *steps, ["restore", mark]]
        life.crash(name, OTHER[name], *steps)
        if life.hits[name] >= wanted:
            break
    assert life.hits[name] >= wanted, f"missed {life.missed[name]} times"


def test_a_killed_worker_costs_its_file_at_most(tmp_path):
    """Only a reader is killed, and another time its temporary folder is removed under it: the run goes on."""
    scene = Scene(tmp_path / "scene", notes=40, how={"slow": {"encode": 0.05}})
    process = scene.start()
    assert scene.wait_for(process, "encode")
    killed = workers(process.pid)
    os.kill(killed[0], signal.SIGKILL)
    for left in scene.temporary.iterdir():
        shutil.rmtree(left, ignore_errors=True)
    assert process.wait(120) == 0, scene.errors
    ledger = scene.ledger()
    failed = [path for path, row in ledger.files.items() if row[2] == "failed"]
    assert ledger.finished and len(failed) <= 1
    nobody_left(scene.temporary)
    go_on(scene.index, [scene.source], ledger, hashing(), retry_failed=True)  # it counts as the file's fault


def test_a_stopped_run_goes_on(tmp_path):
    """SIGSTOP of everything for a while is no crash: the run completes, and nobody else may write meanwhile."""
    scene = Scene(tmp_path / "scene", notes=20, how={"slow": {"encode": 0.05}})
    process = scene.start()
    assert scene.wait_for(process, "encode")
    everyone = [process.pid, *workers(process.pid)]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    assert not free(scene.index)
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    assert process.wait(120) == 0, scene.errors
    assert scene.ledger().finished and not [r for r in scene.ledger().files.values() if r[2] == "failed"]
    go_on(scene.index, [scene.source], scene.ledger(), hashing())


@pytest.mark.parametrize(("signals", "codes"), [([signal.SIGTERM], {143, 0}), ([signal.SIGINT] * 2, {1, 130, 0, -2})])
def test_the_command_ends_in_order(tmp_path, signals, codes):
    scene = Scene(tmp_path / "scene", notes=60)
    command = [sys.executable, "-c", "from samespace.serve.cli import main; main()", "index", scene.source]
    command += ["--index", scene.index, "--model", "hashing:8", "--no-ocr", "--no-speech"]
    environment = {**os.environ, "TMPDIR": str(scene.temporary)}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 60
        while not list(scene.index.glob("items.lance/data/*")) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.05)
        said = "".join(process.communicate(timeout=60))
    assert process.returncode in codes, said
    assert "Traceback" not in said
    nobody_left(scene.temporary)
    assert free(scene.index)
    check(scene.index, Ledger.of(scene.index), hashing())
    with cleaned(scene.temporary):
        go_on(scene.index, [scene.source], Ledger.of(scene.index), hashing())


def workers(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
