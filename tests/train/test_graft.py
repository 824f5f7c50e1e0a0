"""The plan `graft` on toy data and a tiny random language model: both ways learn, and what they make is an Encoder."""

import json
from pathlib import Path

import mosaic
import numpy as np
import pytest
import tiny_models
import torch

from samespace.encode import grafted, hashing, language, lora, tuned
from samespace.encode.contract import check_encoder
from samespace.encode.graft import Graft
from samespace.encode.load import load as load_encoder
from samespace.errors import DataError, PlanError, RecipeError, SpaceMismatchError, WeightsError
from samespace.items import Audio, Blob, Mixed, Text
from samespace.space import similarity
from samespace.train import plan
from samespace.train.asked import asked
from samespace.train.best import Best
from samespace.train.example import Example
from samespace.train.grafting import composed
from samespace.train.plans import graft

START = mosaic.image(["red", "blue", "red", "blue"])


@pytest.fixture(autouse=True)
def _towers(monkeypatch):
    mosaic.given(monkeypatch)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.causal(tmp_path_factory.mktemp("base"), "llama", stated=False)


def settings(folder: Path, base: Path, rows, **more):
    data = folder / "rows.parquet"
    if not data.exists():
        rows(data)
    given = {"data": data, "base": str(base), "out": folder / "out", "tower": "mosaic:", "text": "hashing:64"}
    sizes = {"layers": None, "dim": 24, "hidden": 32, "rank": 4, "max_tokens": 60, "template": "A {text}. "}
    rest = {"epochs": 10, "batch": 24, "held_out": 0.2, "every": 20, "learning_rate": 1e-2, "dropout": 0.0}
    return plan.config("graft", {**given, **sizes, **rest, **more})


def card(out: Path):
    return json.loads((out / "grafted.json").read_text())


def made_by(rows, tmp_path_factory, base, **more):
    with pytest.MonkeyPatch.context() as patch:
        mosaic.given(patch)
        return graft.run(settings(tmp_path_factory.mktemp("graft"), base, rows, **more))


@pytest.fixture(scope="module")
def queries(tmp_path_factory, base):
    return made_by(mosaic.edits, tmp_path_factory, base)


@pytest.fixture(scope="module")
def captions(tmp_path_factory, base):
    return made_by(mosaic.names, tmp_path_factory, base, epochs=20)


def test_both_ways_learn_and_write_what_they_made(queries, captions) -> None:
    for out in (queries, captions):
        curve = card(out)["facts"]["curve"]
        assert curve[-1]["loss"] < 0.8 * curve[1]["loss"], curve
        assert max(p["recall@10"] for p in curve) > curve[0]["recall@10"]
        assert (out / "page.html").read_text().count("<svg") == 3


def test_what_they_make_are_encoders(queries, captions) -> None:
    for out in (queries, captions):
        check_encoder(load_encoder(f"grafted:{out}"))


def test_captions_land_in_the_space_of_the_text_model(captions) -> None:
    encoder, texts = grafted.load(str(captions)), hashing.load("64")
    assert encoder.space == texts.space
    words = [Text("red blue red blue 3")]
    assert np.array_equal(encoder.encode(words).data, texts.encode(words).data)
    near = encoder.encode([START]).data @ (encoder.mean / np.linalg.norm(encoder.mean))
    assert near == pytest.approx(np.linalg.norm(encoder.mean), abs=1e-5), "as near to the middle as texts are"


def test_queries_obey_words_and_pictures_have_layers_of_their_own(queries) -> None:
    encoder = grafted.load(str(queries))
    assert encoder.text is None
    assert encoder.space.dim == 24
    one, other = (Mixed((START, Text(f"make {c} white"))) for c in ("south west", "north west"))
    rows = encoder.encode([one, other, START], role="query")
    assert similarity(rows[[0]], rows[[1]])[0, 0] < 0.99
    assert np.allclose(rows.data[2], encoder.looks(mosaic.Cells().encode([START]).data)[0], atol=1e-6)


@pytest.mark.slow
def test_the_same_run_gives_equal_vectors_and_the_base_stays(base, captions, tmp_path) -> None:
    before = lora.frozen_hash(language.opened(str(base), device="cpu").model)
    again = graft.run(settings(tmp_path, base, mosaic.names, epochs=20))
    one, two = grafted.load(str(captions)), grafted.load(str(again))
    items = [START, Mixed((START, Text("x")))]
    assert np.array_equal(one.encode(items).data, two.encode(items).data)
    assert lora.frozen_hash(two.graft.language.model) == before
    assert card(again)["sha256"] == card(captions)["sha256"]


