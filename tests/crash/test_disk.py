"""Disks that are full or read-only, clocks that run backwards, folders that vanish: one clear error, nothing lost."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lance
import pytest
from crash_checks import Ledger, check, go_on, hashing, whole, words
from crash_runs import HITS, ROUNDS, Scene
from PIL import Image

from samespace.index.ingest import ingest
from samespace.index.lance import LanceIndex
from samespace.read.protocol import Options

pytestmark = pytest.mark.slow
MANY = max(1, ROUNDS // 5)


@contextmanager
def mounted(folder: Path, *how: str) -> Iterator[Path]:
    """A mount; skips where nobody may."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(["mount", *how, str(folder)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no mounts here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def bad_end(scene: Scene, *needed: str) -> None:
    """It ended with one error of ours, two lines of it, and not with a traceback of something else."""
    said = [line for line in scene.errors.strip().splitlines() if "WARN" not in line]
    assert len(said) == 2 and said[0].startswith(("StoreError: ", "IndexDamagedError: ")), scene.errors[-3000:]
    assert any(word in said[0] for word in needed), said


def test_a_disk_that_fills_up_anywhere(tmp_path):
    """A small file system with some room left: full in a commit, in previews, in a compaction, in an index."""
    hits = HITS.setdefault("disk full", {})
    chance = random.Random(ROUNDS)
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as small:
        scene = Scene(tmp_path / "scene", notes=10)
        scene.index = small / "index"
        assert scene.run() == 0, scene.errors
        for turn in range(3 * MANY):
            before = Ledger.of(scene.index)
            for number in range(8):
                (scene.source / f"more {turn} {number}.txt").write_text(words(1000 * turn + number, 3))
            picture = Image.frombytes("RGB", (300, 300), chance.randbytes(270_000))
            picture.save(scene.source / f"noise {turn}.png")
            room = chance.choice([0, 8, 20, 40, 80, 120]) << 10
            info = os.statvfs(small)
            (small / "ballast").write_bytes(bytes(max(0, info.f_bavail * info.f_frsize - room)))
            scene.marks.unlink(missing_ok=True)
            code = scene.run(["ingest"])
            ledger = Ledger(files=dict(before.files), digests=set(before.digests), created=True).hear(
                scene.marks.read_bytes().splitlines()
            )
            where = "none" if code == 0 else (last_stage(scene) or "lock")
            hits[where] = hits.get(where, 0) + 1
            if code:
                bad_end(scene, "space", "full")
            check(scene.index, ledger, hashing())  # a full disk is no reason not to read
            (small / "ballast").unlink()
            go_on(scene.index, [scene.source], ledger, hashing())
            for path in [*scene.source.glob("more *"), *scene.source.glob("noise *")]:
                path.unlink()
            assert scene.run() == 0, scene.errors
    assert sum(n for name, n in hits.items() if name != "none") >= MANY


def last_stage(scene: Scene) -> str:
    """The stage that ended last before the error: it is the one that failed, or is within it."""
    stages = [line for line in scene.marks.read_bytes().splitlines() if b'"now": "end"' in line]
    names = [line.split(b'"stage": "')[1].split(b'"')[0].decode() for line in stages]
    return next((name for name in reversed(names) if name not in ("read", "encode")), "")


def test_no_file_may_grow(tmp_path):
    """RLIMIT_FSIZE instead of a full disk: the error is another one, the promise is the same."""
    scene = Scene(tmp_path / "scene", notes=10)
    assert scene.run() == 0, scene.errors
    before = Ledger.of(scene.index)
    for number in range(5):
        (scene.source / f"more {number}.txt").write_text(words(500 + number, 5))

    assert scene.run(file_bytes=3000, marks="/dev/null") == 1
    bad_end(scene, "too large")
    check(scene.index, Ledger(files=before.files, maybe=anything(scene)), hashing())
    go_on(scene.index, [scene.source], before, hashing())


def test_a_preview_that_cannot_be_written(tmp_path):
    scene = Scene(tmp_path / "scene", notes=3)
    assert scene.run() == 0, scene.errors
    there = Ledger.of(scene.index)
    noise = random.Random(0).randbytes(270_000)
    Image.frombytes("RGB", (300, 300), noise).save(scene.source / "noise.png")
    assert scene.run(file_bytes=3000, marks="/dev/null") == 1
    bad_end(scene, "a preview could not be written (File too large)")
    assert not [path for path in (scene.index / "previews").rglob("*") if path.is_file()]
    go_on(scene.index, [scene.source], there, hashing())


def anything(scene: Scene) -> dict:
    rows = LanceIndex.open(scene.index).files()
    return {path: {(r.content, r.reading, r.status, r.items)} for path, r in rows.items()}


def test_a_read_only_index_is_searched_and_not_written(tmp_path):
    scene = Scene(tmp_path / "scene", notes=10)
    assert scene.run() == 0, scene.errors
    there = Ledger.of(scene.index)
    (scene.source / "new.txt").write_text(words(77))
    shown = tmp_path / "shown"
    with mounted(shown, "--bind", str(scene.index)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(shown)], check=True)
        check(shown, there, hashing())
        before, scene.index = scene.index, shown
        assert scene.run() != 0
        bad_end(scene, "Read-only file system")
        scene.index = before
    go_on(scene.index, [scene.source], there, hashing())


