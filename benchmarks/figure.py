"""A Figure: one measured number, what it is held against, and whether it holds. And the machine it was measured on."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy",
    "torch",
    "transformers",
    "sentence-transformers",
    "onnxruntime",
    "openvino",
    "pylance",
    "lancedb",
    "rapidocr",
    "faster-whisper",
    "faiss-cpu",
    "hnswlib",
    "ray",
)
RESULTS = Path(__file__).resolve().parent / "RESULTS.md"


@dataclass(frozen=True)
class Figure:
    """One line of output.

    Attributes:
        figure: what was measured.
        value: the number.
        unit: of the number.
        peer: the same measured for the peer or the control, in the same run; None if there is none.
        bar: what is asked for, in words: ">= 0.95".
        holds: whether the bar holds; None where no bar is set.
        n: how many cases the number rests on.
        notes: anything a reader must know.
    """

    figure: str
    value: float
    unit: str
    peer: float | None = None
    bar: str | None = None
    holds: bool | None = None
    n: int = 0
    notes: str = ""

    def line(self) -> str:
        """As one JSON object."""
        data = asdict(self)
        data["value"] = round(self.value, 5)
        data["peer"] = None if self.peer is None else round(self.peer, 5)
        return json.dumps(data, ensure_ascii=False)


def machine() -> str:
    """Processor, cores and versions, in one line."""
    try:
        info = Path("/proc/cpuinfo").read_text()
        chip = next(line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        chip = platform.processor() or "unknown processor"
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{chip}, {os.cpu_count()} cores, Python {platform.python_version()}; " + ", ".join(found)


def write_results(name: str, figures: list[Figure], command: str, *, partly: bool = False) -> None:
    """Put the figures of one benchmark into RESULTS.md, in place of its old section; `partly`: of the same lines."""
    old = RESULTS.read_text() if RESULTS.exists() else "# Results\n\nWritten by `python -m benchmarks NAME --write`.\n"
    sections = old.split("\n## ")
    kept = [sections[0].rstrip()] + [s.rstrip() for s in sections[1:] if not s.startswith(name + "\n")]
    rows = [
        f"| {f.figure} | {_number(f.value)} {f.unit} | {_number(f.peer)} | {f.bar or ''} | {_word(f.holds)} | {f.n} | "
        f"{f.notes} |"
        for f in figures
    ]
    if partly:
        rows = _merged(_rows_of(name, sections), rows)
    section = (
        f"{name}\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}\n\n"
        "| figure | value | peer | bar | holds | n | notes |\n|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )
    RESULTS.write_text("\n\n## ".join([*kept, section]) + "\n")


def _rows_of(name: str, sections: list[str]) -> list[str]:
    old = next((s for s in sections[1:] if s.startswith(name + "\n")), "")
    return [line for line in old.splitlines() if line.startswith("| ")][1:]


def _merged(old: list[str], new: list[str]) -> list[str]:
    """New lines in the place of old ones of the same figure; those that are new to it at the end."""
    fresh = {row.split(" | ")[0]: row for row in new}
    return [fresh.pop(row.split(" | ")[0], row) for row in old] + list(fresh.values())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _word(holds: bool | None) -> str:
    return "" if holds is None else ("yes" if holds else "**no**")


def check(value: float, bar: str) -> bool:
    """Whether "<= 0.005" and the like hold for a value."""
    sign, bound = bar.split()
    tests: dict[str, Any] = {">=": value >= float(bound), "<=": value <= float(bound), "=": value == float(bound)}
    return bool(tests[sign])
