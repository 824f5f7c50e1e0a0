"""Starting the driver, and ending it badly."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash_checks import Ledger, folder_of, lines_of

ROUNDS = int(os.environ.get("SAMESPACE_CRASH_ROUNDS", "0"))
"""0 = the short form."""
HITS: dict[str, Counter[str]] = {}
"""What was under way when it was hit, by the sort of crash; shown at the end."""

_DRIVER = Path(__file__).parent / "crash_driver.py"
_PATIENCE = 120.0


@dataclass
class Scene:
    """One index, its folder of notes, and what processes said about them."""

    place: Path
    notes: int = 12
    how: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.temporary = self.place / "tmp"
        self.temporary.mkdir(parents=True)
        self.source = folder_of(self.place / "notes", self.notes)
        self.index, self.marks = self.place / "index", self.place / "marks"

    def start(self, *steps: list[Any], environment: Any = None, **how: Any) -> subprocess.Popen[bytes]:
        """Run the driver; what it says on stderr is in `errors`."""
        given = {
            "index": str(self.index), "marks": str(self.marks), "roots": [str(self.source)],
            "steps": list(steps) or [["ingest"]], **self.how, **how,
        }  # fmt: skip
        with (self.place / "errors").open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, _DRIVER, json.dumps(given)], stderr=errors, stdout=subprocess.DEVNULL,
                env={**os.environ, "TMPDIR": str(self.temporary), "RUST_LOG": "error", **(environment or {})},
            )  # fmt: skip

    def run(self, *steps: list[Any], **how: Any) -> int:
        process = self.start(*steps, **how)
        return process.wait(_PATIENCE)

    @property
    def errors(self) -> str:
        return (self.place / "errors").read_text("utf-8", "replace")

    def ledger(self) -> Ledger:
        return Ledger().hear(lines_of(self.marks))

    def wait_for(self, process: "subprocess.Popen[bytes]", stage: str, times: int = 1) -> bool:
        """Return when a stage has begun so often; False if the process ended before."""
        wanted = json.dumps({"stage": stage, "now": "begin"})[:-1].encode()
        while process.poll() is None:
            if self.marks.exists() and self.marks.read_bytes().count(wanted) >= times:
                return True
            time.sleep(0.001)
        return False

    def kill_in(self, stage: str, chance: random.Random, *steps: list[Any], longest: float, **how: Any) -> list[str]:
        """Kill -9 at some time after a stage began; what was under way when it died."""
        self.marks.unlink(missing_ok=True)
        process = self.start(*steps, **how)
        self.wait_for(process, stage)
        time.sleep(chance.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        process.wait(_PATIENCE)
        return self.ledger().hits

    def lasted(self) -> dict[str, float]:
        """Seconds that the longest of each stage took, in the last run."""
        begun: dict[str, float] = {}
        lasted: dict[str, float] = {}
        for said in map(json.loads, lines_of(self.marks)):
            if said.get("now") == "begin":
                begun[said["stage"]] = said["at"]
            elif said.get("now") == "end":
                lasted[said["stage"]] = max(lasted.get(said["stage"], 0.0), said["at"] - begun[said["stage"]])
        return lasted
