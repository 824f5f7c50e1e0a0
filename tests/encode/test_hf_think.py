"""Encoders that think: their Spaces, their roles, their recipes; text and pictures."""

import pytest
import torch

from samespace.encode import doctor, hf
from samespace.encode.contract import check_encoder
from samespace.encode.doctor_subject import pictures
from samespace.encode.hf_think import thinking
from samespace.encode.recipe import Recipe, Thinking
from samespace.errors import RecipeError
from samespace.items import Mixed, Text
from samespace.reason.adapter import Mlp
from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent

TEXTS = [Text("a red kite over the hills"), Text("tax"), Text("")]


@pytest.fixture(scope="module")
def plain(folders):
    """A Qwen3 that is read at its end token."""
    recipe = Recipe(family="causal", dim=32, pooling="last", terminal="<|endoftext|>", max_tokens=48)
    return hf.load(str(folders("silent")), recipe=recipe, device="cpu")


@pytest.fixture(scope="module")
def seeing(encoders):
    return encoders("qwen_vl:qwen2_5_vl")


def test_no_steps_are_the_model_s_own_vectors_and_space(plain) -> None:
    eight = thinking(plain, 8)
    assert thinking(eight, 0).space == plain.space
    assert abs(thinking(eight, 0).encode(TEXTS).data - plain.encode(TEXTS).data).max() <= 1e-6


def test_the_space_knows_the_steps(plain) -> None:
    spaces = {n: thinking(plain, n).space for n in (1, 8)}
    assert len({spaces[1], spaces[8], plain.space}) == 3
    assert spaces[8].name == plain.space.name + "~think-8"
    given = plain.encode(TEXTS, steps=8)
    assert given.space == spaces[8]
    assert abs(given.data - plain.encode(TEXTS).data).max() > 1e-3
    assert thinking(thinking(plain, 1), 8).space == spaces[8]


def test_queries_think_and_documents_do_not_in_one_space(plain) -> None:
    both = thinking(plain, {"query": 4, "document": 0})
    queries, documents = both.encode(TEXTS, role="query"), both.encode(TEXTS)
    assert queries.space == documents.space == both.space
    assert both.space.name.endswith("~think-q4-d0")
    assert abs(documents.data - plain.encode(TEXTS).data).max() <= 1e-5
    assert abs(queries.data - plain.encode(TEXTS, role="query", steps=4).data).max() <= 1e-6


def test_it_keeps_the_contract_and_is_sound(plain, seeing) -> None:
    for encoder in (thinking(plain, {"query": 3, "document": 1}), thinking(seeing, 3)):
        check_encoder(encoder)
        assert [c.name for c in doctor.examine(encoder) if c.passed is False] == []


def test_pictures_are_thought_about(seeing) -> None:
    items = [Mixed((picture, Text("what is this"))) for picture in pictures()]
    some, none = seeing.encode(items, steps=3), seeing.encode(items)
    assert abs(some.data - none.data).max() > 1e-3
    assert abs(some.data[0] - some.data[1]).max() > 1e-3


def test_trained_parts_are_in_the_fingerprint_and_stay_with_the_encoder(plain) -> None:
    def trained(seed: int) -> Latent:
        torch.manual_seed(seed)
        adapter = Mlp(32)
        torch.nn.init.normal_(adapter.last.weight)
        return Latent(32, adapter=adapter)

    one, other = thinking(plain, 2, reasoner=trained(0)), thinking(plain, 2, reasoner=trained(1))
    assert len({one.space.fingerprint, other.space.fingerprint, thinking(plain, 2).space.fingerprint}) == 3
    assert abs(one.encode(TEXTS).data - other.encode(TEXTS).data).max() > 1e-4
    assert one.encode(TEXTS, steps=5).space == thinking(plain, 5, reasoner=trained(0)).space
    half = one.revised(one.recipe.with_(precision="bfloat16"))
    assert abs(half.encode(TEXTS).data - one.encode(TEXTS).data).max() < 0.2
    with pytest.raises(RecipeError, match="thinking\\(encoder, steps, reasoner"):
        plain.revised(one.recipe)


def test_a_recipe_says_it_all(plain, folders) -> None:
    made = thinking(plain, {"query": 3, "document": 0})
    recipe = Recipe.from_dict(made.recipe.to_dict())
    assert recipe == made.recipe
    again = hf.load(str(folders("silent")), recipe=recipe, device="cpu")
    assert again.space == made.space
    assert abs(again.encode(TEXTS, role="query").data - made.encode(TEXTS, role="query").data).max() <= 1e-6
    assert (
        abs(plain.revised(recipe).encode(TEXTS, role="query").data - made.encode(TEXTS, role="query").data).max()
        <= 1e-6
    )
    assert thinking(plain, 3, until="kl").space.fingerprint != thinking(plain, 3).space.fingerprint
    assert "thinking" not in plain.recipe.to_dict(), "recipes without it keep the fingerprint they had"


