"""Full text: ranking, names of files, Chinese, and Lance's inverted list against ours."""

import math
from dataclasses import replace

import made_rows as rows
import numpy as np
import pyarrow as pa
import pytest

from samespace import Space
from samespace.index.body import Body
from samespace.index.durable import Durable
from samespace.index.flat import FlatIndex
from samespace.index.lance import LanceIndex
from samespace.index.lexicon import Postings
from samespace.index.term import normalize
from samespace.index.upkeep import Upkeep


def test_bm25_by_hand():
    found = Postings.of(pa.array(["a b", "a a a c", "", "d"])).score(["a", "c", "zz"])
    mean = (2 + 4 + 0 + 1) / 4

    def weight(f, length, df):
        return math.log(1 + (4 - df + 0.5) / (df + 0.5)) * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / mean))

    assert found == pytest.approx([weight(1, 2, 2), weight(3, 4, 2) + weight(1, 4, 1), 0, 0], rel=1e-5)


@pytest.fixture
def index(red: Space) -> FlatIndex:
    made = FlatIndex(red)
    texts = {
        "IMG_0042-harbour": "boats at rest",
        "menu": "这家餐厅很好吃 harbour",
        "plain": "the boats and the sea",
        "two": "harbour harbour boats",
    }
    with made.writer() as writer:
        for name, text in texts.items():
            file = rows.file(name, title="Tide tables" if name == "plain" else "")
            items = [replace(row, digest="") for row in rows.items(name, 1, text)]
            writer.commit([file], items, [], red.empty())
    return made


def paths(index: FlatIndex, query: str, **how) -> list[str]:
    view = index.snapshot()
    found = view.words(query, how.pop("k", 10), **how)
    return [p.split("/")[-1].removesuffix(".txt") for p in view.items["path"].take(found.rows).to_pylist()]


def test_words_are_found_in_text_in_names_and_in_titles(index):
    assert set(paths(index, "HARBOUR")) == {"IMG_0042-harbour", "menu", "two"}
    assert paths(index, "餐厅") == ["menu"]
    assert paths(index, "tide") == ["plain"]
    assert paths(index, "0042") == ["IMG_0042-harbour"]
    assert set(paths(index, "harbour boats", k=2)) == {"IMG_0042-harbour", "two"}  # the others have one of the words
    assert paths(index, "nothing such") == []
    assert paths(index, "?!") == []
    assert paths(index, "the") == ["plain"]  # a word however common is found if it is all there is


def test_a_filter_holds_for_words(index):
    view = index.snapshot()
    allowed = np.array(["menu" in path for path in view.items["path"].to_pylist()])
    assert paths(index, "harbour boats", allowed=allowed) == ["menu"]
    assert paths(index, "tide", allowed=allowed) == []


def test_a_file_name_does_not_flood_the_answer(red):
    """Only rows that match by themselves, and the first of the file."""
    made = FlatIndex(red)
    with made.writer() as writer:
        rows.commit(writer, red, 1, 8)
        writer.commit([rows.file("harbour", 1)], [], [], red.empty())
    view = made.snapshot()
    found = view.words("harbour lantern", 20).rows
    positions = [
        view.items["position"][int(r)].as_py() for r in found if "harbour" in view.items["path"][int(r)].as_py()
    ]
    assert sorted(positions) == [0, 1, 3]  # the first, "harbour" in its text, "lantern" in its text


def test_lance_finds_and_scores_words_like_we_do(tmp_path, red):
    """Also rows written after its list was built, and none that was removed."""
    index = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(index, 60, 5)
    tables = index._tables
    upkeep = Upkeep(tables, Durable(tmp_path / "i"))
    upkeep.word_rows = 10
    upkeep.run()
    index.word_rows = 10
    view = index.snapshot()
    assert isinstance(view.lexicon.body, Body)
    assert "terms" not in view.items.schema.names  # not carried twice
    ours = Postings.of(pa.array([" ".join(normalize(text)) for text in view.items["text"].to_pylist()]))
    for query in (["lantern"], ["river", "number4"], ["餐厅"], ["zzz"], ["copper", "glass", "silent"]):
        assert np.allclose(view.lexicon.body.score(query), ours.score(query), rtol=1e-4), query
    with index.writer() as writer:
        rows.commit(writer, red, 1000, 2, "新的餐厅 zebra")
        writer.remove(["/files/3.txt"])
    view = index.snapshot()
    assert isinstance(view.lexicon.body, Body)
    assert [view.items["id"][int(r)].as_py() for r in view.words("zebra", 5).rows] == ["1000-0", "1000-1"]
    assert len(view.words("新的", 50).rows) == 2
    hit = view.items["path"].take(view.words("lantern", 500).rows).to_pylist()
    assert len(hit) == 59 and "/files/3.txt" not in hit
