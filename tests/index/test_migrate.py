"""Moving an index to another Space: the sample, both sides in one search, the gate, and back."""

import json
import shutil
import threading

import numpy as np
import pyarrow as pa
import pytest
import turning
from turning import Turned, commit, made, text

from samespace import Space, Text, errors
from samespace.encode.hashing import load
from samespace.index.lance import LanceIndex
from samespace.index.migrate import begin, move
from samespace.index.migrate_marks import marked
from samespace.index.migrate_order import hits, note, trust
from samespace.index.migrate_plan import plan
from samespace.index.migrate_record import load as record_of
from samespace.index.migrate_rows import kept_names
from samespace.index.migrate_switch import finish, rollback, standing, switch
from samespace.index.migrate_view import Moving
from samespace.index.query import Query
from samespace.index.search import Searcher

ROWS, SAMPLE = 120, 60


@pytest.fixture
def new() -> Turned:
    return Turned()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """An index of 120 passages, half of them embedded by the new model as the sample."""
    place = tmp_path_factory.mktemp("begun") / "i"
    index, old = made(place, ROWS)
    begin(index.uri, Turned(), "turned:1", sample=SAMPLE)
    for one, encoder in ((index, old), (Moving.open(index, Turned(), depth=0), Turned())):
        Searcher(one, encoder).prepare()  # so that the background is encoded once
    return place


@pytest.fixture
def moving(tmp_path, begun):
    """A copy of it, and the encoder of its old Space."""
    shutil.copytree(begun, tmp_path / "i")
    return LanceIndex.open(tmp_path / "i"), load("32")


def places(hits) -> list[str]:
    return [hit.path for hit in hits]


def texts(new: Turned) -> list[str]:
    """What was embedded of the index; not the background of calibration."""
    return [asked for asked in new.asked if " x" in asked]


def test_from_the_sample_on_both_models_answer(moving, new) -> None:
    index, old = moving
    before = Searcher(index, old).search(text(7))
    collection = Moving.open(index, new, depth=0)
    assert collection.moved() == 0.5
    assert len(collection.snapshot()) == ROWS and collection.snapshot().space == new.space
    for number in range(0, ROWS, 7):
        assert places(Searcher(collection, new).search(text(number), hybrid=False))[0] == f"/notes/{number}.txt"
    after = Searcher(index, old).search(text(7))
    assert [(h.path, h.score) for h in before] == [(h.path, h.score) for h in after]
    assert "moving to turned:1: 50%" in Searcher(collection, new).search(text(7)).notes[-1]
    assert texts(new) == []


def test_the_best_of_a_ranking_are_embedded_and_kept(moving, new) -> None:
    index, _ = moving
    collection = Moving.open(index, new, depth=20)
    Searcher(collection, new).search(text(3), hybrid=False)
    first = texts(new)
    assert 10 <= len(first) == collection.embedded <= 30, "of 20, the half that is translated, and what else is near"
    assert len(kept_names(index.uri)) == 1
    Searcher(Moving.open(index, new, depth=20), new).search(text(3), hybrid=False)
    again = texts(new)
    assert again[: len(first)] == first and len(set(again)) == len(again), "a second search embeds nothing again"
    assert len(again) <= len(first) + 12, "and others that rank high now"
    move(index.uri, new)
    assert sorted(texts(new)) == sorted(set(texts(new))) and len(texts(new)) == ROWS - SAMPLE
    assert not kept_names(index.uri)


def test_a_filter_and_a_logical_query_go_through_the_stage(moving, new) -> None:
    index, _ = moving
    searcher = Searcher(Moving.open(index, new, depth=5), new)
    found = searcher.search(Query.text(text(5)) & ~Query.text(text(9)), where='path != "/notes/5.txt"')
    assert places(found) and "/notes/5.txt" not in places(found)
    assert 0 < len(texts(new)) <= 2 * (5 + 3)
    assert text(5) not in texts(new), "what the filter leaves out is not embedded"


def test_rows_that_are_translated_badly_are_candidates_too(tmp_path) -> None:
    index, _ = made(tmp_path / "i", ROWS)
    new = Turned(noise=2.0)
    begin(index.uri, new, "turned:1", sample=20)
    collection = Moving.open(index, new, depth=12)
    left = np.flatnonzero(~collection.snapshot().finder.native)
    assert len(left) == ROWS - 20
    query = new.encode([Text(text(3))], role="query")
    found = collection.candidates(collection.snapshot(), query, None)
    scores = collection.snapshot().vectors(left).data @ query.data[0]
    assert sorted(found) == sorted(left[np.argsort(-scores)[:10]].tolist()), "ten twelfths of the rows are translated"
    Searcher(collection, new).search(text(3), hybrid=False)
    assert collection.embedded >= 10
    move(index.uri, new)
    assert Moving.open(index, new).candidates(Moving.open(index, new).snapshot(), query, None) == []


