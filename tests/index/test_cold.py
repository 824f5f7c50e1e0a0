"""A large index opened from what is kept beside it answers like one that is read whole, whatever became of that."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from collecting import Seeing, fill, row
from hypothesis import given
from hypothesis import strategies as st

from samespace.encode import hashing
from samespace.index.body import Body
from samespace.index.cache import cache_of, refresh
from samespace.index.far import Far
from samespace.index.ground import Ground
from samespace.index.lance import LanceIndex
from samespace.index.lexicon import named
from samespace.index.placed import Held, Taken
from samespace.index.protocol import Hit, Hits
from samespace.index.query import Query
from samespace.index.search import Searcher
from samespace.index.term import normalize
from samespace.index.upkeep import Upkeep
from samespace.index.vocabulary import Vocabulary, packed, unpacked
from samespace.items import Blob, Image, Locator

PLACES = ["harbour", "тихая гавань", "港口的夜晚", "quay d'Orsay", "η αποβάθρα"]
THINGS = ["red boat", "violin", "tax form", "herring", "bread oven", "moon and tide", "invoice HB-2024-0417"]


def rows(count: int, start: int = 0):
    """Texts in five writings and pictures; copies, passages that recur, names that say something."""
    made = []
    for i in range(start, start + count):
        facts = {"title": f"Album {i % 7}" if i % 3 else "", "size": 100 * i, "language": ["en", "ru", "zh"][i % 3]}
        facts["meta"] = {"page": i}
        for n in range(1 + i % 3):
            words = f"{THINGS[(i + n) % 7]} at {PLACES[(i * 3 + n) % 5]} number {i % 40 + n}"
            made.append(row(f"/d{i % 4}/Ünder_{THINGS[i % 7]}-{i}.txt", words, Locator(chars=(n, n + 9)), **facts))
        if i % 6 == 0:
            picture = Image(Blob(f"painted {THINGS[i % 7]} {i % 25}".encode()))
            made.append(replace(made[-1], path=f"/d{i % 4}/{i}.jpg", item=picture, facts={**facts, "kind": "image"}))
        if i % 10 == 0:
            made.append(replace(made[-1], path=f"/copy/{i}.txt", facts={**made[-1].facts, "content": made[-1].path}))
    return made


QUERIES = [
    "red boat harbour", "港口", "HB-2024-0417", "the and of", "album under violin 12",
    Query.text("herring") - Query.text("tax form"), Query.text("moon") & ~Query.text("bread"),
    Query.text("boat") | Query.text("港口的夜晚"),
]  # fmt: skip
slow = pytest.mark.slow
FILTERS = [
    None, "name like *boat*", pytest.param("kind = image", marks=slow),
    pytest.param('folder = "/d1" and size > 2000', marks=slow),
    pytest.param("meta.page < 30 or language = ru", marks=slow),
]  # fmt: skip
HARMS = ["torn", "other", "no numbers"]
HARMS += [pytest.param(harm, marks=slow) for harm in ("gone", "foreign", "no head", "file")]


@pytest.fixture(scope="module")
def seeing():
    return Seeing(hashing.load("64"))


@pytest.fixture(scope="module")
def made(tmp_path_factory, seeing) -> Path:
    """Two commits and a removal, kept in order, with a full-text list and what is derived kept beside it."""
    place = tmp_path_factory.mktemp("cold") / "ix"
    index = LanceIndex.create(place, seeing.space, "test")
    fill(index, seeing, rows(100))
    fill(index, seeing, rows(40, 90))
    with index.writer() as writer:
        writer.remove([path for path in writer.files() if "-17." in path or "-95." in path])
    keep(place)
    return place


@pytest.fixture
def place(made, tmp_path) -> Path:
    """A copy to break."""
    shutil.copytree(made, tmp_path / "ix")
    return tmp_path / "ix"


def keep(place: Path) -> None:
    index = LanceIndex.open(place)
    with index.writer() as writer:
        upkeep = Upkeep(index._tables, writer._medium)
        upkeep.word_rows = 0
        upkeep.run()
        refresh(index._tables, 10**6, fewest=0)


def opened(place: Path, *, cold: bool) -> LanceIndex:
    index = LanceIndex.open(place)
    index.word_rows = 0
    index.cold_rows = 0 if cold else 10**6
    return index


def answers(index: LanceIndex, encoder, where=None, queries=QUERIES[:3]) -> list[Hits]:
    """Rounded by what a product in float32 may differ by where its rows lie otherwise in RAM."""
    searcher = Searcher(index, encoder)
    return [
        replace(hits, hits=tuple(_rounded(hit) for hit in hits))
        for hits in (searcher.search(query, 8, where=where) for query in queries)
    ]


def _rounded(hit: Hit) -> Hit:
    others = tuple(_rounded(other) for other in hit.others)
    return replace(hit, score=round(hit.score, 5), percentile=round(hit.percentile, 5), others=others)


@contextmanager
def read(*names: str):
    """Calls of some methods of Lance's tables, with their columns and how many rows."""
    seen = []

    def spied(name, real):
        def call(self, *args, **how):
            seen.append((name, tuple(how.get("columns") or ()), len(args[0]) if name == "take" else None))
            return real(self, *args, **how)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(lance.LanceDataset, name, spied(name, getattr(lance.LanceDataset, name)))
        yield seen