def test_a_folder_one_may_not_write_to(tmp_path):
    """As another user: the tests may run as root, whom no mode holds back."""
    if os.getuid():
        pytest.skip("only root can become somebody else")
    scene = Scene(tmp_path / "scene", notes=6)
    assert scene.run() == 0, scene.errors
    scene.marks.chmod(0o666)
    there = Ledger.of(scene.index)
    (scene.source / "new.txt").write_text(words(77))
    with open_to_all(scene.index):
        assert scene.run(user=65534) == 1
    bad_end(scene, "Permission denied")
    check(scene.index, there, hashing())
    go_on(scene.index, [scene.source], there, hashing())


@contextmanager
def open_to_all(folder: Path) -> Iterator[None]:
    """Anybody may come here and read."""
    before = {path: path.stat().st_mode for path in folder.parents if not path.stat().st_mode & 0o001}
    for path, mode in before.items():
        path.chmod(mode | 0o011)
    try:
        yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


def test_a_clock_set_back(tmp_path):
    """Files of tomorrow, and files that were changed and became older, as long as before."""
    scene = Scene(tmp_path / "scene", notes=8)
    tomorrow = time.time() + 86_400
    for path in scene.source.iterdir():
        os.utime(path, (tomorrow, tomorrow))
    assert scene.run() == 0, scene.errors
    ledger = scene.ledger()
    changed = sorted(scene.source.iterdir())[:3]
    for path in changed:
        path.write_text(path.read_text().replace("note", "gnat", 1))
        os.utime(path, (1_000_000_000, 1_000_000_000))
    ledger.digests.clear()
    index, encoder = LanceIndex.open(scene.index), hashing()
    counts = ingest(index, encoder, [scene.source], options=Options(ocr=False, speech=False))
    assert counts.reused + counts.encoded == 8 and counts.encoded == len(changed)
    whole(scene.index, [scene.source], encoder)


def test_versions_from_the_future(tmp_path):
    """The clock was wrong when the index was written, and is right now: it is read, written and cleaned up."""
    fake = faked_clock(tmp_path)
    scene = Scene(tmp_path / "scene", notes=8)
    process = scene.start(environment={"LD_PRELOAD": str(fake), "AHEAD": "864000"})
    assert process.wait(120) == 0, scene.errors
    table = lance.dataset(str(scene.index / "files.lance"))
    assert table.versions()[-1]["timestamp"].timestamp() > time.time() + 800_000
    ledger = scene.ledger()
    check(scene.index, ledger, hashing())
    (scene.source / "new.txt").write_text(words(77))
    assert scene.run() == 0, scene.errors
    go_on(scene.index, [scene.source], scene.ledger(), hashing())


def faked_clock(folder: Path) -> Path:
    """A library that puts a program's calendar ahead by AHEAD seconds."""
    code = (
        "#define _GNU_SOURCE\n#include <time.h>\n#include <stdlib.h>\n#include <sys/time.h>\n#include <sys/syscall.h>\n"
        '#include <unistd.h>\nstatic long ahead(void){const char*a=getenv("AHEAD");return a?atol(a):0;}\n'
        "int clock_gettime(clockid_t c,struct timespec*t){int r=syscall(SYS_clock_gettime,c,t);"
        "if(!r&&(c==CLOCK_REALTIME||c==CLOCK_REALTIME_COARSE))t->tv_sec+=ahead();return r;}\n"
        "int gettimeofday(struct timeval*restrict t,void*restrict z){struct timespec s;(void)z;"
        "clock_gettime(CLOCK_REALTIME,&s);t->tv_sec=s.tv_sec;t->tv_usec=s.tv_nsec/1000;return 0;}\n"
        "time_t time(time_t*t){struct timespec s;clock_gettime(CLOCK_REALTIME,&s);if(t)*t=s.tv_sec;return s.tv_sec;}\n"
    )
    (folder / "clock.c").write_text(code)
    made = folder / "clock.so"
    try:
        subprocess.run(["gcc", "-O1", "-fPIC", "-shared", folder / "clock.c", "-o", made], check=True)
    except FileNotFoundError:
        pytest.skip("gcc is not here: no clock can be faked")
    return made


def test_the_source_vanishes_in_the_middle(tmp_path):
    """The folder is gone while it is read: nothing known is forgotten, and when it is back all is read."""
    scene = Scene(tmp_path / "scene", notes=10)
    assert scene.run() == 0, scene.errors
    known = set(scene.ledger().files)
    for number in range(12):
        (scene.source / f"new {number}.txt").write_text(words(300 + number))
    process = scene.start(slow={"encode": 0.1})
    assert scene.wait_for(process, "encode", 4)
    away = scene.source.rename(tmp_path / "away")
    process.wait(120)
    ledger = scene.ledger()
    assert known <= set(LanceIndex.open(scene.index).files())
    check(scene.index, ledger, hashing())
    assert scene.run() != 0 and "no such file or folder" in scene.errors  # a root that is gone is an error, not a wish
    away.rename(scene.source)
    ledger.digests.clear()
    go_on(scene.index, [scene.source], ledger, hashing())


def test_files_change_while_they_are_read(tmp_path):
    """Each ends as what it is in the end, and never as a mixture."""
    scene = Scene(tmp_path / "scene", notes=16)
    process = scene.start(slow={"encode": 0.05})
    turn = 0
    while process.poll() is None:
        turn += 1
        for path in sorted(scene.source.glob("*.txt"))[::3]:
            path.write_text(words(7000 + turn, 1 + turn % 4))
        time.sleep(0.01)
    assert process.returncode == 0, scene.errors
    check(scene.index, scene.ledger(), hashing())
    go_on(scene.index, [scene.source], Ledger(created=True, files=scene.ledger().files), hashing())
