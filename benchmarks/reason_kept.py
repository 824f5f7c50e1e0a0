"""What one seed came to, kept under benchmarks/out/reason: a run that is stopped goes on behind its last whole seed.

What is kept is not measured again, whatever has changed in the code since: remove the file, or the folder, for that.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["OUT", "kept"]

OUT = Path(__file__).resolve().parent / "out" / "reason"


def kept(part: str, seed: int, run: Callable[[], dict[str, Any]], *, quick: bool) -> dict[str, Any]:
    """Plain data of one seed of a part, with its "CPU s": what `run` gives, or gave before."""
    place = OUT / f"{part}-{'short' if quick else 'full'}-{seed}.json"
    if not place.exists():
        began = time.process_time()
        made = run()
        OUT.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(made | {"CPU s": time.process_time() - began}, indent=1))
    found: dict[str, Any] = json.loads(place.read_text())
    return found
