"""Power cuts, played from a record of every write: what was not synced may be lost, in any order."""

import random
import shutil
from collections import Counter
from pathlib import Path

import power
import pytest
from crash_checks import Ledger, check, go_on, hashing, words
from crash_runs import HITS, ROUNDS, Scene
from PIL import Image

pytestmark = pytest.mark.slow

CUTS = 8 * ROUNDS or 20
EACH = 4 if ROUNDS else 2
KILLED_AT = 330  # events of the first process: it has committed, compacted and cleaned up by then


def recorded(place: Path, library: Path, **how) -> tuple[Scene, list[power.Event]]:
    """One process that is killed in the middle, and one that goes on, changes things, and comes to its end."""
    scene = Scene(place, how=how)
    Image.new("RGB", (60, 40), (200, 30, 20)).save(scene.source / "red boat at the harbour.png")
    record = {"library": str(library), "journal": str(place / "journal")}
    code = scene.run(["ingest"], record=record | {"events": KILLED_AT})
    if "no recording" in scene.errors:
        pytest.skip(f"the system does not allow it: {scene.errors.strip()}")
    assert code == -9, scene.errors
    s = scene.source
    steps = [
        ["ingest"],
        ["save", "before"],
        ["write", str(s / "note 3.txt"), words(103)],
        ["unlink", str(s / "note 4.txt")],
        ["write", str(s / "note 50.txt"), words(50)],
        ["ingest"],
        ["restore", "before"],
        ["ingest", {"passage_chars": 300}],
        ["ingest"],
    ]
    assert scene.run(*steps, record=record) == 0, scene.errors
    return scene, power.read_journal(place / "journal")


def points(events: list[power.Event], chance: random.Random) -> list[int]:
    """Where to cut: half of them anywhere, half right behind a change of names."""
    named = [i + 1 for i, event in enumerate(events) if event.op in "LRUM"]
    return sorted({chance.randrange(len(events) + 1) if i % 2 else chance.choice(named) for i in range(CUTS)})


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return power.recorder(tmp_path_factory.mktemp("recorder"))


def states(scene: Scene, events: list[power.Event], at: list[int], chance: random.Random, target: Path, each: int):
    """Folders as they may be after a cut, one after the other, with what was acknowledged before it."""
    for number, disk, marks in power.cuts(events, str(scene.index), at):
        for how in chance.sample(power.HOWS, each):
            shutil.rmtree(target, ignore_errors=True)
            power.after(disk, how, random.Random(number), target)
            yield f"cut {number} of {len(events)}, {how.name}", disk, Ledger().hear(marks)


def test_what_is_acknowledged_survives_a_power_cut(tmp_path, library):
    scene, events = recorded(tmp_path / "scene", library)
    chance, encoder, stages, loose = random.Random(ROUNDS), hashing(), Counter(), 0
    for i, (where, disk, ledger) in enumerate(
        states(scene, events, points(events, chance), chance, tmp_path / "after", EACH)
    ):
        try:
            check(tmp_path / "after", ledger, encoder)
            if ROUNDS or i % 2:
                go_on(tmp_path / "after", [scene.source], ledger, encoder)
        except Exception as err:
            raise AssertionError(f"{where}: {err}") from err
        stages.update(ledger.hits or ["between"])
        loose += bool(disk.loose())
    HITS["power cuts"] = stages
    assert loose > CUTS // 2
    assert {"commit", "maintain"} <= stages.keys()


def test_all_that_was_written_is_in_the_record(tmp_path, library):
    """Played to the end with nothing lost, it is what is there: nothing got past the recorder."""
    scene, events = recorded(tmp_path / "scene", library)
    assert {event.op for event in events} >= set("CWRLUDMFSA")
    how = next(how for how in power.HOWS if how.name == "everything")
    for _, disk, marks in power.cuts(events, str(scene.index), [len(events)]):
        power.after(disk, how, random.Random(0), tmp_path / "after")
        assert Ledger().hear(marks).finished
    assert tree(tmp_path / "after") == tree(scene.index)


def test_without_fsync_power_cuts_lose_things(tmp_path, library):
    """The test of the test: the same run with fsync switched off must be found out."""
    scene, events = recorded(tmp_path / "scene", library, no_sync=True)
    assert not [event for event in events if event.op in "FS"]
    chance, found = random.Random(0), 0
    at = [int(len(events) * share) for share in (0.5, 0.7, 0.9, 1.0)]
    for _, _, ledger in states(scene, events, at, chance, tmp_path / "after", 2):
        try:
            check(tmp_path / "after", ledger, hashing())
        except Exception:
            found += 1
    assert found >= 4


def tree(top: Path) -> dict[str, bytes]:
    return {str(p.relative_to(top)): p.read_bytes() if p.is_file() else b"" for p in top.rglob("*")}
