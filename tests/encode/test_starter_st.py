"""The starter as a Router of sentence-transformers: the same vectors, each modality its own way, saved and loaded."""

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as Pillow
from test_starter import written

from samespace.encode import starter
from samespace.errors import ReadError
from samespace.items import Audio, Blob, Image, Text

pytest.importorskip("sentence_transformers")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    return str(written(tmp_path_factory.mktemp("st") / "a.safetensors"))


@pytest.fixture(scope="module")
def model(weights):
    from sentence_transformers import SentenceTransformer

    from samespace.encode.starter_st import router

    return SentenceTransformer(modules=[router(weights)], device="cpu")


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    folder = tmp_path_factory.mktemp("things")
    Pillow.effect_noise((40, 60), 80).convert("RGB").save(folder / "a.png")
    soundfile.write(folder / "a.wav", np.sin(np.arange(16_000) / 9).astype(np.float32), 16_000)
    return folder


def test_every_modality_gets_the_starters_vector(model, weights, things) -> None:
    plain = starter.load(weights)
    wanted = plain.encode([Image(Blob(path=things / "a.png")), Audio(Blob(path=things / "a.wav"))]).data
    assert np.allclose(model.encode([Pillow.open(things / "a.png")]), wanted[:1], atol=1e-5)
    samples, rate = soundfile.read(things / "a.wav", dtype="float32")
    assert np.allclose(model.encode([{"audio": {"array": samples, "sampling_rate": rate}}]), wanted[1:], atol=1e-3)
    assert np.allclose(model.encode(["a red kite"]), plain.encode([Text("a red kite")]).data, atol=1e-5)
    asked = plain.encode([Text("a red kite")], role="query").data
    assert np.allclose(model.encode_query(["a red kite"]), asked, atol=1e-5)


def test_it_is_saved_and_loaded(model, tmp_path) -> None:
    from sentence_transformers import SentenceTransformer

    model.save(str(tmp_path / "saved"))
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu", trust_remote_code=True)
    assert np.array_equal(again.encode(["a red kite"]), model.encode(["a red kite"]))


def test_what_it_cannot_take_is_named(model) -> None:
    from samespace.encode.starter_st import Route

    with pytest.raises(ReadError, match="no image that is known"):
        Route.preprocess(model[0].sub_modules["image"][0], [7])
