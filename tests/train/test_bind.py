"""The plan `bind` on toy data: it learns, goes on after kill -9, stops when it must, and its head is an Encoder."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy
from click.testing import CliRunner

from samespace import registry
from samespace.encode import bound, catalog, hashing
from samespace.encode.contract import check_encoder
from samespace.errors import CheckpointError, DataError, DivergedError, PlanError, SpaceMismatchError, WeightsError
from samespace.items import Blob, Image, Text
from samespace.serve.cli import main
from samespace.space import similarity
from samespace.train import plan, state
from samespace.train.plans import bind


class Colours:
    """Pictures → mean, spread and pairwise products of their colours: a tower without weights."""

    recipe = None
    modalities = frozenset({"image"})
    space = hashing.load("16").recipe.with_(dim=9).space("test/colours@1", "1")

    def encode(self, items, *, role="document"):
        from samespace.encode import picture

        made = []
        for position, item in enumerate(items):
            if not isinstance(item, Image):
                raise TypeError(f"item {position} is {item.modality}, but this takes image only")
            rgb = np.asarray(picture.decode(item.blob), np.float32).reshape(-1, 3).mean(axis=0) / 255
            made.append([*rgb, *(rgb**2), rgb[0] * rgb[1], rgb[1] * rgb[2], rgb[0] * rgb[2]])
        return self.space.vectors(np.array(made).reshape(-1, 9) + 0.05)


@pytest.fixture(autouse=True)
def towers(monkeypatch):
    """`toy:` leads to the tower, as an entry point of a plugin would."""
    known = registry.load
    monkeypatch.setattr(
        registry,
        "load",
        lambda group, scheme: (lambda rest, **s: Colours()) if scheme == "toy" else known(group, scheme),
    )


def settings(tmp_path: Path, **more):
    data = tmp_path / "rows.parquet"
    if not data.exists():
        toy.rows(data)
    given = {"data": data, "out": tmp_path / "out", "tower": "toy:", "target": "hashing:64", "epochs": 6, "batch": 32}
    return plan.config("bind", {**given, "held_out": 0.25, "every": 5, "learning_rate": 2e-3, **more})


def card(out: Path):
    return json.loads((out / "bound.json").read_text())


@pytest.mark.parametrize("loss", ["infonce", "sigmoid", "spread"])
def test_it_learns_and_writes_what_it_made(loss: str, tmp_path) -> None:
    points = []
    out = bind.run(settings(tmp_path, loss=loss), points.append)
    curve = card(out)["facts"]["curve"]
    assert [p["step"] for p in curve] == [0, 5, 10, 15, 20, 24]
    assert points == curve[1:]
    assert curve[-1]["loss"] < curve[1]["loss"]
    assert curve[0]["recall@10"] > 2 * curve[0]["chance@10"], "the closed form is the start"
    page = (out / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "recall@10" in page
    assert str(tmp_path / "rows.parquet") in page


def test_its_head_is_an_encoder_in_the_space_of_the_texts(tmp_path) -> None:
    out = bind.run(settings(tmp_path))
    encoder, texts = bound.load(str(out)), hashing.load("64")
    assert encoder.space == texts.space
    rng = np.random.default_rng(9)
    names = ["bright red", "plain blue", "dark grey", "deep green"]
    pictures = [Image(Blob(data=toy.picture(toy.COLOURS[n], rng))) for n in names]
    check_encoder(encoder, pictures, tolerance=1e-5)
    scores = similarity(texts.encode([Text(n) for n in names], role="query"), encoder.encode(pictures))
    assert (scores.argmax(axis=1) == np.arange(4)).sum() >= 3
    lengths = np.linalg.norm(encoder.encode(pictures).data, axis=1)
    assert np.allclose(lengths, 1, atol=1e-5)


def test_a_head_lies_in_the_cone_of_the_texts(tmp_path) -> None:
    """A picture is as near to the mean of the texts as texts are, so one index can hold both."""
    out = bind.run(settings(tmp_path))
    encoder = bound.load(str(out))
    middle = encoder.head.mean / np.linalg.norm(encoder.head.mean)
    pictures = [Image(Blob(data=toy.picture(rgb, np.random.default_rng(1)))) for rgb in list(toy.COLOURS.values())[:9]]
    near = encoder.encode(pictures).data @ middle
    assert np.allclose(near, np.linalg.norm(encoder.head.mean), atol=1e-5)


def test_captions_dealt_out_anew_teach_nothing(tmp_path) -> None:
    made = bind.run(settings(tmp_path, shuffle=True))
    last = card(made)["facts"]["curve"][-1]
    assert last["recall@10"] < last["chance@10"] + 0.15


def test_training_never_ends_below_its_start(tmp_path) -> None:
    """A rate that ruins the head: what is written is the closed form."""
    out = bind.run(settings(tmp_path, learning_rate=0.5, epochs=3))
    curve = card(out)["facts"]["curve"]
    tried = [p["recall@10"] for p in curve]
    kept = state.States(out, "").path
    assert kept.is_file()
    from safetensors.torch import load_file

    assert float(load_file(kept)["model.best_recall"]) == pytest.approx(max(tried))


def test_bad_rows_are_left_out_and_named_in_the_card(tmp_path) -> None:
    toy.rows(tmp_path / "rows.parquet", bad=True)
    out = bind.run(settings(tmp_path, epochs=1))
    said = card(out)["facts"]["left_out"]
    assert said[0].startswith("row 3, positive: not a picture")
    assert said[1] == "row 4, anchor: the text is empty"
    assert card(out)["facts"]["rows"] == 120


def test_a_run_goes_on_to_the_same_curve(tmp_path) -> None:
    """Stopped after 10 steps by a state that cannot be kept; the second run draws what the first would have."""
    whole = card(bind.run(settings(tmp_path)))["facts"]["curve"]
    stopped = settings(tmp_path, out=tmp_path / "stopped")
    points = []

    def stop(point):
        points.append(point)
        if point["step"] == 10:
            (stopped.out / "state.part").symlink_to("/dev/full")

    with pytest.raises(CheckpointError, match=r"step 15 could not be kept: No space left.* whole .*\nFree some space"):
        bind.run(stopped, stop)
    assert not (stopped.out / "state.part").is_symlink()
    assert card(bind.run(stopped))["facts"]["curve"] == whole


KILLED = """
import sys, os, signal
sys.path[:0] = [{here!r}]
import torch; torch.set_num_threads(1)
from samespace import registry
import test_bind
known = registry.load
registry.load = lambda g, s: (lambda rest, **k: test_bind.Colours()) if s == "toy" else known(g, s)
from pathlib import Path
def tell(point):
    if point["step"] == 10:
        os.kill(os.getpid(), signal.SIGKILL)