@pytest.mark.parametrize("where", FILTERS)
def test_the_answers_are_those_of_an_index_that_is_read_whole(made, seeing, where):
    whole, cold = opened(made, cold=False), opened(made, cold=True)
    assert answers(whole, seeing, where, QUERIES) == answers(cold, seeing, where, QUERIES)
    assert isinstance(whole.snapshot().rows, Held) and isinstance(cold.snapshot().rows, Taken)
    assert isinstance(cold.snapshot().lexicon.body, Body)
    assert answers(cold, seeing, where) == answers(opened(made, cold=True), seeing, where)  # from what was measured


def test_rows_are_the_same_one_by_one(made):
    whole, cold = opened(made, cold=False).snapshot(), opened(made, cold=True).snapshot()
    assert cold.items.equals(whole.items.combine_chunks().select(cold.rows.names)) and len(cold.rows) > 200
    assert cold.digests.equals(whole.digests) and (cold.vector_row == whole.vector_row).all()
    for some in (np.array([7, 3, 3, 190]), np.arange(0, len(cold.rows), 2), np.array([], np.int64)):
        names = ["text", "path", "language", "preview", "id"]
        assert cold.rows.take(some, names).to_pylist() == whole.rows.take(some, names).to_pylist()
    key = whole.items["id"][41].as_py()
    assert cold.find(key).tolist() == whole.find(key).tolist() and 41 in cold.find(key)
    assert (cold.rows.file == whole.rows.file).all()


def test_it_opens_without_making_anything_and_reads_no_column(made, monkeypatch):
    monkeypatch.setattr(Ground, "of", None)
    with read("to_table", "take") as seen:
        view = opened(made, cold=True).snapshot()
        assert len(view) > 100 and len(view.words("boat", 5).rows) == 5
    assert seen == []


def test_a_filter_reads_the_columns_it_names(made):
    view = opened(made, cold=True).snapshot()
    with read("to_table", "take") as seen:
        for condition in ("kind = image", "kind = text and not kind = page"):
            Query.text("boat").where(condition).filter.mask(view.rows)
    assert [columns for _, columns, _ in seen] == [("kind",)]


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_is_wrong_with_it_it_is_made_anew(place, seeing, harm):
    right = answers(opened(place, cold=False), seeing)
    (kept,) = (place / "cache").iterdir()
    if harm == "torn":
        for path in kept.glob("*.npy"):
            path.write_bytes(path.read_bytes()[:-9])
    elif harm == "gone":
        (kept / "item_at.npy").unlink()
    elif harm == "foreign":
        np.save(kept / "codes.npy", np.array(["no", "codes"]))
    elif harm == "other":
        head = json.loads((kept / "ground.json").read_text())
        (kept / "ground.json").write_text(json.dumps(head | {"format": 0}))
    elif harm == "no head":
        (kept / "ground.json").write_text("{")
    elif harm == "no numbers":
        for path in kept.glob("null-*.json"):
            path.write_text('{"text/LATIN": {"hub": 3}}')
    else:  # a file where the folder should be
        shutil.rmtree(place / "cache")
        (place / "cache").write_text("a file")
    if harm != "no numbers":
        assert cache_of(LanceIndex.open(place)._tables).load(kept.name) is None
    assert answers(opened(place, cold=True), seeing) == right
    keep(place)
    assert answers(opened(place, cold=True), seeing) == right


def test_after_a_commit_only_what_is_new_is_read(place, seeing):
    index = opened(place, cold=True)
    answers(index, seeing)
    fill(LanceIndex.open(place), seeing, [row("/new/zebra.txt", "a zebra on the quay"), *rows(1, 3)])
    with read("to_table", "take") as seen:
        view = index.snapshot()
    assert not any("vector" in columns for name, columns, _ in seen if name == "to_table")
    assert sum(count for name, columns, count in seen if "vector" in columns) <= 1
    assert answers(index, seeing) == answers(opened(place, cold=False), seeing)
    assert Searcher(index, seeing).search("zebra quay", 1)[0].path == "/new/zebra.txt"
    old = cache_of(index._tables).load()
    assert old is not None and len(old.digests) == len(view) - 1  # what is kept is of the state before
    keep(place)
    assert answers(opened(place, cold=True), seeing) == answers(opened(place, cold=False), seeing)
    assert len(list((place / "cache").iterdir())) == 1