def test_settled_rows_have_their_true_vectors(moving, new) -> None:
    index, _ = moving
    collection = Moving.open(index, new)
    view = collection.snapshot()
    translated = np.flatnonzero(~view.finder.native)[:5]
    settled = collection.settle(view, translated.tolist())
    words = settled.rows.take(np.array([settled.items_of(int(r))[0] for r in translated]), ["text"])["text"].to_pylist()
    true = new.encode([Text(w) for w in words]).data
    np.testing.assert_allclose(settled.vectors(translated).data, true, atol=1e-6)
    assert np.abs(view.vectors(translated).data - true).max() > 1e-3, "the view itself stays as it was"
    assert settled.finder.native[translated].all() and not view.finder.native[translated].any()


def test_exact_translations_rank_as_embedded_rows_do_however_few_are_left(moving, new) -> None:
    index, _ = moving
    move(index.uri, new, limit=52)
    halfway = Moving.open(index, new, depth=0)
    assert 0 < (~halfway.snapshot().finder.native).sum() == 8
    asked = [Searcher(halfway, new).search(text(number), hybrid=False) for number in range(0, 40, 5)]
    move(index.uri, new)
    whole = Searcher(Moving.open(index, new), new)
    for number, ours in zip(range(0, 40, 5), asked, strict=True):
        theirs = whole.search(text(number), hybrid=False)
        assert places(ours)[0] == places(theirs)[0] and len({*places(ours)} & {*places(theirs)}) >= 8
        known = {hit.path: hit.score for hit in theirs}
        assert max(abs(hit.score - known.get(hit.path, hit.score)) for hit in ours) < 0.5


def test_all_embedded_ranks_as_an_index_of_the_new_model(moving, new, tmp_path) -> None:
    index, _ = moving
    move(index.uri, new)
    whole = LanceIndex.create(tmp_path / "whole", new.space, "turned:1")
    commit(whole, new, range(ROWS))
    collection = Moving.open(index, new)
    assert collection.moved() == 1.0
    for number in (3, 50, 111):
        ours, theirs = (Searcher(one, new).search(text(number)) for one in (collection, whole))
        assert [(h.path, h.score, h.percentile) for h in ours] == [(h.path, h.score, h.percentile) for h in theirs]


def test_every_row_is_embedded_once_however_often_it_is_stopped(moving, new) -> None:
    index, _ = moving
    seen = []
    now = move(index.uri, new, limit=10)
    assert now.embedded == SAMPLE + 10
    stop = threading.Event()
    move(index.uri, Turned(at_call=lambda items: stop.set()), stop=stop)
    halfway = standing(index.uri).embedded
    assert SAMPLE + 10 < halfway < ROWS
    now = move(index.uri, new, look=lambda progress: seen.append(progress.embedded))
    assert now.embedded == now.rows == ROWS and now.kept == 1.0 and now.failed == 0
    assert len(texts(new)) == 10 + ROWS - halfway and seen == sorted(seen) and seen[-1] == ROWS
    assert move(index.uri, new).rate == 0, "nothing is left"


def test_what_is_searched_goes_first_then_what_is_trusted_least(moving, new) -> None:
    index, _ = moving
    view, there = index.snapshot(), set(record_of(index.uri).sample)
    wanted = [n for n in range(ROWS) if Text(text(n)).digest() not in there][-2:]
    note(index.uri, [f"item-{n}" for n in wanted])
    note(index.uri, [f"item-{wanted[1]}", "an item that is gone"])
    assert hits(index.uri, view).sum() == 3
    move(index.uri, new, limit=4)
    assert texts(new)[:2] == [text(wanted[1]), text(wanted[0])]
    rows = np.array([view.digests.to_pylist().index(Text(t).digest()) for t in texts(new)[2:]])
    sample = pa.array(sorted(there))
    pairs = view.vectors(np.flatnonzero(pa.compute.is_in(view.digests, value_set=sample)))
    others = [i for i, d in enumerate(view.digests.to_pylist()) if d not in there and i not in rows]
    level = trust(view, pairs)
    assert sorted(level[rows]) == level[rows].tolist()
    others = [i for i in others if Text(text(wanted[0])).digest() != view.digests[i].as_py()]
    assert level[rows].max() <= level[others].min()
    at = pa.compute.index_in(sample, value_set=view.digests).to_numpy()
    np.testing.assert_allclose(level[at], 1, atol=1e-5)
    assert level[rows].max() < 0.99


