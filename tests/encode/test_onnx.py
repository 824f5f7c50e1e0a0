"""ONNX graphs: a tiny one made here, and the real ones where they are installed."""

import numpy as np
import pytest

from samespace.encode import onnx
from samespace.encode.load import load
from samespace.encode.recipe import Recipe
from samespace.errors import MissingExtraError, RecipeError, WeightsError
from samespace.items import Text

MEAN = Recipe(family="onnx", dim=4, pooling="mean", max_tokens=6, backend="onnxruntime")
TABLE = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A graph that looks token ids up in a table, and its tokenizer: [CLS] words [SEP]."""
    helper = pytest.importorskip("onnx").helper
    from onnx import TensorProto, numpy_helper
    from onnx import save as save_graph
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("graph")
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "t"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["b", "t"])
    states = helper.make_tensor_value_info("states", TensorProto.FLOAT, ["b", "t", 4])
    first = helper.make_tensor_value_info("first", TensorProto.FLOAT, ["b", 4])
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["states"]),
        helper.make_node("Gather", ["states", "zero"], ["first"], axis=1),
    ]
    given = [numpy_helper.from_array(TABLE, "table"), numpy_helper.from_array(np.array(0, np.int64), "zero")]
    graph = helper.make_graph(nodes, "tiny", [ids, mask], [states, first], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    save_graph(model, folder / "model.onnx")
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "kite", "hill", "over"]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


TEXTS = [Text(t) for t in ("red kite over hill", "kite", "red red", "kite")]
IDS = [[2, 4, 5, 7, 6, 3], [2, 5, 3], [2, 4, 4, 3], [2, 5, 3]]


@pytest.mark.parametrize(
    ("pooling", "read"),
    [
        ("mean", lambda ids: TABLE[ids].mean(0)),
        ("cls", lambda ids: TABLE[ids[0]]),
        ("last", lambda ids: TABLE[ids[-1]]),
        ("none", lambda ids: TABLE[ids[0]]),
    ],
)
def test_each_pooling_reads_the_states_under_the_mask(folder, pooling, read):
    encoder = onnx.load(str(folder), recipe=MEAN.with_(pooling=pooling))
    wanted = np.array([read(ids) for ids in IDS])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(TEXTS).data, wanted, atol=1e-6)


def test_prompts_and_limits_are_the_recipes(folder):
    encoder = onnx.load(str(folder), recipe=MEAN.with_(prompts={"query": "over ", "document": ""}, lower_case=True))
    assert encoder.tokens(Text("RED"), role="query") == (2, 7, 4, 3)
    assert encoder.tokens(Text("RED")) == (2, 4, 3)
    assert encoder.tokens(Text("red " * 50)) == (2, 4, 4, 4, 4, 3)
    assert len(encoder.encode([])) == 0


def test_the_space_knows_graph_tokenizer_and_recipe(folder, tmp_path):
    first = onnx.load(str(folder), recipe=MEAN).space
    assert onnx.load(str(folder / "model.onnx"), recipe=MEAN).space == first
    assert onnx.load(str(folder), recipe=MEAN.with_(max_tokens=5)).space != first
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    words = (folder / "tokenizer.json").read_text().replace('"red":4', '"rad":4').replace('"red": 4', '"rad": 4')
    (tmp_path / "tokenizer.json").write_text(words)
    assert onnx.load(str(tmp_path), recipe=MEAN).space.fingerprint != first.fingerprint


def test_what_cannot_be_run_says_why(folder, tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match=r"nobody states.*\nSay it: .*recipe=Recipe"):
        onnx.load(str(folder))
    with pytest.raises(RecipeError, match="fits 0 of its outputs"):
        onnx.load(str(folder), recipe=MEAN.with_(dim=5))
    with pytest.raises(RecipeError, match="'head' is not done for graphs"):
        onnx.load(str(folder), recipe=MEAN.with_(pooling="head"))
    with pytest.raises(WeightsError, match=r"absent.onnx is not a file\nName the graph"):
        onnx.load(str(tmp_path / "absent.onnx"), recipe=MEAN)
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(WeightsError, match="is not a graph that onnxruntime runs"):
        onnx.load(str(tmp_path), recipe=MEAN)
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    with pytest.raises(WeightsError, match=r"no tokenizer.json lies beside it\nPut it at"):
        onnx.load(str(tmp_path), recipe=MEAN)


def real(name):
    try:
        return load(name)
    except (WeightsError, MissingExtraError) as err:
        pytest.skip(str(err).splitlines()[0])


SENTENCES = {
    "en": "The cat sleeps on the sofa.",
    "de": "Die Katze schläft auf dem Sofa.",
    "zh": "猫在沙发上睡觉。",
    "fr": "Le chat dort sur le canapé.",
}


@pytest.mark.slow
def test_a_graph_with_its_own_tokenizer_crosses_languages():
    encoder = real("universal-sentence-encoder-multilingual")
    rows = encoder.encode([Text(t) for t in SENTENCES.values()]).data
    other = encoder.encode([Text("The bank raised its interest rates.")]).data
    assert (rows @ rows.T).min() > 0.6
    assert (rows @ other.T).max() < 0.3
    alone = np.concatenate([encoder.encode([Text(t)]).data for t in SENTENCES.values()])
    assert np.array_equal(alone, rows), "its int8 scales by the batch, so it must not be batched"
    strange = [Text(t) for t in ("", "a\0b", "\ud800", "word " * 20_000)]
    assert np.isfinite(encoder.encode(strange).data).all()


@pytest.mark.slow
def test_a_graph_with_a_borrowed_tokenizer_equals_the_same_graph_by_hand():
    encoder = real("paraphrase-MiniLM-L3")
    assert encoder.tokens(Text("the cat"))[0] == 101
    assert encoder.tokens(Text("the cat"))[-1] == 102
    assert len(encoder.tokens(Text("cat " * 999))) == 128
    rows = encoder.encode([Text("A cat naps."), Text("A kitten sleeps."), Text("Rates were raised by the bank.")]).data
    assert rows[0] @ rows[1] > 0.6 > 0.3 > rows[0] @ rows[2]
    alone = encoder.encode([Text("A cat naps.")]).data[0]
    np.testing.assert_allclose(alone, rows[0], atol=1e-5)
