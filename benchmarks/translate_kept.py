"""Results that take long, kept by what they are of and by the code that made them: changed code makes them anew."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import samespace.translate
from benchmarks.translate_data import OUT

__all__ = ["FEW", "PAIRED", "SINGLE", "remembered"]

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
    """What `make` gives, plain data; from the second time on as it was kept.

    Args:
        name: of the result, fit for a file.
        modules: of `samespace.translate` whose text decides whether it is still true.
        make: takes long.
    """
    folder = Path(samespace.translate.__path__[0])
    code = hashlib.blake2b(digest_size=6)
    for module in modules:
        code.update((folder / f"{module}.py").read_bytes())
    place = OUT / "kept" / f"{name}-{code.hexdigest()}.json"
    if place.is_file():
        found: dict[str, Any] = json.loads(place.read_text())
        return found
    made = make()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(made))
    return made