@pytest.mark.slow
def test_a_run_that_is_ended_early_goes_on_to_the_same_curve(base, queries, tmp_path) -> None:
    class Stop(Exception):
        """In the place of a power cut."""

    def stop(point):
        if point["step"] == 20:
            raise Stop

    config = settings(tmp_path, base, mosaic.edits)
    with pytest.raises(Stop):
        graft.run(config, stop)
    assert not (tmp_path / "out/grafted.json").exists()
    assert card(graft.run(config))["facts"]["curve"] == card(queries)["facts"]["curve"]


def test_a_head_that_is_fitted_in_closed_form_stays(base, tmp_path) -> None:
    from safetensors.numpy import load_file

    outs = [graft.run(settings(tmp_path, base, mosaic.names, out=tmp_path / f"{n}-{s}", epochs=n, start=s))
            for n, s in ((1, 40), (2, 40), (1, 0))]  # fmt: skip
    heads = [load_file(out / "grafted.safetensors")["head.weight"] for out in outs]
    assert np.array_equal(heads[0], heads[1])
    assert not np.allclose(heads[0], heads[2], atol=0.05)
    first = [card(out)["facts"]["curve"][0] for out in outs]
    assert first[0]["recall@10"] >= first[2]["recall@10"], "the closed form is no worse a start than chance"


def test_a_tuned_model_goes_on_from_its_adapters(base, tmp_path) -> None:
    def opened(how: str) -> str:
        used = language.opened(str(base), layers=1, template="See {text}: ", pooling="mean", max_tokens=60)
        if how == "lora":
            lora.adapt(used.model, rank=3)
            for name, part in lora.adapters(used.model).items():
                part.data = torch.randn(part.shape, generator=torch.Generator().manual_seed(len(name))) / 4
        else:
            used.model.requires_grad_(True)
        tuned.save_language(used, tmp_path / how)
        return f"tuned:{tmp_path / how}"

    first = opened("lora")
    given = settings(tmp_path, first, mosaic.names, pooling="last", epochs=1, learning_rate=1e-9)
    graft.run(given)
    used = grafted.load(str(given.out)).graft.language
    assert (used.layers, used.recipe.template, used.recipe.pooling) == (1, "See {text}: ", "mean")
    before = lora.adapters(tuned.opened(tmp_path / "lora").model)
    for name, part in lora.adapters(used.model).items():
        assert torch.allclose(part, before[name], atol=1e-6), "it begins where the tuned model ended"
    faster = settings(tmp_path, first, mosaic.names, epochs=1, out=tmp_path / "faster")
    graft.run(faster)
    moved = lora.adapters(grafted.load(str(faster.out)).graft.language.model)
    assert any(not torch.allclose(part, before[name], atol=1e-3) for name, part in moved.items()), "and goes on"
    with pytest.raises(RecipeError, match=r"all its weights were trained.*\nTrain it anew with --weights lora"):
        graft.run(settings(tmp_path, opened("full"), mosaic.names))


def test_tokens_are_read_out_as_is_said(base, tmp_path) -> None:
    for how in ("last", "mean"):
        out = graft.run(settings(tmp_path, base, mosaic.names, pooling=how, epochs=1, out=tmp_path / how))
        assert grafted.load(str(out)).recipe.pooling == how


# the model


def small(base: Path) -> Graft:
    torch.manual_seed(1)
    used = language.opened(str(base), template="A {text}. ", device="cpu")
    lora.adapt(used.model, rank=2)
    return Graft(used, 16, 4, 8, 6)


def test_neither_company_nor_absence_of_a_picture_moves_a_row(base) -> None:
    model = small(base)
    pictures = torch.from_numpy(mosaic.Cells().encode([START, mosaic.image(["white"] * 4)]).data.copy())
    words = [model.ready("longer words than the others"), model.ready("")]
    shown = torch.tensor([True, True])
    with torch.no_grad():
        both = model(pictures, shown, words)
        alone = torch.cat([model(pictures[[i]], shown[[i]], [words[i]]) for i in (0, 1)])
        hidden = [model(some, torch.tensor([False, False]), words) for some in (pictures, pictures.flip(0))]
        plain = model.head(model.language(words))
    assert torch.allclose(both, alone, atol=1e-5)
    assert torch.allclose(hidden[0], hidden[1], atol=1e-6), "a picture that is not shown is not seen"
    assert torch.allclose(hidden[0], plain, atol=1e-5), "without pictures it reads as the language model does"
    assert not torch.allclose(both, hidden[0], atol=1e-3), "a picture that is shown is seen"


def test_picture_tokens_are_as_long_as_the_embeddings(base) -> None:
    model = small(base)
    made = model._projected(torch.from_numpy(mosaic.Cells().encode([START]).data.copy()))
    assert made.shape == (1, 4, 32)
    assert torch.allclose(made.norm(dim=-1), model.length.expand(1, 4), atol=1e-4)
    own = model.language.embedded(torch.arange(200)).norm(dim=-1).mean()
    assert float(model.length) == pytest.approx(float(own), rel=0.1)


