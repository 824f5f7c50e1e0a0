"""The 4-bit BERT against a plain float64 reference."""

import math

import numpy as np
import pytest
import tiny_e5

from samespace.encode.q4_bert import Q4Bert
from samespace.errors import WeightsError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    raw, weights = tiny_e5.build()
    path = tmp_path_factory.mktemp("e5") / "tiny.bin"
    path.write_bytes(raw)
    return Q4Bert(path), weights, path


def reference(weights, ids):
    """One text, straightforwardly."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * w[name + ".w"] + w[name + ".b"]

    def linear(x, name):
        return x @ w[name + ".w"].T + w[name + ".b"]

    x = norm(w["emb.word"][ids] + w["emb.pos"][: len(ids)] + w["emb.type"][0], "emb.ln")
    size = tiny_e5.WIDTH // tiny_e5.HEADS
    for at in (f"l{i}." for i in range(tiny_e5.LAYERS)):
        q, k, v = (linear(x, at + part) for part in "qkv")
        context = np.zeros_like(x)
        for head in (slice(h * size, (h + 1) * size) for h in range(tiny_e5.HEADS)):
            scores = q[:, head] @ k[:, head].T / math.sqrt(size)
            shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            context[:, head] = shares @ v[:, head]
        x = norm(x + linear(context, at + "ao"), at + "aln")
        inner = linear(x, at + "fi")
        inner = inner / 2 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(x + linear(inner, at + "fo"), at + "oln")
    return x.mean(0)


TEXTS = [[0, 5, 4, 2], [0, 7, 8, 2], [0, 9, 2], [0, 6, 11, 10, 12, 13, 14, 15, 16, 17, 18, 19, 2], [0, 2]]


def test_it_computes_what_the_reference_computes(made):
    model, weights, _ = made
    rows = model.forward(TEXTS)
    assert rows.dtype == np.float32
    for ids, row in zip(TEXTS, rows, strict=True):
        np.testing.assert_allclose(row, reference(weights, ids), atol=2e-5)


def test_a_text_gives_the_same_alone_and_in_company(made):
    model, _, _ = made
    together = model.forward(TEXTS)
    for ids, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(model.forward([ids])[0], row, atol=5e-6)


def test_the_full_number_of_positions_is_taken(made):
    model, weights, _ = made
    ids = [0, *([7, 9] * 11), 2]
    assert len(ids) == tiny_e5.POSITIONS
    np.testing.assert_allclose(model.forward([ids])[0], reference(weights, ids), atol=2e-5)


def test_matrices_are_unfolded_as_they_were_packed(made):
    model, weights, _ = made
    assert model.shape.width == tiny_e5.WIDTH
    for name in ("l0.q.w", "l1.fi.w", "l1.fo.w"):
        np.testing.assert_array_equal(model.matrix(name), weights[name])
    np.testing.assert_array_equal(model.vector("l1.oln.b"), weights["l1.oln.b"])


def test_its_tokenizer_comes_out_of_the_file(made):
    tokenizer = made[0].tokenizer
    ids = {piece: i for i, piece in enumerate(tiny_e5.PIECES)}
    assert tokenizer.encode("query: red kite", 99) == [0, *(ids[p] for p in ("▁query", ":", "▁red", "▁ki", "te")), 2]
    assert tokenizer.encode("红\u200b", 99) == [0, ids["▁"], ids["红"], 2]
    assert ids["<mask>"] not in tokenizer.encode("<mask>", 99)


@pytest.mark.parametrize("cut", [0, 3, 40, 200, 3000, -1])
def test_a_file_that_is_cut_short_is_an_error(made, tmp_path, cut):
    path = tmp_path / "cut.bin"
    path.write_bytes(made[2].read_bytes()[:cut])
    with pytest.raises(WeightsError, match=r"not a file of 4-bit E5 weights.*\nInstall it again"):
        Q4Bert(path)


def test_another_file_is_an_error(tmp_path):
    path = tmp_path / "other.bin"
    path.write_bytes(b"GGUF" + bytes(2000))
    with pytest.raises(WeightsError, match="does not begin with E5S1"):
        Q4Bert(path)