def test_int8_of_new_rows_joins_that_of_old_ones(place, seeing):
    index = opened(place, cold=True)
    last = cache_of(index._tables).load()
    fill(LanceIndex.open(place), seeing, [row("/new/zebra.txt", "a zebra on the quay"), *rows(30, 300)])
    view = index._tables.view()
    ground = Ground.of(view, last)
    coded = ground.coded(view.vectors, seeing.space.dim, last).compact
    data = ground.vectors(view.vectors, seeing.space.dim)
    assert (coded.mean == last.compact.mean).all()
    rest = data - (coded.mean + coded.codes * coded.scales[:, None])
    assert (np.linalg.norm(rest, axis=1) <= coded.errors + 1e-6).all() and coded.errors.max() < 0.05
    at = ground.digests.to_pylist().index(row("", "a zebra on the quay").item.digest())
    assert ground.sort_names[ground.sorts[at]] == "text/LATIN"


def test_tables_put_in_order_are_opened_anew(place, seeing):
    """Their old files go, though no file row was changed."""
    index = opened(place, cold=True)
    before = index.snapshot()
    assert index.snapshot() is before
    lance.dataset(str(place / "items.lance")).delete("id = 'nothing such'")
    lance.dataset(str(place / "items.lance")).optimize.compact_files()
    items = lance.dataset(str(place / "items.lance"))
    assert items.version > index._held.view.items.version
    fresh = index.snapshot()
    assert fresh is not before and index._held.view.items.version == items.version
    assert fresh.digests.equals(before.digests)
    assert answers(index, seeing) == answers(opened(place, cold=False), seeing)


def test_a_search_whose_files_are_cleaned_away_looks_again(place, seeing):
    index = opened(place, cold=True)
    searcher = Searcher(index, seeing)
    stale = index.snapshot()

    class Gone:
        names, file = stale.rows.names, stale.rows.file

        def __len__(self):
            return len(stale.rows)

        def take(self, rows, names):
            raise OSError("gone")

    index._held = replace(index._held, snapshot=replace(stale, rows=Gone()))
    with pytest.raises(OSError, match="gone"):  # nothing newer is there: it is broken
        searcher.search("boat")
    fill(LanceIndex.open(place), seeing, [row("/new/zebra.txt", "a zebra on the quay")])
    index._held, real = index._held, index.snapshot
    views = iter([index._held.snapshot])
    index.snapshot = lambda: next(views, None) or real()
    assert searcher.search("zebra quay", 1)[0].path == "/new/zebra.txt"


def test_rows_are_fetched_and_then_held():
    data = np.random.default_rng(0).standard_normal((1000, 4)).astype(np.float32)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(data[::-1].ravel()), 4)
    taken, whole = [], []

    class Table:
        def take(self, at, columns):
            taken.append(len(at))
            return pa.table({"vector": flat.take(pa.array(at))})

    far = Far(Table(), np.arange(1000)[::-1], lambda: whole.append(1) or data, 4)
    assert (far[np.array([5, 2, 5])] == data[[5, 2, 5]]).all() and (far[np.array([2, 9])] == data[[2, 9]]).all()
    assert taken == [2, 1] and not whole
    assert (far[np.arange(50)] == data[:50]).all() and taken == [2, 1, 47]
    assert (far[np.arange(100)] == data[:100]).all() and (far[3:7] == data[3:7]).all() and whole == [1]
    assert (np.asarray(far) == data).all() and taken == [2, 1, 47] and len(far) == 1000


@given(st.lists(st.text(max_size=12)), st.text(max_size=12))
def test_names_are_cut_like_any_text(names, title):
    paths = pa.array(["/a/b/" + name.replace("/", "-") for name in names], pa.string())
    found = named(paths, pa.array([title] * len(names), pa.string())).to_pylist()
    assert found == [" ".join(normalize(f"{path[5:]} {title}")) for path in paths.to_pylist()]


@given(st.sets(st.text()), st.text())
def test_a_word_is_found_at_its_place(words, other):
    order = sorted(words, key=lambda word: word.encode())
    vocabulary = Vocabulary(unpacked(*packed(pa.array(order, pa.string()))))
    assert [vocabulary.get(word) for word in order] == list(range(len(order))) and len(vocabulary) == len(order)
    assert (vocabulary.get(other) is not None) == (other in words)
    assert vocabulary.get("\ud800") is None