def test_only_what_is_learned_is_in_its_state(base) -> None:
    model = small(base)
    names = set(model.state_dict())
    assert all(".lora_" in n or n.split(".")[0] in ("projector", "head", "length") for n in names)
    assert any(".lora_" in n for n in names)
    best = Best(model)
    start = model.head.weight.detach().clone()
    best.seen(model, 0.5)
    with torch.no_grad():
        model.head.weight.add_(1)
    best.seen(model, 0.4)
    best.put_back(model)
    assert torch.equal(model.head.weight, start), "a worse state is not kept"


def test_pieces_give_the_gradient_of_the_whole(base, tmp_path) -> None:
    from samespace.train.grafting import Growing, Grown, Task
    from samespace.train.perceptron import Perceptron

    mosaic.edits(tmp_path / "rows.parquet", 6)
    rows = asked(graft.data.load(tmp_path / "rows.parquet")[0])
    vectors = mosaic.Cells().encode(rows.pictures).data.copy()
    model = Grown(Growing(small(base), Perceptron(vectors, 8, 6, 0.0)), 0.05)
    ready = [model.parts.graft.ready(t.text) for t in rows.texts]
    task = Task(rows, rows.said, torch.from_numpy(vectors), ready, None)
    slopes = []
    for piece in (6, 2):
        model.zero_grad()
        task.loss(model, np.arange(6), piece).backward()
        slopes.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert set(slopes[0]) == set(slopes[1])
    assert len(slopes[0]) > 10
    for name, slope in slopes[0].items():
        assert torch.allclose(slope, slopes[1][name], atol=1e-4), name


# bad input


def test_a_base_that_is_no_causal_model_is_named(tmp_path) -> None:
    bert = tiny_models.bert(tmp_path / "bert")
    with pytest.raises(RecipeError, match="family 'bert', no language model\nName a causal model"):
        graft.run(settings(tmp_path, bert, mosaic.edits))


def test_anchors_of_two_kinds_are_named() -> None:
    rows = [Example(Mixed((START, Text("x"))), START), Example(Text("x"), START)]
    with pytest.raises(DataError, match="row 1, anchor: the anchor has no picture, and 1 of 2 have one\nTrain on each"):
        composed(asked(rows))
    assert composed(asked(rows[:1]))
    assert not composed(asked(rows[1:]))


def test_a_tower_that_cannot_be_cut_is_named(base, tmp_path) -> None:
    with pytest.raises(ValueError, match="16 numbers of a picture cannot be cut into 3 tokens\nTake as many"):
        graft.run(settings(tmp_path, base, mosaic.edits, tokens=3))


@pytest.mark.parametrize("bad", [{"tokens": 0}, {"held_out": 1}, {"learning_rate": 0}, {"precision": "int8"}])
def test_bad_settings_are_answered(bad, base, tmp_path) -> None:
    with pytest.raises(PlanError):
        settings(tmp_path, base, mosaic.edits, **bad)


def test_damaged_files_and_another_base_are_named(base, queries, tmp_path) -> None:
    for path in queries.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    said, model = card(queries), json.loads((queries / "tuned.json").read_text())

    def refused(kind, match, **changed):
        (tmp_path / "grafted.json").write_text(json.dumps(said | changed))
        with pytest.raises(kind, match=match):
            grafted.load(str(tmp_path))

    other = tiny_models.causal(tmp_path / "other", "qwen3", stated=False)
    (tmp_path / "tuned.json").write_text(json.dumps(model | {"base": model["base"] | {"place": str(other)}}))
    refused(WeightsError, "is not the model that .*\nPut that model back")
    (tmp_path / "tuned.json").write_text(json.dumps(model | {"recipe": model["recipe"] | {"max_tokens": 61}}))
    refused(WeightsError, "holds another language model than the one that grafted.json names\nMake it: samespace")
    (tmp_path / "tuned.json").write_text(json.dumps(model))
    refused(WeightsError, "another language model than the one", language="0" * 64)
    refused(SpaceMismatchError, "test/other@1", tower_space=said["tower_space"] | {"name": "test/other@1"})
    (tmp_path / "grafted.safetensors").write_bytes(b"x")
    refused(WeightsError, "is not the file that grafted.json names\nMake it: samespace train graft")


def test_items_it_does_not_take_are_named(queries) -> None:
    encoder = grafted.load(str(queries))
    with pytest.raises(TypeError, match="item 1 is audio"):
        encoder.encode([START, Audio(Blob(data=b"x"))])
    with pytest.raises(TypeError, match="item 0 has several pictures"):
        encoder.encode([Mixed((START, Text("x"), Mixed((START,))))])