def test_hits_are_noted_only_while_an_index_moves(tmp_path, new) -> None:
    index, _ = made(tmp_path / "i", 30)
    note(index.uri, ["item-1"])
    assert not list((tmp_path / "i").glob("*/searched"))
    begin(index.uri, new, "turned:1", sample=20)
    note(index.uri, [f"item-{n}" for n in range(50)])
    assert (tmp_path / "i/migration/searched").read_text().splitlines() == [f"item-{n}" for n in range(10)]


def test_what_is_indexed_and_forgotten_meanwhile_is_followed(moving, new) -> None:
    index, old = moving
    collection = Moving.open(index, new, depth=0)
    commit(index, old, range(ROWS, ROWS + 10))
    assert len(collection.snapshot()) == ROWS + 10
    assert places(Searcher(collection, new).search(text(ROWS + 4), hybrid=False))[0] == f"/notes/{ROWS + 4}.txt"
    there = set(record_of(index.uri).sample)
    gone = [n for n in range(ROWS) if Text(text(n)).digest() in there][:2]
    with index.writer() as writer:
        writer.remove([f"/notes/{n}.txt" for n in gone])
        writer.maintain()
    now = move(index.uri, new)
    assert now.embedded == now.rows == ROWS + 8
    switch(index.uri)
    assert len(LanceIndex.open(index.uri)) == ROWS + 8
    table = LanceIndex.open(index.uri)._tables.open_table("vec_010101010101")
    assert table.count_rows() == ROWS + 8, "vectors that no file leads to are collected"


def test_the_gate_refuses_and_changes_nothing(tmp_path) -> None:
    index, old = made(tmp_path / "i", ROWS)
    begin(index.uri, Turned(noise=1.0), "turned:1", sample=SAMPLE)
    kept = standing(index.uri).kept
    assert 0 < kept < 1
    with pytest.raises(errors.StoreError, match=rf"50.0% of 120 rows .* {kept:.3f} of the nearest .*\n.*--keep") as err:
        switch(index.uri, keep=1.0)
    offered = float(str(err.value).rsplit(" ", 1)[1])
    assert LanceIndex.open(index.uri).space == old.space and not len(marked(index.uri, "vec_010101010101"))
    assert switch(index.uri, keep=offered).stage == "switched"


def test_a_switch_half_way_translates_the_rest_and_marks_it(moving, new) -> None:
    index, _ = moving
    now = switch(index.uri, keep=0.0)
    assert (now.stage, now.embedded, now.translated) == ("switched", SAMPLE, ROWS - SAMPLE)
    opened = LanceIndex.open(index.uri)
    assert opened.space == new.space and opened.model == "turned:1" and len(opened) == ROWS
    assert places(Searcher(opened, new).search(text(8), hybrid=False))[0] == "/notes/8.txt"
    move(index.uri, new, limit=20)
    assert standing(index.uri).translated == ROWS - SAMPLE - 20
    move(index.uri, new)
    now = standing(index.uri)
    assert (now.embedded, now.translated, len(texts(new))) == (ROWS, 0, ROWS - SAMPLE)
    rows = opened.snapshot()
    words = rows.rows["text"].to_pylist()
    np.testing.assert_allclose(rows.vectors(rows.vector_row).data, new.encode([Text(w) for w in words]).data, atol=1e-6)


def test_switch_back_and_forth_and_finish(moving, new, tmp_path) -> None:
    index, old = moving
    move(index.uri, new)
    before = Searcher(index, old).search(text(9))
    switch(index.uri)
    with pytest.raises(errors.StoreError, match="already"):
        switch(index.uri)
    assert places(Searcher(index, old).search(text(9))) == places(before), "whoever had it open goes on"
    with pytest.raises(errors.IndexMovedError, match=r"from the model 'hashing:32' to 'turned:1'.*\n"), index.writer():
        pass
    opened = LanceIndex.open(index.uri)
    assert opened.status().moving == "turned:1"
    commit(opened, new, [ROWS])
    assert rollback(index.uri) == "back"
    again = LanceIndex.open(index.uri)
    assert again.space == old.space
    assert places(Searcher(again, old).search(text(9), hybrid=False))[0] == "/notes/9.txt"
    with again.writer() as writer:
        assert f"reading-{ROWS}" not in writer.readings(), "what came after the switch is read again"
        assert "reading-5" in writer.readings()
    commit(again, old, [ROWS])
    assert standing(index.uri).stage == "moving"
    switch(index.uri)
    finish(index.uri)
    last = LanceIndex.open(index.uri)
    assert last.space == new.space and last.status().moving == "" and standing(index.uri) is None
    assert len(last) == ROWS + 1
    assert not (tmp_path / "i/migration").exists() and len(list((tmp_path / "i").glob("vec_*"))) == 1
    with pytest.raises(errors.IndexMovedError):
        index.snapshot()


