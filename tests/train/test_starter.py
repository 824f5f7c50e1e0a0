"""The plan `starter`: what it keeps apart, its closed form, its gate, and all of it on toy sets."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image as Pillow

from samespace.encode import lite0, starter, starter_file
from samespace.encode.lite0_net import Net
from samespace.errors import DataError
from samespace.items import Audio, Blob, Image, Text
from samespace.space import similarity
from samespace.train import material, plan, starter_fit, starter_rows, views
from samespace.train.plans import starter as recipe
from samespace.train.starter_fit import Said
from samespace.train.whitening import Whitening

torch.set_num_threads(1)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def toy(n: int = 240, k: int = 24, d: int = 16, seed: int = 0):
    """Features that tell, linearly and with noise, what is said of them; three captions each."""
    rng = np.random.default_rng(seed)
    features, truth = rng.normal(size=(n, k)).astype(np.float32), rng.normal(size=(k, d))
    captions = unit((features @ truth)[:, None] + rng.normal(size=(n, 3, d))).reshape(-1, d).astype(np.float32)
    of = [np.arange(3 * i, 3 * i + 3) for i in range(n)]
    return features, Said(captions, of, np.ones(n))


def recall(head, features, said: Said) -> float:
    scores = said.captions[[at[0] for at in said.of]] @ head(features).T
    return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_the_closed_form_is_the_ridge_towards_bent_captions(power: float) -> None:
    features, said = toy()
    said = Said(said.captions, said.of, np.linspace(1, 3, len(features)))
    features = features * np.linspace(0.2, 3, 24).astype(np.float32) + 1
    got = starter_fit.closed([features], said, 0.5, 24, power=power)
    share = said.weights / said.weights.sum()
    x = features - share @ features
    covariance = x.T @ (x * share[:, None])
    scale = 1 / np.sqrt(np.diag(covariance).mean())  # all one part
    scaled = covariance * scale**2
    moments = said.means().T @ (said.means() * share[:, None])
    values, vectors = np.linalg.eigh(moments + 0.1 * np.trace(moments) / 16 * np.eye(16))
    bent = said.means() @ (vectors * values**-power) @ vectors.T
    wanted = np.linalg.solve(scaled + 0.5 * np.trace(scaled) / 24 * np.eye(24), (x * scale).T @ (bent * share[:, None]))
    assert np.allclose(got.weight, wanted.T * scale, atol=1e-4)
    assert np.allclose(got.weight @ (share @ features) + got.bias, 0, atol=1e-4), "the mean picture says nothing"
    twice = starter_fit.closed([features, features], said, 0.5, 24, power=power)
    assert np.allclose(twice.weight, got.weight, atol=1e-4), "the mean over views"


def test_the_closed_form_learns_and_captions_dealt_out_anew_teach_nothing() -> None:
    features, said = toy()
    dealt = Said(said.captions, [said.of[i] for i in np.random.default_rng(3).permutation(len(said.of))], said.weights)
    assert recall(starter_fit.closed([features], said, 0.1, 24), features, said) > 0.5
    assert recall(starter_fit.closed([features], dealt, 0.1, 24), features, said) < 0.05


def test_the_power_tells_apart_what_is_said_once_among_what_is_always_said() -> None:
    """Captions of a shop: one direction that all share in two ways, and a faint one for each of twelve names."""
    rng = np.random.default_rng(0)
    names, kinds = rng.integers(12, size=600), rng.integers(2, size=600)
    common, own = rng.normal(size=(2, 16)) * 3, rng.normal(size=(12, 16))
    captions = unit(common[kinds] + own[names]).astype(np.float32)
    shown = np.concatenate([np.eye(2)[kinds] * 2, np.eye(12)[names]], axis=1)
    features = (shown + rng.normal(0, 0.6, shown.shape)).astype(np.float32)
    said = Said(captions, [np.array([i]) for i in range(600)], np.ones(600))
    right = []
    for power in (0.0, 0.5):
        head = starter_fit.closed([features[:400]], Said(captions, said.of[:400], np.ones(400)), 1.0, 14, power=power)
        scores = np.einsum("nd,nmd->nm", head(features[400:]), unit(common[kinds[400:]][:, None] + own[None]))
        right.append(float((scores.argmax(axis=1) == names[400:]).mean()))
    assert right[1] > right[0] + 0.05, right


def test_without_strength_features_are_white_under_the_weights() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)) + 3).astype(np.float32)
    weights = rng.uniform(0.1, 2, 300)
    x = Whitening.fit(features, weights, 0.0, 5)(features).astype(np.float64)
    share = weights / weights.sum()
    assert x.shape == (300, 5)
    assert np.allclose(share @ x, 0, atol=1e-4)
    assert np.allclose((x * share[:, None]).T @ x, np.eye(5), atol=1e-3)


def test_few_wide_rows_are_whitened_as_many_are() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(20, 60)) * np.linspace(0.5, 2, 60)).astype(np.float32)
    few = Whitening.fit(features, np.ones(20), 0.3, 60)
    many = Whitening.fit(np.tile(features, (4, 1)), np.ones(80), 0.3, 60)
    grams = [rows @ rows.T for rows in (few(features), many(features))]
    assert few(features).shape[1] < 20 < many(features).shape[1]
    assert np.allclose(*grams, atol=1e-3 * np.abs(grams[1]).max())


def test_a_part_of_small_numbers_counts_as_much_as_one_of_large() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 6)).astype(np.float32)
    uneven = features * np.repeat([1e-3, 50.0], [2, 4]).astype(np.float32)
    made = [Whitening.fit(rows, np.ones(200), 0.4, 6, (2, 4))(rows) for rows in (features, uneven)]
    grams = [rows @ rows.T for rows in made]
    assert np.allclose(*grams, atol=1e-2)


def test_a_narrow_head_keeps_what_its_rows_spread_along() -> None:
    features, _ = toy()
    rng = np.random.default_rng(0)
    head = starter_fit.Folded(rng.normal(size=(16, 3)) @ rng.normal(size=(3, 24)), rng.normal(size=16))
    up, down, bias = head.narrow(features, 3)
    assert up.shape == (16, 3) and down.shape == (3, 24)
    wanted = features @ head.weight.T + head.bias
    assert np.allclose(features @ down.T @ up.T + bias, wanted, atol=1e-3)
    up, down, bias = head.narrow(features, 2)
    lost = np.linalg.norm(features @ down.T @ up.T + bias - wanted)
    assert 1e-2 < lost < 0.7 * np.linalg.norm(wanted - wanted.mean(axis=0))


def test_the_gate_tells_kinds_apart_however_many_there_are_of_each() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], [300, 30, 60])
    rows = rng.normal(size=(390, 12)) + 4 * np.eye(12)[kinds] + 2
    told = starter_fit.gate(rows[::2], kinds[::2], np.ones(195), 0.1, 12)
    scores = rows[1::2] @ told.weight.T + told.bias
    assert (scores.argmax(axis=1) == kinds[1::2]).mean() > 0.97
    assert np.allclose([scores[kinds[1::2] == k, k].mean() for k in range(3)], 1, atol=0.2)


def test_sets_and_labels_are_drawn_by_their_shares() -> None:
    def row(label):
        return starter_rows.Row(Blob(data=b"x"), ("a",), label, "photo", False)

    rows = {"emoji_names": [row("a")] * 4 + [row("b")], "grocery_photos": [row("c")]}
    got = material.balanced(rows, {"emoji_names": 3.0, "grocery_photos": 1.0})
    assert got[:5].sum() == pytest.approx(3)
    assert got[5] == pytest.approx(1)
    assert got[0] == pytest.approx(got[4] / 2), "four of a label: each by the root of their number"


# the sets


def picture(rng, colour, size=(60, 40)) -> bytes:
    pixels = np.clip(np.array(colour) + rng.normal(0, 12, (*size[::-1], 3)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def tone(rng, hertz) -> bytes:
    stream = io.BytesIO()
    samples = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000) / 2 + rng.normal(0, 0.01, 16_000)
    soundfile.write(stream, samples.astype(np.float32), 16_000, format="FLAC")
    return stream.getvalue()


SETTINGS = {
    "text": "hashing:64",
    "side": "96",
    "width": "24",
    "ridge": "0.05",
    "rank": "24",
    "conse": "0",
}
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "white": (250, 250, 250)}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A few rows of every set, in its own columns."""
    folder, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    names = list(COLOURS)
    each = [(i, names[i % 4], picture(rng, COLOURS[names[i % 4]])) for i in range(16)]
    books = ["world-history", "astronomy"]
    sets = {
        "openstax_figures": [
            {"bytes": b, "alt": f"a  {c}\nwall {i}", "caption": "", "label": books[i % 8 == 7], "kind": "photo"}
            for i, c, b in each
        ],
        "grocery_photos": [
            {"bytes": b, "text": c, "coarse": "paint", "description": f"{c} paint", "label": c,
             "split": "val" if i > 11 else "train"} for i, c, b in each
        ],
        "emoji_names": [
            {"image": b, "text": f"{c} square", "names": json.dumps({"en": f"{c} square", "xx": "y"}), "keywords": [c]}
            for i, c, b in each[:10]
        ],
        "cooking_photos": [{"bytes": b, "title": c, "text": c, "label": "dish"} for i, c, b in each[:6]],
        "storybook_pages": [{"bytes": b, "text": c * (i > 0), "story": f"{i:04}"} for i, c, b in each[:6]],
        "subject_photos": [{"bytes": b, "cls": c, "label": f"{c}1"} for i, c, b in each[:8]],
        "environment_sounds": [
            {"bytes": tone(rng, 300 * (1 + i % 3)), "label": f"tone {i % 3}", "title": "x", "fold": f"{1 + i % 2}"}
            for i in range(8)
        ],
        "instrument_samples": [{"bytes": tone(rng, 900), "text": "drum", "label": "Drums"} for i in range(2)],
        "spoken_digits": [{"bytes": tone(rng, 500), "text": "one", "label": "1", "speaker": "ann"} for i in range(2)],
    }  # fmt: skip
    for name, rows in sets.items():
        (folder / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows), folder / name / "manifest.parquet")
    return folder


