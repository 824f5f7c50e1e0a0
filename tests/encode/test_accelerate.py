"""The faster form: the same vectors within the stated drift, or a Space of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tiny_e5

from samespace.encode import accelerate, catalog, e5q4, hashing
from samespace.encode.accelerate import DRIFT, SENTENCES, accelerated
from samespace.encode.load import load
from samespace.encode.weights import cache_folder
from samespace.errors import MissingExtraError, RecipeError, WeightsError
from samespace.items import Blob, Image, Text

pytest.importorskip("openvino")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    path = tmp_path_factory.mktemp("e5") / "tiny.bin"
    path.write_bytes(tiny_e5.build()[0])
    recipe = catalog.get("e5").recipe.with_(dim=tiny_e5.WIDTH, max_tokens=tiny_e5.POSITIONS)
    entry = catalog.Entry("tiny", "test", "e5q4", recipe, "checked")
    return e5q4.load(str(path), entry=entry)


ITEMS = [Text(" ".join((tiny_e5.WORDS * 3)[i : i + 1 + i % 13]).replace("▁", "")) for i in range(40)]


def cosines(a, b):
    return (a.data * b.data).sum(axis=1)


def test_short_inputs_go_to_the_encoder_itself(parent):
    encoder = accelerated(parent)
    assert np.array_equal(encoder.encode(ITEMS[:3]).data, parent.encode(ITEMS[:3]).data)
    assert not (cache_folder() / "drift.json").exists(), "nothing was built or measured"


def test_many_short_inputs_go_to_the_fast_form_in_the_end(parent, monkeypatch):
    each = len(parent.tokens(ITEMS[1]))
    monkeypatch.setattr(accelerate, "_WORTH", 3 * each)
    monkeypatch.setattr(accelerate, "DRIFT", 1.0)
    encoder = accelerated(parent)
    exact = parent.encode(ITEMS[1:2]).data
    same = [np.array_equal(encoder.encode(ITEMS[1:2]).data, exact) for _ in range(4)]
    assert same == [True, True, False, False]


@pytest.mark.parametrize("form", ["int8", "float"])
def test_each_form_stays_within_what_was_measured(parent, form):
    fast = accelerated(parent).fast
    rows = parent.space.vectors(fast.rows([parent.tokens(i) for i in ITEMS], form))
    exact = parent.encode(ITEMS)
    measured = fast.drift(form)
    assert 0 < measured < (0.05 if form == "int8" else 1e-3)
    assert 1 - cosines(rows, exact).min() < 4 * measured + 1e-6
    for item, row in zip(ITEMS[:5], rows.data[:5], strict=True):
        alone = parent.space.vectors(fast.rows([parent.tokens(item)], form)).data[0]
        assert row @ alone > 1 - 1e-4, "a text's vector does not depend on its batch"


def test_the_fastest_form_within_the_drift_is_taken_and_the_space_stays(parent, monkeypatch):
    monkeypatch.setattr(accelerate, "_WORTH", 10)
    coarse, fine = (accelerated(parent).fast.drift(form) for form in ("int8", "float"))
    assert fine < coarse
    for allowed, form in ((coarse * 1.1, "int8"), ((coarse + fine) / 2, "float"), (fine / 2, "float32"), (-1.0, None)):
        monkeypatch.setattr(accelerate, "DRIFT", allowed)
        encoder = accelerated(parent)
        assert encoder.fast.form() == form
        rows = encoder.encode(ITEMS)
        assert rows.space == parent.space
        exact = np.array_equal(rows.data, parent.encode(ITEMS).data)
        assert exact == (form is None)
        assert cosines(rows, parent.encode(ITEMS)).min() > 1 - 4 * max(allowed, 1e-6)


def test_what_drifts_further_gets_a_space_of_its_own_if_asked_for(parent, monkeypatch):
    monkeypatch.setattr(accelerate, "DRIFT", 1e-9)
    encoder = accelerated(parent, make=True)
    rows = encoder.encode(ITEMS)
    assert rows.space == encoder.space != parent.space
    assert encoder.space.parent == parent.space
    assert (encoder.recipe.precision, encoder.recipe.backend) == ("int8", "openvino")
    assert (encoder.translator.source, encoder.translator.target) == (parent.space, encoder.space)
    assert 0.5 < encoder.translator.fidelity <= 1
    moved = encoder.translator(parent.encode(ITEMS))
    assert cosines(moved, rows).min() > 0.95
    one = encoder.encode(ITEMS[:1])
    assert one.space == encoder.space
    assert not np.array_equal(one.data, parent.encode(ITEMS[:1]).data), "this Space holds int8 vectors only"


def test_a_drift_is_measured_once_for_a_machine(parent, monkeypatch):
    first = accelerated(parent).fast.drift("int8")
    (key,) = json.loads((cache_folder() / "drift.json").read_text())
    assert parent.space.fingerprint in key
    monkeypatch.setattr(accelerate, "OpenVinoBert", None)
    assert accelerated(parent).fast.drift("int8") == first


def test_roles_order_and_other_kinds_are_as_in_the_encoder(parent, monkeypatch):
    monkeypatch.setattr(accelerate, "_WORTH", 10)
    encoder = accelerated(parent, make=True)
    for role in ("query", "document"):
        assert cosines(encoder.encode(ITEMS, role=role), parent.encode(ITEMS, role=role)).min() > 0.95
    picture = Image(Blob(data=b"x"))
    with pytest.raises(TypeError, match="item 40 is image"):
        encoder.encode([*ITEMS, picture])
    assert len(encoder.encode([])) == 0


def test_other_encoders_are_returned_as_they_are():
    plain = hashing.load("64")
    assert accelerated(plain) is plain
    with pytest.raises(RecipeError, match="no int8 form"):
        accelerated(plain, make=True)


def test_without_openvino_nothing_changes(parent, monkeypatch):
    monkeypatch.setattr(accelerate, "find_spec", lambda name: None)
    assert accelerated(parent) is parent
    with pytest.raises(MissingExtraError, match=r"pip install 'samespace\[cpu\]'"):
        accelerated(parent, make=True)


def test_the_sentences_are_of_many_kinds():
    assert len(set(SENTENCES)) == len(SENTENCES) >= 20
    assert max(map(len, SENTENCES)) > 800
    assert min(map(len, SENTENCES)) == 1


@pytest.mark.slow
def test_weights_of_transformers_models_give_the_same_vectors(folders, monkeypatch):
    monkeypatch.setattr(accelerate, "_WORTH", 10)
    try:
        exact = load("all-MiniLM-L6-v2", accelerate=False, check=False)
    except (WeightsError, MissingExtraError) as err:
        pytest.skip(str(err).splitlines()[0])
    encoder = accelerated(exact)
    items = [Text(s) for s in SENTENCES] + [Text("the wing of an aircraft " * n) for n in (1, 5, 40, 99)]
    rows = encoder.encode(items)
    assert not np.array_equal(rows.data, exact.encode(items).data)
    assert cosines(rows, exact.encode(items)).min() > 1 - DRIFT
    own = load("all-MiniLM-L6-v2", accelerate=True, check=False)
    assert own.space.parent == exact.space
    assert own.translator.fidelity > 0.9
    assert cosines(own.translator(exact.encode(items)), own.encode(items)).min() > 0.98


@pytest.mark.slow
def test_nothing_leaves_the_machine(tmp_path):
    code = """
import json, socket, sys
asked = []
def refuse(*args, **kwargs):
    asked.append(str(args))
    raise OSError("refused by the test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from samespace.encode.load import load
from samespace.items import Text
encoder = load("multilingual-e5-small", check=False)
encoder.encode([Text(f"sentence {n} about the weather in the north") for n in range(300)])
import threading, time
time.sleep(1)
assert "openvino" in sys.modules
print(json.dumps([asked, [m for m in sys.modules if m.startswith("openvino_telemetry")], threading.active_count()]))
"""
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "c"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    if "WeightsNotFoundError" in done.stderr:
        pytest.skip("the packaged E5 is not installed")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], [], 1]
    assert [p.name for p in tmp_path.iterdir()] == ["c"], "nothing but our cache was written into the home folder"