def test_giving_up_leaves_the_index_as_it_was(moving, new, tmp_path) -> None:
    index, old = moving
    with pytest.raises(errors.StoreError, match=r"nothing to finish\n.*--switch"):
        finish(index.uri)
    assert rollback(index.uri) == "given up"
    assert not (tmp_path / "i/migration").exists() and len(list((tmp_path / "i").glob("vec_*"))) == 1
    assert places(Searcher(LanceIndex.open(index.uri), old).search(text(9)))[0] == "/notes/9.txt"
    for decide in (rollback, finish, switch):
        with pytest.raises(errors.StoreError, match=r"not moving.*\n.*migrate"):
            decide(index.uri)
    begin(index.uri, new, "turned:1", sample=SAMPLE)
    assert standing(index.uri).embedded == SAMPLE


def test_an_index_half_way_says_so(moving, new) -> None:
    index, _ = moving
    with pytest.raises(errors.StoreError, match=r"half-way from the model 'hashing:32' to 'turned:1'.*\n.*Moving"):
        Searcher(index, new)
    other = Turned(seed=2)
    with pytest.raises(errors.StoreError, match=r"half-way to the model 'turned:1'.*\n.*--rollback"):
        begin(index.uri, other, "turned:2")
    with pytest.raises(errors.StoreError, match=r"not on its way to the space test/turned-2"):
        move(index.uri, other)
    with pytest.raises(errors.SpaceMismatchError):
        Moving.open(index, other)
    assert index.status().moving == "turned:1"


def test_an_index_that_cannot_be_moved(tmp_path, new) -> None:
    index, old = made(tmp_path / "i", 5)
    with pytest.raises(errors.StoreError, match="is in the space of 'hashing:32' already"):
        begin(index.uri, old, "hashing:32")
    with pytest.raises(errors.StoreError, match="not moving"):
        Moving.open(index, new)
    assert standing(index.uri) is None
    empty = LanceIndex.create(tmp_path / "e", old.space, "hashing:32")
    with pytest.raises(errors.StoreError, match=r"no vectors.*\n.*--model turned:1"):
        begin(empty.uri, new, "turned:1")
    one, _ = made(tmp_path / "one", 1)
    with pytest.raises(errors.StoreError, match=r"too few.*\n.*--model"):
        begin(one.uri, new, "turned:1")
    assert places(Searcher(LanceIndex.open(one.uri), old).search(text(0))) == ["/notes/0.txt"]
    with pytest.raises(errors.IndexNotFoundError):
        begin(str(tmp_path / "nowhere"), new, "turned:1")


def test_a_handful_of_rows_moves_too(tmp_path, new) -> None:
    index, _ = made(tmp_path / "i", 5)
    begin(index.uri, new, "turned:1")
    assert standing(index.uri).kept == 1.0, "the sample was all there is"
    assert switch(index.uri).embedded == 5


def test_a_record_that_cannot_be_read(moving, tmp_path) -> None:
    index, _ = moving
    path = tmp_path / "i/migration/record.json"
    data = json.loads(path.read_text())
    for broken in ("{", json.dumps(data | {"format": 9}), json.dumps({**data, "target": {}})):
        path.write_text(broken)
        with pytest.raises(errors.IndexDamagedError, match=r"record .*\nRemove the folder .*migration"):
            standing(index.uri)
    assert len(LanceIndex.open(index.uri)) == ROWS


def test_rows_the_new_model_refuses_are_translated(tmp_path) -> None:
    def refuse(items) -> None:
        if any(text(5) == item.text for item in items):
            raise RuntimeError("not this one")

    index, _ = made(tmp_path / "i", ROWS)
    new = Turned(at_call=refuse)
    begin(index.uri, new, "turned:1", sample=SAMPLE)
    now = move(index.uri, new)
    assert (now.embedded, now.failed) == (ROWS - 1, 1)
    now = switch(index.uri, keep=0.9)
    assert (now.embedded, now.translated) == (ROWS - 1, 1)
    assert places(Searcher(LanceIndex.open(index.uri), Turned()).search(text(5), hybrid=False))[0] == "/notes/5.txt"


