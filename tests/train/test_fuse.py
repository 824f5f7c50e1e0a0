"""The plan `fuse` on toy data: it learns to add, goes on after kill -9, and what it makes is an Encoder."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import mosaic
import numpy as np
import pytest
from click.testing import CliRunner

from samespace.encode import fused, hashing
from samespace.encode.contract import check_encoder
from samespace.encode.load import load as load_encoder
from samespace.encode.perceptron import Perceptron
from samespace.errors import CheckpointError, DataError, SpaceMismatchError, WeightsError
from samespace.index.query import Query
from samespace.items import Audio, Blob, Mixed, Text
from samespace.serve.cli import main
from samespace.space import similarity
from samespace.train import plan, retrieval
from samespace.train.asked import asked
from samespace.train.example import Example
from samespace.train.plans import fuse

START = mosaic.image(["red", "blue", "red", "blue"])


@pytest.fixture(autouse=True)
def _towers(monkeypatch):
    mosaic.given(monkeypatch)


def settings(tmp_path: Path, **more):
    data = tmp_path / "rows.parquet"
    if not data.exists():
        mosaic.edits(data)
    given = {"data": data, "out": tmp_path / "out", "tower": "mosaic:", "text": "hashing:64", "dim": 24, "hidden": 64}
    rest = {"epochs": 16, "batch": 24, "held_out": 0.2, "every": 20, "learning_rate": 1e-2, "dropout": 0.0}
    return plan.config("fuse", {**given, **rest, **more})


def card(out: Path):
    return json.loads((out / "fused.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        mosaic.given(patch)
        return fuse.run(settings(tmp_path_factory.mktemp("fuse")))


def test_it_learns_and_writes_what_it_made(made) -> None:
    curve = card(made)["facts"]["curve"]
    assert [p["step"] for p in curve] == [0, 20, 40, 60, 64]
    assert curve[-1]["loss"] < curve[1]["loss"] / 2
    assert max(p["recall@1"] for p in curve) > 0.5 > 20 * curve[0]["chance@1"]
    page = (made / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "rows.parquet" in page


def test_what_it_makes_is_an_encoder_that_obeys_words(made) -> None:
    encoder = load_encoder(f"fused:{made}")
    check_encoder(encoder)
    start, white, other = (
        START,
        mosaic.image(["red", "blue", "white", "blue"]),
        mosaic.image(["white", "blue", "red", "blue"]),
    )
    pool = encoder.encode([start, white, other])
    for words, best in (("make south west white", 1), ("make north west white", 2)):
        asked_for = encoder.encode([Mixed((start, Text(words)))], role="query")
        assert similarity(asked_for, pool).argmax() == best, words


def test_the_encoder_and_the_algebra_of_queries_say_the_same(made) -> None:
    """Picture + words in an index is what the encoder fuses: the sum is the Space's own."""
    encoder = fused.load(str(made))
    start, words = START, Text("make south west white")
    together = encoder.encode([Mixed((start, words)), Mixed((Mixed((words,)), start))])
    alone = encoder.encode([start]) + encoder.encode([words])
    assert np.allclose(together.data, alone.vectors().data, atol=1e-6)
    assert (Query.item(start) + Query.item(words)).node.parts[1].source == words


def test_the_same_run_gives_the_same_file_and_loads_to_equal_vectors(made, tmp_path) -> None:
    again = fuse.run(settings(tmp_path))
    assert (again / "fused.safetensors").read_bytes() == (made / "fused.safetensors").read_bytes()
    items = [START, Text("make south west white")]
    one, two = fused.load(str(made)), fused.load(str(again))
    assert one.space == two.space
    assert np.array_equal(one.encode(items).data, two.encode(items).data)


@pytest.mark.slow
def test_words_dealt_out_anew_teach_nothing(made, tmp_path) -> None:
    control = card(fuse.run(settings(tmp_path, shuffle=True)))["facts"]["curve"]
    best = max(p["recall@1"] for p in card(made)["facts"]["curve"])
    assert max(p["recall@1"] for p in control) < best / 2


def test_the_best_state_is_written_not_the_last(tmp_path) -> None:
    out = fuse.run(settings(tmp_path, learning_rate=0.9, epochs=4))
    from safetensors.torch import load_file

    held = load_file(out / "state.safetensors")
    assert float(held["model.best.value"]) == pytest.approx(max(p["recall@1"] for p in card(out)["facts"]["curve"]))


