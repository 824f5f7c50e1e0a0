"""Nothing crashes: folders of hostile files are indexed to their end, each file accounted for, within bounds."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.figure import Figure, check

_ROOT = Path(__file__).resolve().parent.parent
_SAMPLE = 120


def hostile_figures(place: Path, quick: bool) -> Iterator[Figure]:
    """The collection of strange files and the made bombs: what ended how, and at what cost."""
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        bombs = _bombs()
        bombs.lay(folder / "made/bombs")
        bombs.strange_names(folder / "made/names")
        bombs.unknown_kinds(folder / "made/kinds")
        yield from _figures("bombs", folder / "made")
        strange = place / "mixed_files/files"
        if strange.is_dir():
            if quick:
                strange = _sample(strange, folder / "some")
            yield from _figures("mixed_files", strange)


def _bombs() -> ModuleType:
    """The maker of bombs, which belongs to the tests."""
    spec = importlib.util.spec_from_file_location("bombs", _ROOT / "tests/read/bombs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sample(folder: Path, place: Path) -> Path:
    """Every so-manieth file of a folder, linked into another."""
    place.mkdir()
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for number, file in enumerate(files[:: max(1, len(files) // _SAMPLE)]):
        (place / f"{number}-{file.name}").write_bytes(file.read_bytes())
    return place


def _figures(name: str, folder: Path) -> Iterator[Figure]:
    """The figures of one run in a process of its own, so that nobody else's memory counts."""
    words = [sys.executable, "-m", "benchmarks.hostile_run", str(folder), "--cpu", "30", "--wall", "300"]
    done = subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    n, classes = told["seen"], told["classes"]
    accounted = told["encoded"] + told["named"] + told["reused"] + told["failed"]
    ends = ", ".join(f"{count} {end}" for end, count in sorted(classes.items()))
    yield Figure(f"{name}: files accounted for", accounted, "files", n, f"= {n}", accounted == n, n,
                 f"{told['ignored']} entries ignored; {ends}")  # fmt: skip
    crashed = classes.get("crashed", 0)
    yield _bound(f"{name}: readers that died", crashed, "files", "= 0", n)
    late = classes.get("timeout", 0)
    yield Figure(f"{name}: files out of time", late, "files", n=n, notes="at 30 CPU seconds or 300 seconds a file")
    yield _bound(f"{name}: peak memory of the caller", told["parent_mb"], "MB", "<= 1500", n,
                 f"{told['parent_before_mb']:.0f} before the run")  # fmt: skip
    yield _bound(f"{name}: peak memory of a reader", told["worker_mb"], "MB", f"<= {told['limit_mb']:.0f}", n)
    yield _bound(f"{name}: most CPU of one file", told["worst_cpu"], "CPU s", "<= 33", n, Path(told["worst_file"]).name)
    left = len(told["left"]) + len(told["running"])
    yield _bound(f"{name}: temporary files and readers left", left, "", "= 0", n)


def _bound(figure: str, value: float, unit: str, bar: str, n: int, notes: str = "") -> Figure:
    return Figure(figure, value, unit, bar=bar, holds=check(value, bar), n=n, notes=notes)