def test_what_is_kept_apart_is_whole(data) -> None:
    book = starter_rows.load(data, "openstax_figures")
    assert {r.fold for r in book if r.apart} == {"astronomy"}
    assert {r.fold for r in book if not r.apart} == {"world-history"}
    assert book[0].captions == ("a red wall 0",), "one line, nothing empty"
    assert [r.apart for r in starter_rows.load(data, "grocery_photos")] == [False] * 12 + [True] * 4
    assert [r.apart for r in starter_rows.load(data, "emoji_names")] == [i % 5 == 0 for i in range(10)]
    assert len(starter_rows.load(data, "storybook_pages")) == 5, "of one page nothing is said"
    assert all(r.apart for name in ("subject_photos", "spoken_digits") for r in starter_rows.load(data, name))
    assert starter_rows.load(data, "emoji_names")[1].names == {"en": "green square"}


def test_a_set_that_is_missing_is_named_with_what_belongs_there(tmp_path) -> None:
    with pytest.raises(DataError, match=r"(?s)emoji_names.manifest\.parquet cannot be read.*holds openstax_figures"):
        starter_rows.load(tmp_path, "emoji_names")
    (tmp_path / "emoji_names").mkdir()
    (tmp_path / "emoji_names/manifest.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read"):
        starter_rows.load(tmp_path, "emoji_names")