KILLED = """
import sys, os, signal
sys.path[:0] = [{here!r}]
import torch; torch.set_num_threads(1)
import pytest, mosaic, test_fuse
from pathlib import Path
mosaic.given(pytest.MonkeyPatch())
def tell(point):
    if point["step"] == 40:
        os.kill(os.getpid(), signal.SIGKILL)
test_fuse.fuse.run(test_fuse.settings(Path({place!r})), tell)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_curve(made, tmp_path) -> None:
    code = KILLED.format(here=str(Path(__file__).parent), place=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert not (tmp_path / "out" / "fused.json").exists()
    assert card(fuse.run(settings(tmp_path)))["facts"]["curve"] == card(made)["facts"]["curve"]


@pytest.mark.slow
def test_a_state_of_other_rows_is_not_gone_on_from(tmp_path) -> None:
    fuse.run(settings(tmp_path, epochs=1))
    mosaic.edits(tmp_path / "rows.parquet", 100)
    with pytest.raises(CheckpointError, match="other settings or data"):
        fuse.run(settings(tmp_path, epochs=1))


def test_bad_rows_are_left_out_and_named_in_the_card(tmp_path) -> None:
    mosaic.edits(tmp_path / "rows.parquet", bad=True)
    out = fuse.run(settings(tmp_path, epochs=1))
    assert [s.split(":")[0] for s in card(out)["facts"]["left_out"]] == ["row 3, positive", "row 4, anchor"]


RED = mosaic.image(["red"] * 4)


@pytest.mark.parametrize(
    ("example", "says"),
    [
        (Example(RED, Text("red")), "row 0, positive: it is text, not a picture\nGive pictures as answers"),
        (Example(RED, RED, (Text("x"),)), "row 0, negatives: it is text"),
        (Example(Mixed((RED, Text("x"), RED)), RED), "row 0, anchor: it has 2 pictures\nGive one picture"),
        (Example(Audio(Blob(data=b"x")), RED), "row 0, anchor: it is audio, neither words nor a picture\nGive words"),
    ],
)
def test_rows_that_cannot_be_fused_are_named(example, says: str) -> None:
    with pytest.raises(DataError) as caught:
        asked([example])
    assert says in str(caught.value)


def test_parts_of_rows_are_numbered_once() -> None:
    blue = mosaic.image(["blue"] * 4)
    rows = asked(
        [
            Example(Mixed((RED, Text("more blue"))), blue, (RED,)),
            Example(RED, blue, (), "more blue"),
            Example(Text("blue"), blue, (RED, RED)),
        ]
    )
    assert (len(rows.pictures), [t.text for t in rows.texts]) == (2, ["more blue", "blue"])
    assert rows.shown.tolist() == [0, 0, -1]
    assert rows.said.tolist() == [0, 0, 1]
    assert rows.wanted.tolist() == [1, 1, 1]
    assert rows.candidates([2, 0]).tolist() == [1, 1, 0, 0, 0]
    assert rows.groups.tolist() == [0, 0, 1]
    assert sorted(rows.dealt(np.array([0, 2]), 1)[[0, 2]].tolist()) == [0, 1]


def test_recall_among_candidates_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.1], [0.2, 0.2, 0.1], [0.3, 0.4, 0.1]])
    found = retrieval.among(scores, np.array([0, 1, 2]), (1, 2))
    assert found == {"recall@1": 1 / 3, "recall@2": 2 / 3, "chance@1": 1 / 3, "chance@2": 2 / 3}


def test_a_damaged_file_and_another_tower_are_named(made, tmp_path) -> None:
    for name in ("fused.json", "fused.safetensors"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    said = card(made)
    said["spaces"][0]["name"] = "test/other@1"
    (tmp_path / "fused.json").write_text(json.dumps(said))
    with pytest.raises(SpaceMismatchError, match="test/other@1"):
        fused.load(str(tmp_path))
    (tmp_path / "fused.json").write_text(json.dumps({"sha256": said["sha256"]}))
    with pytest.raises(WeightsError, match=r"does not hold what it should .*\nMake it: samespace train fuse"):
        fused.load(str(tmp_path))
    (tmp_path / "fused.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"is not the file that fused\.json names"):
        fused.load(str(tmp_path))
    (tmp_path / "fused.json").write_text("half of")
    with pytest.raises(WeightsError, match=r"fused\.json is damaged"):
        fused.load(str(tmp_path))
    with pytest.raises(WeightsError, match=r"holds no fused\.json\nMake it"):
        fused.load(str(tmp_path / "none"))


def test_layers_that_do_not_fit_are_refused() -> None:
    zeros = np.zeros
    with pytest.raises(ValueError, match=r"layers \(3, 2\) and \(4, 5\) do not fit"):
        Perceptron(zeros((3, 2)), zeros(3), zeros((4, 5)), zeros(4))


def test_an_item_it_does_not_take_is_named(made) -> None:
    with pytest.raises(TypeError, match=r"item 1 is audio, but samespace/fused.* takes image, text and both only"):
        fused.load(str(made)).encode([Text("x"), Mixed((Text("y"), Audio(Blob(data=b"x"))))])


def test_the_command_trains_and_a_bad_setting_is_answered_in_two_lines(tmp_path) -> None:
    mosaic.edits(tmp_path / "rows.parquet")
    words = ["train", "fuse", "--data", str(tmp_path / "rows.parquet"), "--out", str(tmp_path / "o"), "--epochs", "1",
             "--tower", "mosaic:", "--text", "hashing:64", "--hidden", "8", "--every", "9"]  # fmt: skip
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 0, run.output
    assert run.output.endswith("page.html shows the curves\n")
    for more, says in ((["--dim", "0"], "dim is 0\nUse at least 1"), (["--dropout", "1"], "Use a share"),
                       (["--temperature", "0"], "temperature is 0.0\nUse a number")):  # fmt: skip
        bad = CliRunner().invoke(main, [*words, *more])
        assert bad.exit_code == 1
        assert says in bad.output
    assert hashing.load("64").space.dim == 64
