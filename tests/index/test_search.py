"""Searching with an encoder that knows words only: composition, folding, filters, routes; on both Indexes."""

import pytest
from collecting import PLAIN, Row, Seeing, fill, flat, plain, row

from samespace import Space
from samespace.encode import hashing
from samespace.errors import QueryError, SpaceMismatchError
from samespace.index.flat import FlatIndex
from samespace.index.lance import LanceIndex
from samespace.index.query import Query
from samespace.index.search import Searcher
from samespace.items import Blob, Image, Locator


@pytest.fixture(scope="module")
def searcher(encoder):
    return Searcher(flat(encoder, plain()), encoder)


def paths(hits) -> list[str]:
    return [hit.path for hit in hits]


def test_the_right_file_comes_first(searcher):
    for path, text in PLAIN.items():
        hits = searcher.search(text[:40], k=3)
        assert hits[0].path == path and hits[0].confident and hits.confident
        assert hits[0].snippet == text


def test_scores_fall_and_lie_in_their_ranges(searcher):
    for hybrid in (True, False):
        hits = searcher.search("the red boat", k=6, hybrid=hybrid)
        scores = [h.score for h in hits]
        assert scores == sorted(scores, reverse=True) and len(hits) == 6
        assert all(0 <= h.percentile <= 1 for h in hits)
        assert hits[0].percentile > 0.99 and hits[0].by == (("meaning", "words") if hybrid else ("meaning",))


def test_both_indexes_answer_alike(searcher, encoder, tmp_path):
    lance = fill(LanceIndex.create(tmp_path / "ix", encoder.space, "test"), encoder, plain())
    other = Searcher(lance, encoder)
    for query in ("herring boat", "HB-2024-0417", Query.text("moon") & ~Query.text("tax")):
        for a, b in zip(searcher.search(query), other.search(query), strict=True):
            assert (a.path, a.by, a.match) == (b.path, b.by, b.match)
            assert a.score == pytest.approx(b.score, abs=1e-5)
    kept = list((tmp_path / "ix").glob("calibration-*.npz"))
    assert len(kept) == 1
    kept[0].write_bytes(b"torn")
    assert paths(Searcher(lance, encoder).search("herring boat")) == paths(other.search("herring boat"))


def test_k(searcher):
    assert len(searcher.search("boat", k=2)) == 2
    assert len(searcher.search("boat", k=10_000)) == len(PLAIN)
    for k in (0, -3):
        with pytest.raises(QueryError, match="k=10"):
            searcher.search("boat", k=k)


def test_an_empty_index_says_so(encoder):
    hits = Searcher(FlatIndex(encoder.space), encoder).search(Query.text("cat") - Query.text("dog"))
    assert not hits and not hits.confident and hits.notes == ("the index is empty",) and hits.searched == 0
    assert not Searcher(FlatIndex(encoder.space), encoder).search(Query.text("cat") & Query.text("dog"))


def test_minus_takes_away(searcher):
    both = Query.text("red boat harbour") + Query.text("violin park")
    assert set(paths(searcher.search(both, k=2))) == {"/docs/boat.txt", "/docs/violin.txt"}
    less = searcher.search(both - Query.text("violin for two hours in the park"), k=6)
    assert less[0].path == "/docs/boat.txt" and less.composed == "sum"
    assert paths(less).index("/docs/violin.txt") > 1


def test_only_minus_means_least_like(searcher):
    hits = searcher.search(-1 * Query.text(PLAIN["/docs/boat.txt"]), k=6)
    assert hits[-1].path == "/docs/boat.txt" and len(hits) == 6


def test_parts_that_cancel_are_refused(searcher):
    for query in (Query.text("boat") - Query.text("boat"), 0.1 * Query.text("boat") - 0.1 * Query.text("boat")):
        with pytest.raises(QueryError, match="change a weight"):
            searcher.search(query)


def test_weights_tip_the_balance(searcher):
    boat, moon = Query.text("red boat herring"), Query.text("moon sea water")
    assert searcher.search(3 * boat + moon, k=1)[0].path == "/docs/boat.txt"
    assert searcher.search(boat + 3 * moon, k=1)[0].path == "/notes/moon.md"


def test_logic(searcher):
    boat, tax, bread = (Query.text(w) for w in ("red boat herring harbour", "tax office form", "flour dough oven"))
    either = searcher.search(boat | tax, k=2)
    assert set(paths(either)) == {"/docs/boat.txt", "/notes/tax.md"} and either.composed == "logic"
    assert all(h.confident for h in either)
    assert not searcher.search(boat & bread, k=6).confident
    assert paths(searcher.search(~boat, k=6))[-1] == "/docs/boat.txt"
    assert searcher.search((boat | tax) & ~tax, k=1)[0].path == "/docs/boat.txt"
    scores = [h.score for h in either]
    assert scores == sorted(scores, reverse=True)


def test_a_double_no_is_a_yes(searcher):
    assert [h.score for h in searcher.search(~~Query.text("moon"))] == pytest.approx(
        [h.score for h in searcher.search(Query.text("moon") & Query.text("moon"))]
    )