test_bind.bind.run(test_bind.settings(Path({place!r})), tell)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_curve(tmp_path) -> None:
    whole = card(bind.run(settings(tmp_path, out=tmp_path / "whole")))["facts"]["curve"]
    code = KILLED.format(here=str(Path(__file__).parent), place=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    out = tmp_path / "out"
    assert not (out / "bound.json").exists()
    assert card(bind.run(settings(tmp_path)))["facts"]["curve"] == whole


def test_a_rate_that_diverges_stops_with_the_step_and_the_last_good_state(tmp_path) -> None:
    config = settings(tmp_path, loss="sigmoid", learning_rate=1e6)
    with pytest.raises(
        DivergedError, match=r"at step \d+; the last good state is .*state.safetensors\nLower"
    ) as caught:
        bind.run(config)
    assert "--learning-rate 100000" in str(caught.value)
    assert caught.value.checkpoint == str(config.out / "state.safetensors")


def test_a_state_of_another_training_is_not_gone_on_from(tmp_path) -> None:
    bind.run(settings(tmp_path, epochs=1))
    with pytest.raises(CheckpointError, match="other settings or data\nName another folder"):
        bind.run(settings(tmp_path, epochs=1, temperature=0.5))


def test_a_damaged_state_is_named(tmp_path) -> None:
    config = settings(tmp_path, epochs=1)
    bind.run(config)
    (config.out / "state.safetensors").write_bytes(b"half of it")
    with pytest.raises(CheckpointError, match=r"it is damaged .*\nDelete it"):
        bind.run(config)


def test_too_few_rows_are_named(tmp_path) -> None:
    toy.pq.write_table(toy.pa.table({"anchor": ["a"], "positive": [toy.picture((1, 2, 3), np.random.default_rng(0))]}),
                       tmp_path / "rows.parquet")  # fmt: skip
    with pytest.raises(DataError, match="too few to train on\nGive more rows"):
        bind.run(settings(tmp_path))


def test_a_damaged_head_and_another_tower_are_named(tmp_path) -> None:
    out = bind.run(settings(tmp_path, epochs=1))
    made = card(out)
    made["source"]["name"] = "test/other@1"
    (out / "bound.json").write_text(json.dumps(made))
    with pytest.raises(SpaceMismatchError, match="test/other@1"):
        bound.load(str(out))
    (out / "bound.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is not the file that"):
        bound.load(str(out))
    with pytest.raises(WeightsError, match=r"holds no bound\.json\nMake it"):
        bound.load(str(tmp_path))


def test_a_card_that_lacks_something_is_named(tmp_path) -> None:
    out = bind.run(settings(tmp_path, epochs=1))
    said = {name: value for name, value in card(out).items() if name != "tower"}
    (out / "bound.json").write_text(json.dumps(said))
    with pytest.raises(WeightsError, match=r"does not say what it should \('tower'\)\nMake it"):
        bound.load(str(out))


def test_a_tower_may_be_named_as_the_catalogue_names_it(tmp_path, monkeypatch) -> None:
    entry = catalog.Entry("colours", "test", "toy", Colours.space, "checked")
    known = catalog.get
    monkeypatch.setattr(catalog, "get", lambda name: entry if name == "colours" else known(name))
    out = bind.run(settings(tmp_path, epochs=1, tower="colours"))
    assert bound.load(str(out)).tower.space == Colours.space


# the command


def called(*words: str):
    return CliRunner().invoke(main, ["train", *words])


def test_the_command_runs_a_plan_and_goes_on(tmp_path) -> None:
    toy.rows(tmp_path / "rows.parquet")
    (tmp_path / "my.toml").write_text('tower = "toy:"\ntarget = "hashing:64"\nepochs = 1\nevery = 2\nbatch = 999\n')
    words = ["bind", "--data", str(tmp_path / "rows.parquet"), "--out", str(tmp_path / "o")]
    run = called(*words, "--config", str(tmp_path / "my.toml"), "--batch=32")
    assert run.exit_code == 0, run.output
    assert run.output.count("step ") == 3, "every two of five steps, and the last"
    assert run.output.endswith("page.html shows the curves\n")
    again = called(*words, "--config", str(tmp_path / "my.toml"), "--batch=32")
    assert again.output.count("step ") == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bnd"], "unknown training plan 'bnd'\nDid you mean 'bind'?"),
        (["bind", "--lerning-rate", "1"], "unknown setting 'lerning_rate'\nDid you mean 'learning_rate'?"),
        (["bind", "--data", "x"], "out must be given\nsamespace train bind --out"),
        (["bind", "--data", "x", "--out", "y", "--epochs", "many"], "epochs is 'many'\nGive a whole number: --epochs"),
        (["bind", "--data", "x", "--out", "y", "--loss", "infonc"], "loss is 'infonc'\nDid you mean 'infonce'?"),
        (["bind", "--data", "x", "--out", "y", "--epochs", "0"], "epochs is 0\nUse at least 1"),
        (["bind", "--data", "x", "--out", "y", "--held-out", "1"], "held_out is 1.0\nUse a share between 0 and 1"),
        (["bind", "--data", "x", "--out", "y", "--held-out", "0"], "held_out is 0.0\nUse a share between 0 and 1"),
        (["bind", "--data", "x", "--out", "y", "--shuffle", "perhaps"], "shuffle is 'perhaps'"),
        (["bind", "--data", "x", "--out", "y", "--learning-rate", "nan"], "is 'nan'\nGive a number: --learning-rate"),
        (["bind", "--data", "x", "--out", "y", "--seed", "-1"], "seed is -1\nUse at least 0"),
        (["bind", "--data", "x", "--out", "y", "--ridge", "0"], "ridge is 0.0\nUse a number above 0"),
        (["bind", "--data", "x", "--out", "y", "--dropout", "1"], "dropout is 1.0\nUse a share below 1"),
        (["finetune", "--base", "x", "--data", "x", "--out", "y", "--piece", "0"], "piece is 0\nUse at least 1"),
        (["finetune", "--base", "x", "--data", "x", "--out", "y", "--fitted", "1"], "fitted is 1\nUse at least 2"),
        (["finetune", "--base", "x", "--data", "x", "--out", "y", "--temperature", "-1"], "temperature is -1.0\nUse"),
        (["graft", "--base", "x", "--data", "x", "--out", "y", "--start", "1"], "start is 1\nUse 0, or at least 2"),
        (["fuse", "--data", "x", "--out", "y", "--hidden", "0"], "hidden is 0\nUse at least 1"),
        (["bind", "--data", "x", "--out", ""], "out is ''\nGive a file or folder: --out"),
        (["bind", "--data"], "--data has no value"),
        (["bind", "rows.parquet"], "'rows.parquet' is no flag"),
        (
            ["bind", "--config", "nowhere.toml"],
            "nowhere.toml cannot be read (No such file or directory)\nName a TOML file",
        ),
        (["bind", "--data", "nowhere.parquet", "--out", "/tmp/never"], "nowhere.parquet is no parquet file"),
    ],
)
def test_wrong_words_are_answered_in_two_lines(words, says: str) -> None:
    run = called(*words)
    assert run.exit_code == 1
    assert says in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("epochs = 1.5", "epochs is 1.5\nGive a whole number"),
        ("batch = true", "batch is True\nGive a whole number"),
        ("learning_rate = true", "learning_rate is True\nGive a number"),
        ("data = 5", "data is 5\nGive a file or folder"),
        ("shuffle = 1", "shuffle is 1\nGive true or false"),
    ],
)
def test_a_file_of_settings_is_held_to_their_types(said: str, says: str, tmp_path) -> None:
    (tmp_path / "my.toml").write_text(f'out = "y"\n{said}\n')
    assert (
        says in called("bind", "--config", str(tmp_path / "my.toml"), *([] if "data" in said else ["--data=x"])).output
    )


def test_help_lists_plans_and_their_settings() -> None:
    assert "bind" in called("-h").output
    text = " ".join(called("bind", "-h").output.split())
    for field in (
        "--data parquet with",
        "--learning-rate at its peak; the closed form is soon forgotten at 3e-4 [default 3e-05]",
        "--batch rows [default 512]",
    ):
        assert field in text


@pytest.mark.parametrize("bad", [PlanError])
def test_a_config_is_frozen(bad, tmp_path) -> None:
    config = settings(tmp_path)
    with pytest.raises(AttributeError):
        config.epochs = 3
    with pytest.raises(bad):
        settings(tmp_path, epocs=3)