def test_every_class_of_imagenet_has_its_name() -> None:
    names = starter_rows.imagenet()
    assert len(names) == 1000
    assert (names[0], names[285], names[954]) == (("tench", "fish"), ("Egyptian Mau", "cat"), ("banana", ""))


@pytest.fixture(scope="module")
def net() -> Net:
    """A network of random weights that are large enough for colours to reach the end."""
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        for rows in net.state_dict().values():
            wide = rows[0].numel() if rows.ndim > 1 else 1
            rows.copy_(torch.randn(rows.shape) * (2 / wide) ** 0.5 if rows.ndim > 1 else torch.rand(rows.shape) * 0.1)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def out(data, net, tmp_path_factory) -> Path:
    """The plan, run from its flags."""
    patch = pytest.MonkeyPatch()
    patch.setattr(lite0, "network", lambda path=None: net)
    made = recipe.run(plan.config("starter", {**SETTINGS, "data": str(data), "out": str(tmp_path_factory.mktemp("o"))}))
    patch.undo()
    return made


def test_the_plan_makes_a_file_that_tells_colours_by_their_names(out, data) -> None:
    made = starter.load(str(out / "starter.safetensors"))
    rows = [r for r in starter_rows.load(data, "grocery_photos") if r.apart]
    names = made.encode([Text(c) for c in COLOURS], role="query")
    scores = similarity(made.encode([Image(r.blob) for r in rows]), names)
    assert [list(COLOURS)[i] for i in scores.argmax(axis=1)] == [r.captions[0] for r in rows]
    sounds = starter_rows.load(data, "environment_sounds")
    asked = made.encode([Text(f"tone {i}") for i in range(3)], role="query")
    found = similarity(made.encode([Audio(r.blob) for r in sounds]), asked).argmax(axis=1)
    assert (found == [i % 3 for i in range(8)]).all()
    facts = starter_file.facts(out / "starter.safetensors")
    assert facts["config"]["seed"] == 0
    assert facts["text"] == "hashing:64"
    assert "data" not in facts["config"], "no path of the machine it was made on"


