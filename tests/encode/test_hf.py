"""Encoders over transformers: the same numbers as the library's own documented way, without its traps."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch.nn.functional import normalize
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from samespace.encode import hf, picture
from samespace.encode.hf_model import HfEncoder
from samespace.encode.recipe import Recipe
from samespace.errors import ReadError, RecipeError, WeightsError, WeightsNotFoundError
from samespace.items import Blob, Document, Image, Mixed, Text

QWEN = ["qwen_vl:qwen2_vl", "qwen_vl:qwen2_5_vl", "qwen_vl:qwen3_vl"]
WORDS = ["a red kite", "Tax", "The committee met on Tuesday."]


def image(width, height, seed):
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Picture.fromarray(noise).save(stream, "PNG")
    return Image(Blob(data=stream.getvalue()))


PHOTOS = [image(90, 60, 0), image(50, 120, 1)]


def shown(item):
    return picture.decode(item.blob)


def close(encoder, items, reference, **settings):
    made = encoder.encode(items, **settings).data
    np.testing.assert_allclose(made, normalize(reference, dim=-1).detach().numpy(), atol=2e-6)


@pytest.mark.parametrize("name", ["clip", "metaclip"])
def test_clip_as_transformers_documents_it(encoders, folders, name):
    model, words = AutoModel.from_pretrained(folders(name)), AutoTokenizer.from_pretrained(folders(name))
    seen = AutoImageProcessor.from_pretrained(folders(name), backend="pil")
    given = words(WORDS, padding=True, return_tensors="pt")
    given.pop("token_type_ids", None)
    close(encoders(name), [Text(t) for t in WORDS], model.get_text_features(**given).pooler_output)
    pixels = seen(images=[shown(p) for p in PHOTOS], return_tensors="pt")
    close(encoders(name), PHOTOS, model.get_image_features(**pixels).pooler_output)


def test_siglip_texts_at_full_length_without_a_mask(encoders, folders):
    model, words = AutoModel.from_pretrained(folders("siglip")), AutoTokenizer.from_pretrained(folders("siglip"))
    given = words([t.lower() for t in WORDS], padding="max_length", max_length=64, return_tensors="pt")
    reference = model.get_text_features(input_ids=given["input_ids"]).pooler_output
    close(encoders("siglip"), [Text(t) for t in WORDS], reference)
    assert encoders("siglip").recipe.padding == "max_length"


def test_naflex_pictures_keep_their_shape(encoders, folders):
    model = AutoModel.from_pretrained(folders("naflex"))
    seen = AutoImageProcessor.from_pretrained(folders("naflex"), backend="pil")
    pixels = seen(images=[shown(p) for p in PHOTOS], return_tensors="pt")
    assert pixels["spatial_shapes"].tolist()[0] != pixels["spatial_shapes"].tolist()[1]
    close(encoders("naflex"), PHOTOS, model.get_image_features(**pixels).pooler_output)


def test_naflex_patches_follow_the_recipe(folders):
    stated = hf.load(str(folders("naflex")), device="cpu").recipe
    fewer = hf.load(str(folders("naflex")), recipe=stated.with_(max_pixels=9 * 64), device="cpu")
    assert fewer.body.prepare(PHOTOS[0], "document").cost == 16
    assert fewer.body._features(PHOTOS[0].blob)["pixel_values"].shape == (1, 9, 192)
    assert fewer.space != hf.load(str(folders("naflex")), device="cpu").space


@pytest.mark.parametrize("name", QWEN)
def test_qwen_vl_as_one_padded_batch_by_hand(encoders, folders, vl_recipe, name):
    model, words = AutoModel.from_pretrained(folders(name)), AutoTokenizer.from_pretrained(folders(name))
    seen = AutoImageProcessor.from_pretrained(folders(name), backend="pil")
    pixels = seen(images=[shown(p) for p in PHOTOS], return_tensors="pt")
    runs = pixels["image_grid_thw"].prod(1) // seen.merge_size**2
    head = f"<|im_start|>system\n{vl_recipe.instruction}<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
    texts = [
        f"{head}<|vision_start|>{'<|image_pad|>' * int(n)}<|vision_end|>{t}{tail}"
        for n, t in zip(runs, ["", "which?"], strict=True)
    ]
    texts.append(f"{head}only words{tail}")
    given = words(texts, padding=True, return_tensors="pt")
    given.pop("token_type_ids", None)
    kinds = (given["input_ids"] == model.config.image_token_id).int()
    hidden = model(**given, **pixels, mm_token_type_ids=kinds).last_hidden_state
    last = given["attention_mask"].sum(1) - 1
    items = [PHOTOS[0], Mixed((PHOTOS[1], Text("which?"))), Text("only words")]
    close(encoders(name), items, hidden[torch.arange(3), last])


@pytest.mark.parametrize("name", QWEN)
def test_qwen_vl_takes_several_pictures_pages_and_long_texts(encoders, name):
    encoder = encoders(name)
    album = Mixed((PHOTOS[0], Document(PHOTOS[1].blob, "words of the page"), Text("both " * 500)))
    ids = encoder.tokens(album)
    assert len(ids) == encoder.recipe.max_tokens
    runs = [encoder.tokens(p).count(encoder.body.model.config.image_token_id) for p in PHOTOS]
    assert ids.count(encoder.body.model.config.image_token_id) == sum(runs)
    rows = encoder.encode([album, Mixed((PHOTOS[1], PHOTOS[0])), Mixed((PHOTOS[0], PHOTOS[1]))]).data
    assert np.abs(rows[1] - rows[2]).max() > 1e-4, "the order of the pictures counts"


def test_pixel_limits_of_the_recipe_hold(folders, vl_recipe):
    small = hf.load(str(folders(QWEN[0])), recipe=vl_recipe.with_(min_pixels=784, max_pixels=4 * 784), device="cpu")
    assert small.tokens(image(400, 400, 2)).count(small.body.model.config.image_token_id) == 4
    with pytest.raises(ReadError, match="sliver"):
        small.encode([image(1000, 2, 3)])


def test_a_causal_model_that_is_let_see_both_ways(folders, vl_recipe):
    both = hf.load(str(folders("causal")), device="cpu").recipe.with_(bidirectional=True, pooling="mean")
    seeing = hf.load(str(folders("causal")), recipe=both, check=False, device="cpu")
    a, b = (seeing.hidden(Text(f"the same words {end}")) for end in ("x", "y"))
    assert np.abs(a[0] - b[0]).max() > 1e-3
    alone, batch = seeing.encode([Text("a")]).data, seeing.batch([Text("a"), Text("longer than a")])[:1]
    np.testing.assert_allclose(alone, batch, atol=1e-5)
    films = hf.load(str(folders(QWEN[0])), recipe=vl_recipe.with_(bidirectional=True), device="cpu")
    np.testing.assert_allclose(films.encode([PHOTOS[0]]).data, films.batch([Text("x" * 99), PHOTOS[0]])[1:], atol=1e-5)


def test_layer_cut_and_precision(folders):
    stated = hf.load(str(folders("bert")), device="cpu").recipe
    cut = hf.load(str(folders("bert")), recipe=stated.with_(dim=8, truncate_dim=8), device="cpu")
    whole = cut.revised(stated)
    np.testing.assert_allclose(
        cut.encode([Text("cat")]).data,
        normalize(torch.tensor(whole.encode([Text("cat")]).data[:, :8])).numpy(),
        atol=1e-6,
    )
    first = whole.revised(stated.with_(layer=1)).encode([Text("cat")]).data
    assert np.abs(first - whole.encode([Text("cat")]).data).max() > 1e-2
    half = whole.revised(stated.with_(precision="bfloat16"))
    assert half.body.model.dtype == torch.bfloat16
    assert len({cut.space, whole.space, half.space}) == 3


def test_equal_items_go_through_once(encoders):
    encoder, seen = encoders("bert"), []
    real = encoder.body.rows

    class Counting:
        def __getattr__(self, name):
            return getattr(encoder.body, name)

        def rows(self, batch):
            seen.extend(batch)
            return real(batch)

    counted = HfEncoder(encoder.space, encoder.recipe, Counting(), None, encoder.weights, encoder.build)
    made = counted.encode([Text("a"), Text("b"), Text("a")]).data
    assert len(seen) == 2
    assert np.array_equal(made[0], made[2])


def test_pictures_are_decoded_one_at_a_time(encoders, monkeypatch):
    encoder, alive, most = encoders("clip"), [], []
    real = picture.decode

    def counting(blob):
        import weakref

        made = real(blob)
        alive.append(weakref.ref(made))
        most.append(sum(ref() is not None for ref in alive))
        return made

    monkeypatch.setattr(picture, "decode", counting)
    encoder.encode([image(20, 20, n) for n in range(6)])
    assert len(most) == 6
    assert max(most) <= 2  # the one before may still be held by the loop


def test_a_model_that_states_nothing_is_asked_about(folders):
    (folder := folders("causal:llama"))
    import shutil

    bare = folder.parent / "bare"
    shutil.copytree(folder, bare, dirs_exist_ok=True)
    (bare / "modules.json").unlink()
    with pytest.raises(
        RecipeError, match=r"how its vectors are read.*\n.*hf\.load\(path, recipe=Recipe\(family=\"causal\""
    ):
        hf.load(str(bare))


def test_a_width_that_is_not_the_models(folders):
    stated = hf.load(str(folders("bert")), device="cpu").recipe
    with pytest.raises(
        RecipeError, match="32 wide, the recipe says 16\nSay dim=32, or cut them: dim=16, truncate_dim=16"
    ):
        hf.load(str(folders("bert")), recipe=stated.with_(dim=16))
    with pytest.raises(RecipeError, match="precision 'int3'"):
        hf.load(str(folders("bert")), recipe=stated.with_(precision="int3"))
    with pytest.raises(RecipeError, match="family 'pe' is not run by hf:"):
        hf.load(str(folders("bert")), recipe=stated.with_(family="pe"))


def test_tensors_that_are_missing_are_not_left_random(folders, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folders("bert"), tmp_path / "holey")
    path = tmp_path / "holey" / "model.safetensors"
    kept = {k: v for k, v in load_file(path).items() if "layer.1.attention.self.query" not in k}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(RecipeError, match=r"2 tensors are missing.*\nThey would be random numbers"):
        hf.load(str(tmp_path / "holey"))


def test_pickles_are_refused(folders, tmp_path):
    import shutil

    shutil.copytree(folders("bert"), tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").unlink()
    torch.save({"a": torch.ones(1)}, tmp_path / "old" / "pytorch_model.bin")
    with pytest.raises(WeightsNotFoundError, match="Pickled weights"):
        hf.load(str(tmp_path / "old"))


def test_files_that_are_cut_are_named(folders, tmp_path):
    import shutil
    import struct

    cut = tmp_path / "cut"
    shutil.copytree(folders("bert"), cut)
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"a file of its weights cannot be read .*\nIt is cut, damaged"):
        hf.load(str(cut))
    for name, content in (("empty", b""), ("head", b"GGUF" + struct.pack("<IQQ", 3, 9, 9) + b"\7\0\0\0\0")):
        (tmp_path / f"{name}.gguf").write_bytes(content)
        with pytest.raises(WeightsError, match=rf"{name}\.gguf cannot be read .*\nIt is cut, damaged"):
            hf.load(str(tmp_path / f"{name}.gguf"), recipe=Recipe(family="causal", dim=8, pooling="last"))


def test_names_that_lead_nowhere(monkeypatch, tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"neither a folder.*\nName the folder"):
        hf.load("/no/such/folder")
    with pytest.raises(WeightsNotFoundError, match=r"has no config\.json"):
        hf.load(str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        WeightsNotFoundError, match=r"org/none@v1 is not on this machine.*\nWhere there is a network: hf download"
    ):
        hf.load("org/none@v1")


def test_wrong_kinds_are_refused_with_their_position(encoders):
    with pytest.raises(TypeError, match=r"item 1 is image, but .* takes text only"):
        encoders("bert").encode([Text("a"), PHOTOS[0]])
    with pytest.raises(TypeError, match="item 0 is mixed"):
        encoders("clip").encode([Mixed((PHOTOS[0], Text("a")))])


def test_a_recipe_may_take_less_than_the_model_can(folders):
    stated = hf.load(str(folders("clip")), device="cpu").recipe
    blind = hf.load(str(folders("clip")), recipe=stated.with_(modalities=frozenset({"text"})), device="cpu")
    assert blind.modalities == {"text"}
    with pytest.raises(TypeError, match="takes text only"):
        blind.encode([PHOTOS[0]])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert", "clip"])
def test_a_torchvision_that_does_not_fit_is_named(folders, tmp_path, name):
    """One that breaks on import, as one made for another torch does: said plainly, with the mend."""
    fake = tmp_path / "torchvision"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    (tmp_path / "torchvision-0.28.0.dist-info").mkdir()
    (tmp_path / "torchvision-0.28.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n"
    )
    code = f"from samespace.encode.load import load\nprint(load('hf:{folders(name)}').space.dim)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() in ("32", "16") or "pip uninstall torchvision" in done.stderr, done.stderr[-3000:]


def test_unknown_architectures_say_so(folders, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(RecipeError, match="no way to run the architecture 'resnet' with hf:"):
        hf.load(str(tmp_path))


def test_recipe_of_the_caller_is_checked(folders):
    wrong = Recipe(family="siglip", dim=32, pooling="head", padding="longest", max_tokens=64)
    with pytest.raises(RecipeError, match='Say padding="max_length"'):
        hf.load(str(folders("siglip")), recipe=wrong, device="cpu")
