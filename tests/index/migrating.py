"""A program that moves an index and kills itself at a chosen moment: migrating.py INDEX POINT COUNT BEFORE|AFTER."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from turning import Turned

from samespace.index import migrate, migrate_rows, migrate_run, migrate_switch, tables
from samespace.index.search import Searcher

POINTS = {
    "record": (migrate, "save"),
    "make": (tables.Tables, "make"),
    "append": (tables.Tables, "append"),
    "upsert": (tables.Tables, "upsert"),
    "bridge": (migrate_switch.Bridge, "save"),
    "tidy": (migrate_rows.NewSide, "tidy"),
    "mark": (migrate_rows, "mark"),
    "relabel": (tables.Tables, "relabel"),
    "remove": (migrate_switch, "_remove"),
    "keep": (migrate_rows, "write_durably"),
    "forget": (migrate_run, "forget_kept"),
}
"""Where it can die: the owner of a function, and its name."""


def die(owner: Any, name: str, count: int, when: str) -> None:
    """Have the process killed before or after the count-th call."""
    plain, calls = getattr(owner, name), [0]

    def deadly(*args: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        made = plain(*args, **named)
        if calls[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    setattr(owner, name, deadly)


def run(uri: str) -> None:
    """All of it: begin, search, move, switch with a rest, embed the rest, finish."""
    from turning import text

    from samespace.index.lance import LanceIndex
    from samespace.index.migrate_view import Moving

    new = Turned()
    migrate.begin(uri, new, "turned:1", sample=30)
    Searcher(Moving.open(LanceIndex.open(uri), new, depth=8), new).search(text(3), hybrid=False)
    migrate.move(uri, new, limit=10)
    migrate_switch.switch(uri, keep=0.0)
    migrate.move(uri, new)
    migrate_switch.finish(uri)


if __name__ == "__main__":
    place, point, count, when = sys.argv[1:]
    die(*POINTS[point], int(count), when)
    run(place)