def test_filters_bound_what_is_searched(searcher):
    hits = searcher.search("red boat", where="folder = notes")
    assert set(paths(hits)) == {"/notes/tax.md", "/notes/moon.md"} and hits.searched == 2
    both = searcher.search(Query.text("red boat").where("folder = notes"), where="name = moon.md")
    assert paths(both) == ["/notes/moon.md"]
    none = searcher.search("red boat", where="kind = image")
    assert not none and none.searched == 0 and "nothing satisfies the filter: kind = 'image'" in none.notes
    assert not searcher.search(~Query.text("boat"), where="kind = image")


def test_a_code_is_proof_and_comes_first(searcher):
    hits = searcher.search("HB-2024-0417")
    assert hits[0].path == "/docs/bill.txt" and hits[0].match == "strong" and "words" in hits[0].by
    name = searcher.search("something about Petersen Shipyard")
    assert name[0].path == "/docs/bill.txt" and name[0].confident
    assert not any(h.confident for h in searcher.search("HB-2024-0418")[1:])


@pytest.mark.parametrize("words", ["what is the", "wie ist das", "什么 的", "of"])
def test_only_stopwords_find_nothing_for_sure(searcher, words):
    hits = searcher.search(words)
    assert not hits.confident and all(h.match == "weak" and not h.confident for h in hits)
    assert any("common words only" in note for note in hits.notes)


@pytest.mark.parametrize(
    "words", ["kangaroo leather jacket", "量子计算机的原理", "zxqv wpfk", "theatre tickets Vienna"]
)
def test_what_is_not_there_is_not_confident(searcher, words):
    hits = searcher.search(words)
    assert not hits.confident and "no confident match" in hits.notes


def test_one_item_is_calibrated_too(encoder):
    one = Searcher(flat(encoder, [row("/a", PLAIN["/docs/boat.txt"])]), encoder)
    assert one.search("the red boat left the harbour").confident
    assert not one.search("quarterly revenue of the bank").confident


def test_places_of_one_file_are_one_hit(encoder):
    rows = [
        row("/book.pdf", f"page {n}: {text}", Locator(page=n), kind="page") for n, text in enumerate(PLAIN.values(), 1)
    ]
    search = Searcher(flat(encoder, [*rows, row("/x.txt", "the red boat is for sale")]), encoder).search
    hits = search("the red boat left the harbour at dawn")
    assert len(hits) == 2 and hits[0].path == "/book.pdf" and hits[0].locator == Locator("/book.pdf", page=1)
    assert [o.locator.page for o in hits[0].others][:1] != [1] and len(hits[0].others) == 5
    assert len(search("the red boat", group=False)) == 7


def test_copies_are_folded(encoder):
    text = PLAIN["/docs/boat.txt"]
    rows = [
        *plain(),
        row("/copy/boat.txt", text, content="/docs/boat.txt"),
        row("/mail/quote.txt", text, content="elsewhere"),
        row("/near/boat.txt", text + " Amen.", content="near"),
        row("/like/boat.txt", "The red boat left at noon with no herring and stayed in another harbour.", content="l"),
    ]
    search = Searcher(flat(encoder, rows), encoder).search
    hits = search("red boat harbour dawn herring")
    assert {hits[0].path, *hits[0].duplicates} >= {"/docs/boat.txt", "/copy/boat.txt", "/mail/quote.txt"}
    assert "/like/boat.txt" in paths(hits)
    assert len(search("red boat harbour dawn herring", fold=False, k=20)) == len(rows)


def test_a_bare_name_never_outranks_content(encoder):
    rows = [
        row("/a/x1.xyz", "herring boat", origin="name", kind="other", content="b"),
        row("/b/x2.txt", "herring boat"),
        row("/c/sextant.xyz", "sextant", origin="unembedded", kind="other", status="name_only"),
    ]
    search = Searcher(flat(encoder, rows), encoder).search
    for hybrid in (True, False):
        hits = search("herring boat", fold=False, hybrid=hybrid)
        assert paths(hits)[:2] == ["/b/x2.txt", "/a/x1.xyz"]
    found = search("sextant")
    assert found[0].path == "/c/sextant.xyz" and found[0].confident and found[0].by == ("words",)


def test_stored_items_and_vectors_are_queries(searcher, encoder):
    first = searcher.search("red boat", k=1)[0]
    again = searcher.search(Query.stored(first.id), k=2)
    assert again[0].path == first.path and again.composed == "single"
    vectors = encoder.encode([next(Query.text("moon sea").parts()).source])
    assert searcher.search(Query.vectors(vectors), k=1)[0].path == "/notes/moon.md"
    with pytest.raises(QueryError, match="Search again"):
        searcher.search(Query.stored("no such"))


