"""Sentence-transformers' models: its numbers, without its traps."""

import json
import shutil

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from samespace.encode import doctor, doctor_subject, hf, picture, st
from samespace.errors import RecipeError
from samespace.items import Audio, Blob, Locator, Mixed, Text

WORDS = ["a red kite", "Tax", "", "The committee met on Tuesday. " * 30]


def its_own(folder, texts, **settings):
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return model.encode(texts, normalize_embeddings=True, **settings)


def test_its_own_numbers(encoders, folders):
    made = encoders("st:bert").encode([Text(t) for t in WORDS]).data
    np.testing.assert_allclose(made, its_own(folders("bert"), WORDS), atol=1e-6)
    np.testing.assert_allclose(made, encoders("bert").encode([Text(t) for t in WORDS]).data, atol=1e-6)


@pytest.mark.slow
def test_its_own_numbers_on_real_weights(real_minilm):
    texts = [*WORDS, "你好", "deep " * 400, " two  spaces\n"]
    reference = its_own(real_minilm, texts)
    for made in (st.load(str(real_minilm), device="cpu"), hf.load(str(real_minilm), device="cpu")):
        np.testing.assert_allclose(made.encode([Text(t) for t in texts]).data, reference, atol=1e-6)


def test_pictures_and_pages(encoders, folders):
    encoder, pictures = encoders("st:clip"), doctor_subject.pictures()
    assert encoder.modalities == {"text", "image", "document"}
    reference = its_own(folders("clip"), [picture.decode(p.blob) for p in pictures])
    np.testing.assert_allclose(encoder.encode(pictures).data, reference, atol=1e-6)
    np.testing.assert_allclose(encoder.encode(pictures).data, encoders("clip").encode(pictures).data, atol=1e-5)


def test_prompts_by_role_also_when_a_documents_is_called_passage(folders, tmp_path):
    shutil.copytree(folders("bert"), tmp_path / "e5")
    said = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (tmp_path / "e5" / "config_sentence_transformers.json").write_text(json.dumps(said))
    encoder = st.load(str(tmp_path / "e5"), device="cpu")
    for role, prompt in (("query", "query: "), ("document", "passage: ")):
        made = encoder.encode([Text("cat")], role=role).data
        np.testing.assert_allclose(made, its_own(folders("bert"), [f"{prompt}cat"]), atol=1e-6)
        assert encoder.tokens(Text("cat"), role=role) == encoder.tokens(Text(f"{prompt}cat"))[:0] + _ids(
            encoder, prompt
        )
    assert [c for c in doctor.examine(encoder) if c.passed is False] == []


def _ids(encoder, prompt):
    return tuple(encoder.model.tokenizer(f"{prompt}cat")["input_ids"])


def test_the_modules_are_in_the_fingerprint(folders, tmp_path):
    shutil.copytree(folders("bert"), tmp_path / "cls")
    (tmp_path / "cls" / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 32, "pooling_mode": "cls"}'
    )
    first, mean = st.load(str(tmp_path / "cls"), device="cpu"), st.load(str(folders("bert")), device="cpu")
    assert first.recipe.pooling == "cls"
    assert first.space.fingerprint != mean.space.fingerprint


def test_siglip_texts_need_their_full_length(folders):
    with pytest.raises(RecipeError, match=r"pads SigLIP's texts to the longest.*\nLoad it by hf:"):
        st.load(str(folders("siglip")), device="cpu")
    full = {"text": {"padding": "max_length", "max_length": 64}}
    encoder = st.load(str(folders("siglip")), processing=full, device="cpu")
    doctor.quick(encoder)
    lower = [Text("a red kite"), Text("tax")]
    reference = hf.load(str(folders("siglip")), device="cpu").encode(lower).data
    np.testing.assert_allclose(encoder.encode(lower).data, reference, atol=1e-5)
    assert encoder.space != st.load(str(folders("clip")), device="cpu").space


def test_a_mean_that_nobody_asked_for(folders, tmp_path):
    for name in ("causal", "qwen_vl:qwen2_vl", "bert"):
        folder = tmp_path / name.replace(":", "-")
        shutil.copytree(folders(name), folder)
        (folder / "modules.json").unlink(missing_ok=True)
        with pytest.raises(
            RecipeError, match=r"would take the mean.*\nSay how it is read: samespace\.encode\.hf\.load"
        ):
            st.load(str(folder))


def test_kinds_it_does_not_take(encoders):
    with pytest.raises(TypeError, match="item 1 is image"):
        encoders("st:bert").encode([Text("a"), doctor_subject.pictures()[0]])
    with pytest.raises(TypeError, match="item 0 is mixed"):
        encoders("st:clip").encode([Mixed((Text("a"),))])


def test_a_stretch_of_sound(tmp_path):
    import io

    import soundfile

    stream = io.BytesIO()
    left = np.arange(4000, dtype=np.float32) / 8000
    soundfile.write(stream, np.stack([left, left], 1), 1000, format="WAV", subtype="FLOAT")
    sound = st._sound(Audio(Blob(data=stream.getvalue()), Locator(seconds=(1.0, 2.5))))
    assert sound["sampling_rate"] == 1000
    np.testing.assert_allclose(sound["array"], left[1000:2500], atol=1e-6)
    assert len(st._sound(Audio(Blob(data=stream.getvalue())))["array"]) == 4000
