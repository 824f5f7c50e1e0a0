"""From MiniLM, which knows no Chinese, to a multilingual model: Chinese questions work while the index is moving."""

import re
from pathlib import Path

import pytest

from samespace import Text
from samespace.encode.load import load
from samespace.errors import WeightsNotFoundError
from samespace.index.lance import LanceIndex
from samespace.index.migrate import begin
from samespace.index.migrate_switch import rollback, standing, switch
from samespace.index.migrate_view import Moving
from samespace.index.protocol import FileRow, ItemRow
from samespace.index.search import Searcher
from samespace.items import Locator

pytestmark = pytest.mark.slow
NOTES = Path(__file__).parents[2] / "examples/library/notes"
ASKED = {"面团为什么会发起来": "sourdough.txt", "咖啡应该怎么煮": "coffee.md"}


def encoder(name: str):
    try:
        return load(name, accelerate=False)
    except WeightsNotFoundError as err:
        pytest.skip(str(err).splitlines()[0])


def passages() -> list[tuple[str, Text]]:
    """Sentences of the English notes, with the name of the note."""
    made = []
    for path in sorted(NOTES.iterdir()):
        if path.name.isascii() and path.stem != "fahrrad":
            for i, part in enumerate(re.split(r"(?<=[.!?])\s+|\n\n+", path.read_text())):
                if len(part.split()) > 3:
                    made.append((path.name, Text(part.strip(), Locator(chars=(i, i + 1)))))
    return made


def test_chinese_questions_while_it_moves(tmp_path: Path) -> None:
    old, new = encoder("all-MiniLM-L6-v2"), encoder("multilingual-e5-small")
    rows = passages()
    index = LanceIndex.create(tmp_path / "i", old.space, "all-MiniLM-L6-v2")
    names = sorted({name for name, _ in rows})
    files = [FileRow(f"/n/{n}", "/n", 9, 1.0, f"c-{n}", f"r-{n}", "indexed", "text") for n in names]
    items = [
        ItemRow(f"i-{i}", f"r-{n}", t.digest(), "text", "text", "body", t.locator, t.text, position=i)
        for i, (n, t) in enumerate(rows)
    ]
    with index.writer() as writer:
        writer.commit(files, items, [t.digest() for _, t in rows], old.encode([t for _, t in rows]))

    begin(index.uri, new, "multilingual-e5-small", sample=max(20, len(rows) // 2))
    now = standing(index.uri)
    assert now.stage == "moving" and now.embedded < now.rows
    moving = Moving.open(index, new, depth=20)
    for question, name in ASKED.items():
        hit = next(iter(Searcher(moving, new).search(question)))
        assert hit.path == f"/n/{name}", question
    assert moving.moved() > now.embedded / now.rows
    switch(index.uri, keep=0.0)
    opened = LanceIndex.open(index.uri)
    assert next(iter(Searcher(opened, new).search("面团为什么会发起来"))).path == "/n/sourdough.txt"
    assert rollback(index.uri) == "back"
    assert LanceIndex.open(index.uri).space == old.space