def test_another_space_is_refused_or_translated(searcher, encoder):
    small = hashing.load("64")
    with pytest.raises(SpaceMismatchError, match="translate them first"):
        Searcher(searcher.index, small)
    with pytest.raises(SpaceMismatchError):
        searcher.search(Query.vectors(small.encode([next(Query.text("x").parts()).source])))

    class Fold:
        """hashing-256 is hashing-64 four times over: sums of its columns are exactly it."""

        source, target, fidelity = encoder.space, small.space, 1.0

        def __call__(self, vectors):
            return small.space.vectors(vectors.require(self.source).data.reshape(-1, 4, 64).sum(1))

    index = flat(small, plain())
    hits = Searcher(index, encoder, translators=[Fold()]).search("red boat herring")
    assert hits[0].path == "/docs/boat.txt" and hits.confident
    assert hits.route == (encoder.space.name, small.space.name)
    assert searcher.search("boat").route == (encoder.space.name,)


def test_files_as_queries(searcher, tmp_path):
    (tmp_path / "like.txt").write_text("A boat in the harbour. " * 3 + "\n\n" + "Herring and a red hull. " * 3)
    hits = searcher.search(Query.file(tmp_path / "like.txt"))
    assert hits[0].path == "/docs/boat.txt" and hits.composed == "single"
    (tmp_path / "empty.txt").write_text("")
    for wrong in ("empty.txt", "gone.txt", "."):
        with pytest.raises(QueryError):
            searcher.search(Query.file(tmp_path / wrong))


@pytest.fixture(scope="module")
def album():
    seeing = Seeing(hashing.load("256"))
    words = [
        "red kite sky",
        "green frog pond",
        "blue whale sea",
        "black cat roof",
        "white swan lake",
        "brown bear wood",
    ]
    rows = [
        Row(f"/p/{w.split()[1]}.png", Image(Blob(w.encode())), {"kind": "image"}, Locator(), "pixels") for w in words
    ]
    return Searcher(flat(seeing, [*plain(), *rows]), seeing)


def test_the_encoder_fuses_when_it_can(album):
    query = Query.item(Image(Blob(b"red kite"))) + Query.text("sky")
    assert album.search(query).composed == "model"
    assert album.search(query)[0].path == "/p/kite.png"
    for other in (2 * Query.text("sky"), -1 * Query.text("frog"), Query.stored("/p/frog.png 0")):
        assert album.search(query + other).composed == "sum"


def test_pictures_and_texts_stand_in_one_list_by_worth(album):
    kinds = {h.kind for h in album.search("red", k=12)}
    assert kinds == {"image", "text"}
    picture = album.search(Query.item(Image(Blob(b"green frog pond"))), k=3)
    assert picture[0].path == "/p/frog.png" and picture[0].confident
    assert {h.kind for h in album.search("red boat", where="kind = image")} == {"image"}


def test_what_the_encoder_cannot_take_is_refused(searcher):
    with pytest.raises(QueryError, match=r"Query\.file\(path\)"):
        searcher.search(Query.item(Image(Blob(b"x"))))


def test_new_rows_are_found_and_measured_anew(encoder):
    index = flat(encoder, plain())
    search = Searcher(index, encoder).search
    assert not search("zebra crossing").confident
    fill(index, encoder, [row("/new.txt", "A zebra at the crossing.")])
    assert search("zebra crossing")[0].path == "/new.txt"


def test_a_space_without_length_works(encoder):
    dot = Space("test/dot@1", 256, "dot")

    class Dot:
        space, modalities = dot, encoder.modalities

        def encode(self, items, *, role="document"):
            return dot.vectors(3 * encoder.encode(items, role=role).data)

    assert Searcher(flat(Dot(), plain()), Dot()).search("red boat herring")[0].path == "/docs/boat.txt"


class Cone:
    """Hashing pushed into a narrow cone, as many models are: unrelated texts have cosines around .9."""

    def __init__(self, words, push=0.2):
        self.words, self.push = words, push
        self.space, self.modalities = words.space, words.modalities

    def encode(self, items, *, role="document"):
        return self.space.vectors(self.words.encode(items, role=role).data + self.push)


def test_alike_is_not_the_same(encoder):
    """Vectors that are as good as equal do not make two texts copies if their words differ."""
    narrow = Cone(encoder, push=50.0)
    hits = Searcher(flat(narrow, [row("/a", "a red boat"), row("/b", "tax forms due in July")]), narrow).search("boat")
    assert len(hits) == 2


def test_a_difference_is_held_against_differences(encoder):
    """In a cone a - b points far away from both: against single questions anything would look like a match."""
    narrow = Cone(encoder)
    search = Searcher(flat(narrow, plain()), narrow).search
    unrelated = [
        "quantum computers",
        "kangaroo jacket",
        "opera tickets",
        "broken printer",
        "yoga class",
        "wifi password",
    ]
    sure = [
        (a, b)
        for a, b in zip(unrelated, unrelated[1:] + unrelated[:1], strict=True)
        if search(Query.text(a) - Query.text(b), hybrid=False).confident
    ]
    assert len(sure) <= 1
    assert search("red boat herring harbour").confident
    found = search(Query.text("red boat left the harbour at dawn") - Query.text("opera tickets"), hybrid=False)
    assert found[0].path == "/docs/boat.txt" and found[0].confident
