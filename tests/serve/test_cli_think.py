"""samespace think: steps in words, a drawing, and what cannot think."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from samespace.items import Text
from samespace.serve.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A tiny Llama whose words can be read, and whose texts end with a token of their own."""
    from tiny_models import causal

    folder = causal(tmp_path_factory.mktemp("llama"), "llama")
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    said = json.loads((folder / "tokenizer_config.json").read_text()) | {"add_eos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return f"hf:{folder}"


def run(*args: str):
    return CliRunner().invoke(main, ["think", *args])


def test_each_step_says_words_and_how_far_it_moved(model) -> None:
    found = run("a red kite", "--model", model, "--steps", "3")
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == [0, 1, 2, 3]
    assert re.match(r" 0  turned 0\.0000  KL 0\.0000  .+ 0\.\d\d", lines[0])
    assert all(float(line.split()[2]) > 0 and float(line.split()[4]) > 0 for line in lines[1:])


def test_the_drawing_is_a_page_that_needs_nothing(model, tmp_path: Path) -> None:
    where = tmp_path / "out.html"
    found = run("<b>kite</b> & more", "--model", model, "--steps", "2", "--trace", str(where))
    assert found.exit_code == 0 and "drawn:" in found.stderr
    text = where.read_text()
    assert "&lt;b&gt;kite&lt;/b&gt; &amp; more" in text and "<b>kite</b>" not in text
    assert text.count("<tr><td>") == 3 and "<polyline" in text
    assert text.count("<circle") == 2 and ">step 1<" in text and ">step 2<" in text
    assert "http" not in text and "<script" not in text


def test_the_vectors_of_the_steps_are_those_of_the_encoder(model) -> None:
    from samespace.encode.hf_trace import trace
    from samespace.encode.load import load

    encoder = load(model)
    steps = trace(encoder, Text("a red kite"), 2)
    assert all(step.vector.space == encoder.space for step in steps)
    for k, step in enumerate(steps):
        wanted = encoder.encode([Text("a red kite")], role="query", steps=k)
        assert abs(step.vector.data - wanted.data).max() <= 1e-6
        assert abs(sum(share for _, share in step.words)) <= 1
    with pytest.raises(ValueError, match="Trace at least one"):
        trace(encoder, Text("a"), 0)
    with pytest.raises(ValueError, match="Give it a word"):
        trace(encoder, Text(""), 2)


@pytest.mark.slow
def test_an_index_names_what_is_nearest_at_each_step(model, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for name in ("kite", "tax"):
        (tmp_path / "files" / f"{name}.txt").write_text(f"all about a {name}")
    made = CliRunner().invoke(
        main, ["index", str(tmp_path / "files"), "--index", str(tmp_path / "i"), "--model", model]
    )
    assert made.exit_code == 0, made.output
    found = run("a kite", "--model", model, "--steps", "1", "--index", str(tmp_path / "i"))
    assert found.exit_code == 0, found.output
    assert all("kite.txt" in line and "tax.txt" in line for line in found.stdout.splitlines())


def test_what_cannot_think_says_so() -> None:
    found = run("x", "--model", "hashing:64")
    assert found.exit_code == 1
    assert "--model SmolLM2-135M" in found.stderr
