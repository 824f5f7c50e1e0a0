"""Killed at any moment of a move: the index is searchable, in one Space or the other, and the move goes on."""

import signal
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pytest
from migrating import POINTS
from turning import Turned, made, text

from samespace import Text
from samespace.encode.hashing import load
from samespace.index.lance import LanceIndex
from samespace.index.migrate import begin, move
from samespace.index.migrate_marks import marked
from samespace.index.migrate_record import load as record_of
from samespace.index.migrate_switch import finish, rollback, standing, switch
from samespace.index.migrate_view import Moving
from samespace.index.search import Searcher

ROWS = 60
MOMENTS = [
    *((point, 1, when) for point in POINTS for when in ("before", "after")),
    ("record", 2, "before"), ("record", 2, "after"), ("append", 2, "after"), ("append", 3, "before"),
    ("mark", 2, "before"), ("mark", 2, "after"), ("relabel", 2, "before"), ("remove", 2, "before"),
]  # fmt: skip


def killed(place: Path, point: str, count: int, when: str) -> None:
    """Run it until it has killed itself."""
    program = Path(__file__).with_name("migrating.py")
    command = [sys.executable, str(program), str(place), point, str(count), when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == -signal.SIGKILL, done.stderr


def searchable(place: Path) -> None:
    """Every row is there, once, and is found by its own words, in whichever Space the index says that it is."""
    opened = LanceIndex.open(place)
    encoder = Turned() if opened.model == "turned:1" else load("32")
    assert len(opened) == ROWS
    view = opened.snapshot()
    table = lance.dataset(str(place / f"{opened.card.vector_table}.lance"))
    digests = table.to_table(columns=["digest"])["digest"].to_pylist()
    assert len(digests) == len(set(digests))
    words = view.rows["text"].to_pylist()
    true = encoder.encode([Text(w) for w in words]).data
    marks = set(marked(opened.uri, opened.card.vector_table).to_pylist())
    embedded = [i for i, digest in enumerate(view.rows["digest"].to_pylist()) if digest not in marks]
    rows = view.vectors(view.vector_row).data
    np.testing.assert_allclose(rows[embedded], true[embedded], atol=1e-6, err_msg="a translated row without its mark")
    record = record_of(str(place))
    if record is not None and record.fitted and opened.model != "turned:1":
        (hit, *_) = Searcher(Moving.open(opened, Turned(), depth=5), Turned()).search(text(3), hybrid=False)
        assert hit.path == "/notes/3.txt"


@pytest.mark.slow
@pytest.mark.parametrize(("point", "count", "when"), MOMENTS)
def test_killed_at_a_moment(point: str, count: int, when: str, tmp_path: Path) -> None:
    place = tmp_path / "i"
    made(place, ROWS)
    killed(place, point, count, when)
    searchable(place)
    new = Turned()
    before = standing(str(place))
    if LanceIndex.open(place).model != "turned:1":
        begin(str(place), new, "turned:1", sample=30)
        move(str(place), new)
        switch(str(place))
    elif before is not None:
        move(str(place), new)
    asked = [one for one in new.asked if " x" in one]
    assert len(asked) == len(set(asked)) <= ROWS - (before.embedded if before else 0), "embedded twice"
    searchable(place)
    if standing(str(place)) is not None:
        finish(str(place))
    searchable(place)
    assert not (place / "migration").exists()


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_killed_on_the_way_back(count: int, tmp_path: Path) -> None:
    place = tmp_path / "i"
    made(place, ROWS)
    new = Turned()
    begin(str(place), new, "turned:1", sample=30)
    move(str(place), new)
    switch(str(place))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import migrating\nfrom samespace.index.migrate_switch import rollback\n"
        f"migrating.die(*migrating.POINTS['relabel'], {count}, 'after')\nrollback(sys.argv[2])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent), str(place)], timeout=200)
    assert done.returncode == -signal.SIGKILL
    searchable(place)
    assert LanceIndex.open(place).model == "hashing:32"
    switch(str(place))
    assert rollback(str(place)) == "back"
    searchable(place)
