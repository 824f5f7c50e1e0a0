"""Score honesty with real weights and real texts: what was said is found for sure, what was not is not."""

import pyarrow.parquet as pq
import pytest
from collecting import flat, row

from samespace.encode.load import load
from samespace.errors import WeightsNotFoundError
from samespace.index.query import Query
from samespace.index.search import Searcher

pytestmark = pytest.mark.slow

SAID = {
    "jfk.flac": "serve your nation instead of expecting favours from it",
    "LJ050-0131.wav": "nobody regularly checks what is being done under the rules",
    "spk1_snt1.wav": "a kid nearly injured a little puppy",
    "spk1_snt2.wav": "leave out the 2 when you sum the numbers",
    "spk1_snt3.wav": "so high up the atmosphere is clean",
    "spk1_snt4.wav": "a narrow line goes along the centre",
    "spk1_snt5.wav": "my favourite day is the one after Saturday",
    "spk1_snt6.wav": "somebody has already written with every pencil",
}
ABROAD = {
    "jfk.flac": "不要问国家能为你做什么",
    "spk1_snt1.wav": "Das Kind hätte den kleinen Hund fast verletzt",
    "spk1_snt3.wav": "高处的空气很纯净",
    "spk1_snt5.wav": "Le dimanche est le meilleur jour de la semaine",
    "spk1_snt6.wav": "铅笔都用完了",
}
NEVER_SAID = (
    "how to bake a chocolate cake",
    "the football team lost the final",
    "photosynthesis in green plants",
    "stock market prices fell sharply",
    "怎样种西红柿",
    "hotel booking confirmation for two nights",
    "Wo ist der Bahnhof?",
    "recette de ratatouille",
    "nuclear submarine",
    "telephone",
)
OFF = (
    "how long do I boil an egg",
    "penalty shootout rules",
    "knitting pattern for a scarf",
    "Wie backe ich einen Apfelkuchen?",
    "怎么包饺子",
    "recette de la soupe à l'oignon",
    "サッカーの試合結果",
    "mortgage interest calculator",
    "wedding speech for the best man",
    "houseplants for dark rooms",
)


def encoder(name: str):
    try:
        return load(name, accelerate=False)
    except WeightsNotFoundError as err:
        pytest.skip(str(err))


@pytest.fixture(scope="module")
def e5():
    return encoder("multilingual-e5-small")


BACKGROUNDS: dict = {}


def searcher(model, rows) -> Searcher:
    """Encode the background once a model: an index on disk keeps it, FlatIndex does not."""
    made = Searcher(flat(model, rows), model)
    made._background = BACKGROUNDS.get(model.space)
    BACKGROUNDS[model.space] = made._generic()
    return made


def speech(data, model):
    rows = pq.read_table(data / "speech_clips/manifest.parquet").to_pylist()
    return searcher(model, [row("/" + r["file"], r["text"]) for r in rows])


@pytest.mark.parametrize("model", ["multilingual-e5-small", "all-MiniLM-L6-v2"])
def test_what_was_said_is_found_and_what_was_not_is_not(data, model):
    search = speech(data, encoder(model)).search
    sure = []
    for file, words in SAID.items():
        hit = search(words, k=1, hybrid=False)[0]
        assert hit.path == "/" + file, words
        sure.append(hit.confident)
    assert sum(sure) >= len(sure) - 1
    assert [words for words in NEVER_SAID if search(words).confident] == []


def test_another_language_is_no_handicap(data, e5):
    search = speech(data, e5).search
    for file, words in ABROAD.items():
        hit = search(words, k=1)[0]
        assert (hit.path, hit.confident) == ("/" + file, True), words


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_tiny_collection_is_honest(data, e5, count):
    rows = pq.read_table(data / "speech_clips/manifest.parquet").to_pylist()[:count]
    search = searcher(e5, [row("/" + r["file"], r["text"]) for r in rows]).search
    for r in rows:
        assert search(SAID[r["file"]], k=1, hybrid=False).confident
    assert sum(search(words).confident for words in NEVER_SAID) <= 1


def test_a_narrow_field_knows_what_is_not_its_own(data, e5):
    folder = data / "cranfield_retrieval"
    asked = [r["text"] for r in pq.read_table(folder / "queries.parquet").to_pylist()[:15]]
    docs = {r["id"]: r["text"][:300] for r in pq.read_table(folder / "corpus.parquet").to_pylist()}
    grades = pq.read_table(folder / "qrels.parquet").to_pylist()
    near = {g["doc"] for g in grades if g["query"] in {f"q{n}" for n in range(1, 16)} and g["grade"] in (1, 2)}
    search = searcher(e5, [row(f"/{d}", docs[d]) for d in sorted(near)[:40] if docs[d].strip()]).search
    assert sum(search(words).confident for words in asked) >= 14
    assert sum(search(words).confident for words in OFF) <= 1


def test_languages_in_one_collection_compete_fairly(data, e5):
    """Half the captions in English, half in Chinese: a question finds its caption in either."""
    pairs = pq.read_table(data / "sts_multilingual/pairs.parquet").to_pylist()
    good = {r["id"] for r in pairs if r["split"] == "dev" and r["lang"] == "en" and r["score"] >= 4.8}
    by = {(r["id"].split("-", 1)[1], r["lang"]): r for r in pairs}
    keys = sorted(i.split("-", 1)[1] for i in good)[:30]
    docs = [row(f"/{k}", by[k, "en" if n % 2 else "zh"]["text2"]) for n, k in enumerate(keys)]
    search = searcher(e5, docs).search
    hits = {k: search(by[k, "en"]["text1"], k=1, fold=False)[0].path == f"/{k}" for k in keys}
    crossed = [hits[k] for n, k in enumerate(keys) if n % 2 == 0]
    assert sum(hits.values()) >= 25 and sum(crossed) >= 11


def test_minus_and_logic(data, e5):
    search = speech(data, e5).search
    both = Query.text("a small dog and a child") + Query.text("Sunday, the best day of the week")
    assert {h.path for h in search(both, k=2)} == {"/spk1_snt1.wav", "/spk1_snt5.wav"}
    assert search(both - Query.text("a dog"), k=1)[0].path == "/spk1_snt5.wav"
    either = search(Query.text("a small dog") | Query.text("Sunday"), k=2)
    assert {h.path for h in either} == {"/spk1_snt1.wav", "/spk1_snt5.wav"} and all(h.confident for h in either)
    assert not search(Query.text("a small dog") & Query.text("Sunday")).confident


def test_a_rare_name_is_proof(data, e5):
    rows = pq.read_table(data / "wiki_passages/corpus.parquet").slice(0, 40).to_pylist()
    search = searcher(e5, [row(f"/{r['id']}", r["text"][:300]) for r in rows]).search
    hits = search("Teutberga")
    assert hits[0].path == "/w0" and hits[0].confident and "words" in hits[0].by
    assert not search("what is the").confident