@pytest.mark.parametrize("feedback", ["soft", "snap", "scale"])
def test_steps_that_ask_for_words_get_the_head(feedback, plain, folders) -> None:
    """The model is loaded without its head, which is no table of embeddings here; a recipe that needs it loads it."""
    from transformers import AutoModelForCausalLM

    until = "kl" if feedback == "scale" else None
    think = Latent(32, steps=4, feedback=feedback, tolerance=0.02)
    made = thinking(plain, {"query": 4, "document": 0}, reasoner=think, until=until)
    assert plain.body.head is None
    assert (plain.encode(TEXTS[:2]).data == made.encode(TEXTS[:2]).data).all()
    whole = Backbone.of(AutoModelForCausalLM.from_pretrained(folders("silent")).eval())
    body = made.body
    ready = [body.prepare(text, "query") for text in TEXTS[:2]]
    with torch.inference_mode():
        wanted = think(whole, body.inner.inputs(ready), steps=4, until=until).embedding
    found = made.encode(TEXTS[:2], role="query").data
    assert abs(found - torch.nn.functional.normalize(wanted, dim=-1).numpy()).max() <= 1e-5
    again = hf.load(str(folders("silent")), recipe=made.recipe, device="cpu")
    assert abs(again.encode(TEXTS[:2], role="query").data - found).max() <= 1e-6
    assert abs(plain.revised(made.recipe).encode(TEXTS[:2], role="query").data - found).max() <= 1e-6


def test_a_seeing_model_gets_its_head_too(seeing) -> None:
    items = [Mixed((picture, Text("what is this"))) for picture in pictures()]
    snapped = thinking(seeing, 2, reasoner=Latent(32, feedback="snap"))
    table = snapped.body.backbone.table
    thought = snapped.body.thought([snapped.body.prepare(item, "query") for item in items])
    assert torch.cdist(thought.latents, table[None].expand(len(items), -1, -1)).min(-1).values.max() < 1e-3
    assert len(snapped.encode(items)) == len(items)


def test_files_without_a_head_are_said(plain, folders, tmp_path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "headless"
    shutil.copytree(folders("silent"), folder)
    kept = {name: rows for name, rows in load_file(folder / "model.safetensors").items() if "lm_head" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    headless = hf.load(str(folder), recipe=plain.recipe, device="cpu")
    with pytest.raises(RecipeError, match=r"hold no head .*\n.*feedback='scale' and without until"):
        thinking(headless, 2, until="kl")
    headless.encode(TEXTS, steps=2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"terminal": None}, 'terminal="<|endoftext|>"'),
        ({"pooling": "mean"}, 'pooling="last"'),
        ({"layer": 1}, "layer=-1"),
    ],
)
def test_no_terminal_token_no_steps(plain, changes, says) -> None:
    with pytest.raises(RecipeError, match=says.replace("|", "\\|")):
        thinking(plain.revised(plain.recipe.with_(**changes)), 2)


def test_what_cannot_think(plain, encoders) -> None:
    for name in ("bert", "clip"):
        with pytest.raises(RecipeError, match="Use a causal model"):
            encoders(name).encode(TEXTS[:1], steps=2)
    with pytest.raises(RecipeError, match="Use a causal model"):
        thinking(plain.revised(plain.recipe.with_(bidirectional=True)), 2)
    with pytest.raises(TypeError, match="accelerate=False"):
        thinking(encoders("st:bert"), 2)
    with pytest.raises(ValueError, match="Use 'kl' or None"):
        thinking(plain, 2, until="entropy")


@pytest.mark.parametrize(
    ("steps", "error"),
    [("8", TypeError), (2.5, TypeError), (-1, ValueError), ({"queries": 8}, ValueError), ({"query": -1}, ValueError)],
)
def test_steps_that_make_no_sense(plain, steps, error) -> None:
    with pytest.raises(error, match=r"steps .*\nGive a whole number"):
        plain.encode(TEXTS[:1], steps=steps)


def test_a_recipe_of_other_feedback_is_another_space(plain) -> None:
    soft = plain.recipe.with_(thinking=Thinking({"query": 2, "document": 2}, feedback="raw"))
    made = plain.revised(soft)
    assert made.space.fingerprint != thinking(plain, 2).space.fingerprint
    assert abs(made.encode(TEXTS).data - thinking(plain, 2).encode(TEXTS).data).max() > 1e-4
