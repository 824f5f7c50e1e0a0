"""A catalogue model without torch: only where the same comes out, and the encoder itself whenever it is asked for."""

import json
import subprocess
import sys

import numpy as np
import pytest

from samespace.encode import accelerate, catalog, deferred, hf
from samespace.encode.accelerate import SENTENCES, accelerated
from samespace.encode.hf_bert import HfBert
from samespace.encode.load import load
from samespace.encode.recipe import Recipe
from samespace.encode.weights import WeightsFile, cache_folder, sha256
from samespace.errors import MissingExtraError, WeightsError
from samespace.items import Blob, Image, Text

pytest.importorskip("openvino")

ITEMS = [Text(words) for words in ("a", "", "The quick brown fox", "你好 一 税", "x" * 500)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def entry(folders, monkeypatch):
    """A catalogue entry for a tiny BERT, found as a user's folder of models is."""
    folder = folders("bert")
    monkeypatch.setenv("SAMESPACE_MODELS", str(folder))
    path = folder / "model.safetensors"
    file = WeightsFile(path.name, sha256(path), path.stat().st_size)
    recipe = Recipe(family="bert", dim=32, max_tokens=64, prompts={"query": "q: ", "document": ""}, terminal="[SEP]")
    return catalog.Entry("tiny", "test", "hf", recipe, "checked", files=(file,))


def itself(entry):
    return lambda: hf.load("", entry=entry, device="cpu")


def seen(entry, monkeypatch):
    """What a load that has transformers, and a long input, leave behind."""
    monkeypatch.setattr(accelerate, "_WORTH", 10)
    ordinary = accelerated(itself(entry)())
    deferred.note(ordinary)
    ordinary.encode(ITEMS)
    return ordinary


def test_it_is_ready_where_all_was_seen_and_gives_the_same_vectors(entry, monkeypatch):
    ordinary = seen(entry, monkeypatch)
    loads = []
    ready = deferred.deferred(entry, lambda: loads.append(1) or itself(entry)())
    assert (ready.space, ready.recipe, ready.modalities) == (ordinary.space, ordinary.recipe, ordinary.modalities)
    for role in ("query", "document"):
        assert [ready.tokens(item, role=role) for item in ITEMS] == [ordinary.tokens(item, role=role) for item in ITEMS]
        assert np.abs(ready.encode(ITEMS, role=role).data - ordinary.encode(ITEMS, role=role).data).max() < 1e-6
    assert np.abs(ready.encode(ITEMS[:1]).data - ordinary.encode(ITEMS[:1]).data).max() < 1e-6, "also one short text"
    assert not loads
    with pytest.raises(TypeError, match="item 0 is image"):
        ready.encode([Image(Blob(data=b"x"))])
    assert np.array_equal(ready.parent.encode(ITEMS).data, itself(entry)().encode(ITEMS).data)
    assert len(loads) == 1, "loaded once"


def test_nothing_is_put_off_before_it_was_seen(entry, monkeypatch):
    assert deferred.deferred(entry, itself(entry)) is None
    deferred.note(accelerated(itself(entry)()))
    assert deferred.deferred(entry, itself(entry)) is None, "no drift was measured"
    seen(entry, monkeypatch)
    assert deferred.deferred(entry, itself(entry)) is not None


@pytest.mark.parametrize("memory", ["tokens.json", "drift.json"])
def test_another_tokenization_or_drift_is_not_trusted(entry, monkeypatch, memory):
    seen(entry, monkeypatch)
    path = cache_folder() / memory
    known = json.loads(path.read_text())
    path.write_text(json.dumps(dict.fromkeys(known, "else" if memory == "tokens.json" else 1.0)))
    assert deferred.deferred(entry, itself(entry)) is None


@pytest.mark.parametrize(
    "change",
    [{"layer": -2}, {"truncate_dim": 16, "dim": 16}, {"template": "say {text}"}, {"pooling": "last"}],
    ids=lambda change: next(iter(change)),
)
def test_recipes_that_the_form_does_not_follow_are_left_to_the_encoder(entry, monkeypatch, change):
    seen(entry, monkeypatch)
    other = catalog.Entry("tiny", "test", "hf", entry.recipe.with_(**change), "checked", files=entry.files)
    monkeypatch.setattr(deferred, "_digest", lambda encoder: "same")
    deferred.weights.remember("tokens.json", deferred._key(itself(entry)().space), "same")
    assert deferred.deferred(other, itself(entry)) is None


def test_weights_read_from_the_file_are_those_of_the_model(folders, tmp_path):
    from transformers import BertModel

    model = BertModel.from_pretrained(folders("bert"), add_pooling_layer=False)
    ours, theirs = HfBert.at(folders("bert")), HfBert.of(model)
    assert (ours.shape, ours.first_position) == (theirs.shape, theirs.first_position)
    ids = [[1, 2, 3], [4]]
    assert np.array_equal(ours.embed(ids), theirs.embed(ids))
    for name in ("l0.q.w", "l1.fo.b", "l1.oln.w"):
        assert np.array_equal(ours.vector(name), theirs.vector(name))
    assert HfBert.at(folders("causal")) is None
    model.bfloat16().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"(?i)bf"):
        HfBert.at(tmp_path)


@pytest.mark.slow
def test_the_second_start_of_a_real_model_needs_no_torch():
    try:
        exact = load("all-MiniLM-L6-v2", accelerate=False)
    except (WeightsError, MissingExtraError) as err:
        pytest.skip(str(err).splitlines()[0])
    load("all-MiniLM-L6-v2").encode([Text(text) for text in SENTENCES * 3])
    code = """
import sys
from samespace.encode.load import load
from samespace.items import Text
encoder = load("all-MiniLM-L6-v2")
row = encoder.encode([Text("how do ships turn?")], role="query").data[0]
print("torch" in sys.modules, "transformers" in sys.modules, *row)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    torch, transformers, *row = done.stdout.split()
    assert (torch, transformers) == ("False", "False")
    same = exact.encode([Text("how do ships turn?")], role="query").data[0]
    assert np.array(row, float) @ same > 1 - accelerate.DRIFT