def test_many_rows_are_searched_across_two_tables(moving, new) -> None:
    index, _ = moving
    held, across = Moving.open(index, new, depth=10), Moving.open(LanceIndex.open(index.uri), new, depth=10)
    across.index.ram_rows = 0
    assert type(across.snapshot().finder).__name__ == "Across"
    every = np.arange(ROWS)
    np.testing.assert_allclose(across.snapshot().vectors(every).data, held.snapshot().vectors(every).data, atol=1e-6)
    allowed = every % 3 > 0
    for number in (4, 77):
        query = new.encode([Text(text(number))], role="query")
        (mine,), (theirs,) = (m.snapshot().nearest(query, 5, allowed=allowed) for m in (across, held))
        assert mine.rows.tolist() == theirs.rows.tolist()
        np.testing.assert_allclose(mine.scores, theirs.scores, atol=1e-6)
        assert places(Searcher(across, new).search(text(number), hybrid=False))[0] == f"/notes/{number}.txt"
    assert across.embedded and across.moved() > 0.5


def test_a_plan_writes_nothing(tmp_path, new) -> None:
    index, _ = made(tmp_path / "i", ROWS)
    before = sorted(str(p) for p in (tmp_path / "i").rglob("*"))
    made_plan = plan(index, new, sample=80)
    assert sorted(str(p) for p in (tmp_path / "i").rglob("*")) == before
    assert made_plan.rows == ROWS and made_plan.bytes == ROWS * (32 * 4 + 70) and made_plan.foreign == {}
    assert made_plan.measured["pool"] == 16 and 0 < made_plan.measured["curve"][0][1] <= 1
    assert len(texts(new)) == 80


def test_an_interrupted_switch_is_open_to_everybody(moving, new, monkeypatch) -> None:
    from samespace.index.tables import Tables

    index, _ = moving
    move(index.uri, new)
    plain = Tables.relabel

    def half(self, name, card, medium):
        if name == "items":
            raise KeyboardInterrupt
        plain(self, name, card, medium)

    monkeypatch.setattr(Tables, "relabel", half)
    with pytest.raises(KeyboardInterrupt):
        switch(index.uri)
    monkeypatch.undo()
    opened = LanceIndex.open(index.uri)
    assert opened.space == new.space and standing(index.uri).stage == "switched"
    commit(opened, new, [ROWS])
    finish(index.uri)
    assert len(LanceIndex.open(index.uri)) == ROWS + 1


def test_the_record_tells_both_sides(moving) -> None:
    index, _ = moving
    record = record_of(index.uri)
    assert record.source == index.card and record.fitted and len(record.sample) == SAMPLE
    assert record.target.space == Space.from_json(record.target.space.to_json())
    assert record_of("s3://bucket/there") is None


@pytest.mark.slow
def test_pictures_are_read_again_from_their_files(tmp_path, new) -> None:
    pytest.importorskip("PIL")
    from PIL import Image as Picture

    from samespace.index.ingest import ingest

    class Seeing(Turned):
        """Takes pictures by their size."""

        def __init__(self, seed: int) -> None:
            super().__init__(seed=seed)
            self.modalities = frozenset({"text", "image"})
            self.seen = 0

        def encode(self, items, *, role="document"):
            self.seen += sum(item.modality == "image" for item in items)
            words = [item if isinstance(item, Text) else Text(f"picture {len(item.blob.read())}") for item in items]
            return super().encode(words, role=role)

    folder = tmp_path / "f"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        Picture.fromarray(rng.integers(0, 255, (40 + i, 40, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    for i in range(30):
        (folder / f"{i}.txt").write_text(turning.text(i) + " and so it went on for a while, as it does")
    one, other = Seeing(3), Seeing(4)
    index = LanceIndex.create(tmp_path / "i", one.space, "one")
    ingest(index, one, [folder], workers=1)
    assert one.seen == 4
    (folder / "3.png").unlink()
    begin(index.uri, other, "other", sample=20)
    now = move(index.uri, other)
    assert other.seen == 3 and now.failed == 1 and now.embedded == now.rows - 1
    assert switch(index.uri, keep=0.0).translated == 1