def test_features_are_computed_once(out, data, net, monkeypatch) -> None:
    monkeypatch.setattr(lite0, "network", lambda path=None: net)
    monkeypatch.setattr(Net, "features", lambda self, pixels: pytest.fail("computed again"))
    monkeypatch.setattr(Net, "inner", lambda self, pixels, stops: pytest.fail("computed again"))
    before = (out / "starter.safetensors").read_bytes()
    recipe.run(plan.config("starter", {**SETTINGS, "data": str(data), "out": str(out)}))
    assert (out / "starter.safetensors").read_bytes() == before, "the seed decides every byte"


def test_a_view_is_a_part_and_the_seed_decides_which(data, net, tmp_path) -> None:
    rows = starter_rows.load(data, "grocery_photos")[:3]
    whole, part, again = (views.seen(net, rows, v, 96, tmp_path / str(i)) for i, v in enumerate((0, 1, 1)))
    assert np.array_equal(part, again)
    assert not np.allclose(whole, part)
    other = views.seen(net, rows, 1, 96, tmp_path / "other", seed=1)
    assert not np.allclose(part, other)


def test_sounds_are_heard_with_and_without_their_order(data, net, tmp_path) -> None:
    heard = starter_rows.load(data, "environment_sounds")[:2]
    assert views.heard(net, heard, tmp_path).shape == (2, 544)
    assert views.heard(net, heard, tmp_path, order=True).shape == (2, 5488)


def test_sounds_are_named_in_other_languages(tmp_path) -> None:
    (tmp_path / "environment_sounds").mkdir()
    row = {"bytes": b"x", "label": "Rooster", "title": "a.wav", "fold": "1"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "environment_sounds/manifest.parquet")
    said = starter_rows.load(tmp_path, "environment_sounds")[0].captions
    assert said[0] == "Rooster" and "ein Hahn kräht" in said and "公鸡打鸣" in said
