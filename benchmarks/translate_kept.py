"""Results that take long, kept where they are named: by what they are of, and mostly by the code that made them too."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import samespace.translate
from benchmarks.translate_data import OUT
from samespace.durably import write_durably

__all__ = ["FEW", "PAIRED", "SINGLE", "mark", "remembered", "stored"]

SINGLE = (
    "affine",
    "blocks",
    "frame",
    "kernel",
    "linear",
    "local",
    "measure",
    "pairs",
    "procrustes",
    "rotations",
    "stretch",
)
"""Modules of `translate` that the methods of a fit on pairs are made by."""
PAIRED = (*(name for name in SINGLE if name != "local"), "fit", "trial")
"""Those that the choice among them is made by."""
FEW = ("align", "assign", "axes", "consensus", "few", "frame", "ica", "near", "procrustes", "refine")
"""Modules that a fit on few pairs and many rows is made by."""


def remembered(name: str, modules: Sequence[str], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, plain data; from the second time on as it was kept, until the code changes.

    Args:
        name: of the result, fit for a file.
        modules: of `samespace.translate` whose text decides whether it is still true.
        make: takes long.
    """
    folder = Path(samespace.translate.__path__[0])
    code = mark(folder / f"{module}.py" for module in modules)
    return stored(OUT / "kept" / f"{name}-{code}.json", make)


def mark(files: Iterable[Path]) -> str:
    """Twelve letters that change with the files' text."""
    made = hashlib.blake2b(digest_size=6)
    for file in files:
        made.update(file.read_bytes())
    return made.hexdigest()


def stored(place: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, plain data; from the second time on as it stands in a JSON file."""
    if not place.is_file():
        made = make()
        place.parent.mkdir(parents=True, exist_ok=True)
        write_durably(place, json.dumps(made).encode())
        return made
    found: dict[str, Any] = json.loads(place.read_text())
    return found
