"""finetune, distill, staged on tiny models: they learn, go on after kill -9, and what they write opens everywhere."""

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_models
import torch
import toy
from sentence_transformers import SentenceTransformer

from samespace.encode import bound, language, lora, tuned
from samespace.encode.contract import check_encoder
from samespace.encode.load import load
from samespace.errors import CheckpointError, DataError, DivergedError, PlanError, RecipeError, WeightsError
from samespace.items import Blob, Image, Text
from samespace.train import data, plan
from samespace.train.pairs import Pairs
from samespace.train.plans import distill, finetune, staged

torch.set_num_threads(1)

WORDS = ["kite", "harbour", "lamp", "tax", "river", "engine", "letter", "coffee"]
TEMPLATE = 'This: "{text}" means: "'


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.causal(tmp_path_factory.mktemp("base"), "llama", closes=False, stated=False)


def rows(path: Path, **columns) -> Path:
    if not path.exists():
        said = [(f"a {word} {i}", f"{word} number {i}") for i in range(6) for word in WORDS]
        table = {"anchor": [a for a, _ in said], "positive": [p for _, p in said], **columns}
        pq.write_table(pa.table(table), path)
    return path


def settings(tmp_path: Path, base: Path, name: str = "finetune", **more):
    given = {
        "base": str(base), "data": rows(tmp_path / "rows.parquet"), "out": tmp_path / "out", "epochs": 2, "batch": 16,
        "every": 2, "held_out": 0.25, "template": TEMPLATE, "max_tokens": 48, "rank": 4, "learning_rate": 3e-3,
    }  # fmt: skip
    return plan.config(name, {**given, **more})


def card(out: Path):
    return json.loads((out / "train.json").read_text())


def texts():
    return [Text("a lamp 2"), Text("a letter, quite a long one, about a river"), Text("tax")]


def test_it_learns_and_opens_as_an_encoder_and_in_sentence_transformers(base, tmp_path) -> None:
    points = []
    out = finetune.run(settings(tmp_path, base, query_prompt="Ask: ", teacher="hashing:64", fitted=40), points.append)
    made = card(out)
    assert [p["step"] for p in made["curve"]] == [0, 2, 4, 6]
    assert points == made["curve"][1:]
    assert made["curve"][-1]["loss"] < made["curve"][1]["loss"]
    assert made["base_unchanged"] is True
    assert "recall@10" in (out / "page.html").read_text()
    encoder = load(f"tuned:{out}")
    check_encoder(encoder, texts(), tolerance=1e-4)
    theirs = SentenceTransformer(str(out), trust_remote_code=True, device="cpu")
    said = [item.text for item in texts()]
    assert np.allclose(theirs.encode_query(said), encoder.encode(texts(), role="query").data, atol=1e-5)
    assert np.allclose(theirs.encode(said), encoder.encode(texts()).data, atol=1e-5)
    assert not np.allclose(encoder.encode(texts(), role="query").data, encoder.encode(texts()).data, atol=1e-2)
    assert not list(out.rglob("*.bin")) + list(out.rglob("*.pt")) + list(out.rglob("*.pkl"))
    through = load(f"st:{out}", trust_remote_code="ours")
    assert np.allclose(through.encode(texts()).data, encoder.encode(texts()).data, atol=1e-5)
    theirs.save_pretrained(str(tmp_path / "saved"))
    again = tuned.load(str(tmp_path / "saved"))
    assert np.array_equal(again.encode(texts()).data, encoder.encode(texts()).data)


def test_a_base_in_half_precision_opens_in_sentence_transformers_too(base, tmp_path) -> None:
    """Its states are handed to the head in float32, as here."""
    out = finetune.run(settings(tmp_path, base, precision="bfloat16", teacher="hashing:64", fitted=40, epochs=1))
    theirs = SentenceTransformer(str(out), trust_remote_code=True, device="cpu")
    made = theirs.encode(["a lamp 2"])
    assert made.dtype == np.float32
    assert np.allclose(made, tuned.load(str(out)).encode([Text("a lamp 2")]).data, atol=1e-5)


def test_what_is_written_is_the_best_state_and_never_below_the_start(base, tmp_path) -> None:
    """A rate that ruins it: the vectors are those of the start."""
    given = {"teacher": "hashing:64", "fitted": 40}
    spoilt = finetune.run(settings(tmp_path, base, learning_rate=3.0, **given))
    curve = card(spoilt)["curve"]
    assert max(p["mrr"] for p in curve[1:]) < curve[0]["mrr"], "the rate did not ruin it: the test shows nothing"
    still = finetune.run(settings(tmp_path, base, out=tmp_path / "still", learning_rate=1e-12, **given))
    assert np.allclose(*(tuned.load(str(out)).encode(texts()).data for out in (spoilt, still)), atol=1e-5)


@pytest.mark.parametrize("loss", ["symmetric", "margin", "sigmoid", "spread"])
def test_every_loss_trains_with_negatives_and_instructions(loss, base, tmp_path) -> None:
    said = [(f"a {word} {i}", f"{word} number {i}") for i in range(3) for word in WORDS]
    table = {
        "anchor": [a for a, _ in said], "positive": [p for _, p in said],
        "negatives": [[f"{WORDS[i % 8]} nobody"] if i % 3 else [] for i in range(len(said))],
        "instruction": ["find" if i % 2 else "tell" for i in range(len(said))],
    }  # fmt: skip
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    config = settings(tmp_path, base, loss=loss, batches="instruction", query_prompt="{instruction}: ", batch=8)
    made = card(finetune.run(config))
    assert all(np.isfinite(p["loss"]) for p in made["curve"][1:])
    assert made["curve"][-1]["loss"] < made["curve"][1]["loss"] * 1.2


def test_all_weights_of_a_cut_model_can_be_learned_at_the_mean(base, tmp_path) -> None:
    config = settings(tmp_path, base, weights="full", layers=1, pooling="mean", learning_rate=1e-3, epochs=4)
    out = finetune.run(config)
    encoder = tuned.load(str(out))
    assert (out / "model.safetensors").is_file()
    assert not (out / "adapter_model.safetensors").exists()
    assert len(language.decoder(encoder.body.language.model).layers) == 1
    curve = card(out)["curve"]
    assert max(p["mrr"] for p in curve[1:]) > curve[0]["mrr"]


def test_mined_batches_are_harder_than_random_ones(tmp_path) -> None:
    found = Pairs.split(data.load(rows(tmp_path / "rows.parquet"))[0], 0.25, 0)
    some, teacher = [found.examples[row] for row in found.kept], load("hashing:64")
    sides = np.stack([teacher.encode(side).data for side in zip(*((e.anchor, e.positive) for e in some), strict=True)])
    scores = sides[0] @ sides[1].T

    def hardness(how: str, seed: int) -> float:
        drawn = list(found.sampler(16, seed, how, lambda: sides))
        assert sorted(row for batch in drawn for row in batch) == list(range(len(found.kept)))
        return float(np.mean([scores[np.ix_(b, b)][~np.eye(len(b), dtype=bool)].mean() for b in drawn]))

    assert np.mean([hardness("mined", seed) for seed in range(9)]) > max(hardness("random", seed) for seed in range(9))


def test_batches_are_mined_once_by_the_model_at_its_start(base, tmp_path, monkeypatch) -> None:
    made, sides = [], Pairs.sides
    monkeypatch.setattr(Pairs, "sides", lambda self, learner: made.append(sides(self, learner)) or made[-1])
    given = {"batches": "mined", "epochs": 1, "teacher": "hashing:64"}
    curves = [card(finetune.run(settings(tmp_path, base, **given)))["curve"] for _ in range(2)]
    assert curves[0] == curves[1]
    assert len(made) == 1
    held = [np.load(path) for path in (tmp_path / "out/vectors").glob("*.npy")]
    assert any(np.array_equal(rows, made[0]) for rows in held)


@pytest.mark.slow
def test_pieces_give_the_curve_of_the_whole_batch(base, tmp_path) -> None:
    whole = card(finetune.run(settings(tmp_path, base, out=tmp_path / "whole", loss="margin")))["curve"]
    pieces = card(finetune.run(settings(tmp_path, base, loss="margin", piece=3)))["curve"]
    for one, other in zip(whole, pieces, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def test_when_memory_runs_out_the_batch_stays_and_the_pieces_halve(base, tmp_path, monkeypatch) -> None:
    whole = card(finetune.run(settings(tmp_path, base, out=tmp_path / "whole")))["curve"]
    seen, run = [], language.Language.forward

    def small(self, batch):
        if torch.is_grad_enabled():
            seen.append(len(batch))
            if len(batch) > 4:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return run(self, batch)

    monkeypatch.setattr(language.Language, "forward", small)
    halved = card(finetune.run(settings(tmp_path, base)))["curve"]
    assert seen[:3] == [16, 8, 4]
    assert max(seen[3:]) == 4
    for one, other in zip(whole, halved, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


KILLED = """
import sys, os, signal
sys.path[:0] = [{here!r}, {tiny!r}]
import torch; torch.set_num_threads(1)
import test_finetune
from pathlib import Path
def tell(point):
    if point["step"] == 4:
        os.kill(os.getpid(), signal.SIGKILL)
place = Path({place!r})
test_finetune.{name}.run(test_finetune.settings(place, Path({base!r}), {name!r}, **{more!r}), tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), [("finetune", {}), ("finetune", {"batches": "mined"}), ("distill", {})])
def test_a_killed_run_goes_on_to_the_same_curve(name, more, base, tmp_path) -> None:
    run = {"finetune": finetune.run, "distill": distill.run}[name]
    more = {"teacher": "hashing:64", **more}
    given = {"name": name, **more}
    whole = run(settings(tmp_path, base, out=tmp_path / "whole", **given))
    here = Path(__file__).parent
    code = KILLED.format(
        here=str(here), tiny=str(here.parent / "encode"), place=str(tmp_path), base=str(base), name=name, more=more
    )
    stopped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert stopped.returncode == -signal.SIGKILL, stopped.stderr
    out = tmp_path / "out"
    assert not (out / "train.json").exists()
    again = run(settings(tmp_path, base, **given))
    assert card(again)["curve"] == card(whole)["curve"]
    rows = [tuned.load(str(place)).encode(texts()).data for place in (whole, again)]
    assert np.array_equal(*rows)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"teacher": "hashing:64"}, {"piece": 2}])
def test_two_processes_walk_the_curve_of_one(more, base, tmp_path) -> None:
    """torchrun with gloo: batches that do not divide by two, a loss with parameters of its own, a gradient cache."""
    one = card(finetune.run(settings(tmp_path, base, out=tmp_path / "one", batch=13, loss="sigmoid", **more)))
    config = settings(tmp_path, base, batch=13, loss="sigmoid", **more)
    said = {key: "none" if value is None else str(value) for key, value in asdict(config).items()}
    given = [word for key, value in said.items() for word in (f"--{key}", value)]
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "samespace", "train"]
    run = subprocess.run(
        [sys.executable, *words, "finetune", *given], capture_output=True, text=True, check=False, timeout=200
    )
    assert run.returncode == 0, run.stderr[-3000:]
    two = card(tmp_path / "out")
    assert len(two["curve"]) == len(one["curve"]) > 3
    for a, b in zip(one["curve"], two["curve"], strict=True):
        assert a == pytest.approx(b, rel=2e-4, abs=1e-6)
    rows = [tuned.load(str(tmp_path / place)).encode(texts()).data for place in ("one", "out")]
    assert np.allclose(*rows, atol=1e-3)


def test_distill_comes_nearer_to_its_teacher_and_its_space_is_laid_beside(base, tmp_path) -> None:
    out = distill.run(settings(tmp_path, base, "distill", teacher="hashing:64", epochs=4, fitted=12))
    made = card(out)
    assert made["curve"][-1]["cosine"] > made["curve"][0]["cosine"] + 0.02
    assert made["base_unchanged"] is True
    own, laid = tuned.load(str(out)), bound.load(str(out / "bound"))
    from samespace.encode import hashing

    assert laid.space == hashing.load("64").space != own.space
    check_encoder(laid, texts(), tolerance=1e-4)


@pytest.mark.slow
def test_three_stages_each_from_the_last(base, tmp_path) -> None:
    path = rows(tmp_path / "rows.parquet")
    config = plan.config(
        "staged",
        {"base": str(base), "texts": path, "pairs": path, "tasks": path, "out": tmp_path / "out", "batch": 16,
         "every": 2, "held_out": 0.25, "template": TEMPLATE, "max_tokens": 48, "rank": 4, "learning_rate": 3e-3,
         "negatives": 2, "relative": -0.5},
    )  # fmt: skip
    out = staged.run(config)
    assert out == tmp_path / "out/tasks"
    first, second, third = (card(tmp_path / "out" / name) for name in ("text", "pairs", "tasks"))
    assert second["config"]["base"] == f"tuned:{tmp_path}/out/text"
    assert max(p["mrr"] for p in first["curve"]) == pytest.approx(second["curve"][0]["mrr"], abs=1e-6)
    assert third["config"]["learning_rate"] == str(0.25 * 3e-3)
    mined = pq.read_table(tmp_path / "out/mined.parquet").to_pylist()
    assert sum(len(row["negatives"]) for row in mined) > len(mined)
    assert all({"text": row["positive"]["text"]} not in row["negatives"] for row in mined)
    assert tuned.load(str(out)).body.language.place == str(base)
    assert card(staged.run(config)) == third, "a finished run is not run again"


# pictures


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    return tiny_models.qwen_vl(tmp_path_factory.mktemp("seeing"), "qwen2_vl")


def test_a_model_that_sees_learns_pictures(seeing, tmp_path) -> None:
    """Dry: twelve pictures, a few steps; then its vectors in sentence-transformers, of pictures too."""
    toy.rows(tmp_path / "rows.parquet", per=1)
    shown = {"template": None, "max_tokens": 64, "epochs": 1, "batch": 8}
    out = finetune.run(settings(tmp_path, seeing, **shown))
    made = card(out)
    assert made["curve"][-1]["step"] == 4
    assert made["base_unchanged"] is True
    picture = Image(Blob(data=toy.picture((250, 20, 20), np.random.default_rng(0))))
    encoder = tuned.load(str(out))
    check_encoder(encoder, [Text("red"), picture], tolerance=1e-4)
    theirs = SentenceTransformer(str(out), trust_remote_code=True, device="cpu")
    from samespace.encode.picture import decode

    assert np.allclose(theirs.encode([decode(picture.blob)]), encoder.encode([picture]).data, atol=1e-5)


SHOP = Path(__file__).parents[3] / "shared/data/grocery_photos"


@pytest.mark.slow
@pytest.mark.parametrize("real", [True, False])
def test_a_tiny_model_that_sees_beats_its_own_start_on_pairs_kept_apart(real, seeing, tmp_path) -> None:
    """The seams work, no more is claimed. Real photographs of groceries by name, or pictures of one colour."""
    if real:
        if not SHOP.is_dir():
            pytest.skip(f"{SHOP} is not here")
        photos(SHOP, tmp_path / "rows.parquet")
    else:
        toy.rows(tmp_path / "rows.parquet", per=4)
    config = settings(
        tmp_path, seeing, template=None, max_tokens=64, epochs=8, batch=20, every=10, learning_rate=5e-3,
        weights="full",
    )  # fmt: skip
    curve = card(finetune.run(config))["curve"]
    assert max(p["mrr"] for p in curve[1:]) > 1.3 * curve[0]["mrr"]


# what goes wrong


def test_a_rate_that_diverges_stops_with_the_step_and_the_last_good_state(base, tmp_path) -> None:
    config = settings(tmp_path, base, learning_rate=1e4, loss="sigmoid", epochs=4)
    with pytest.raises(DivergedError, match=r"at step \d+; the last good state is .*state.safetensors\nLower"):
        finetune.run(config)


def test_a_full_disk_ends_with_the_last_state_and_the_run_goes_on(base, tmp_path) -> None:
    whole = card(finetune.run(settings(tmp_path, base, out=tmp_path / "whole")))["curve"]
    config = settings(tmp_path, base)

    def stop(point):
        if point["step"] == 2:
            (config.out / "state.part").symlink_to("/dev/full")

    with pytest.raises(CheckpointError, match=r"step 4 could not be kept: No space left"):
        finetune.run(config, stop)
    assert card(finetune.run(config))["curve"] == whole


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"lern": 1}, "unknown setting 'lern'"),
        ({"learning_rat": 1}, "Did you mean 'learning_rate'"),
        ({"loss": "infonse"}, "Did you mean 'infonce'"),
        ({"held_out": 1.0}, "held_out is 1.0\nUse a share"),
        ({"rank": 0}, "rank is 0\nUse at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0\nUse a number above 0"),
        ({"weights": "full", "precision": "bfloat16"}, "in float32 only\nUse --precision float32"),
    ],
)
def test_settings_that_make_no_sense_are_named(more, says, base, tmp_path) -> None:
    with pytest.raises(PlanError, match=says):
        settings(tmp_path, base, **more)


def test_a_base_that_is_no_language_model_or_too_short_is_named(base, tmp_path) -> None:
    with pytest.raises(RecipeError, match="family 'bert', no language model\nName a causal"):
        finetune.run(settings(tmp_path, tiny_models.bert(tmp_path / "bert")))
    with pytest.raises(RecipeError, match="cannot be cut to 3 layers, it has 2\nUse 1 to 2"):
        finetune.run(settings(tmp_path, base, layers=3))


def test_adapters_and_all_weights_do_not_go_on_from_each_other(base, tmp_path) -> None:
    out = finetune.run(settings(tmp_path, base, epochs=1))
    with pytest.raises(RecipeError, match=r"was trained by adapters.*\nUse --weights lora"):
        finetune.run(settings(tmp_path, f"tuned:{out}", out=tmp_path / "more", weights="full"))


def test_a_row_without_negatives_needs_other_rows_to_draw_from(base, tmp_path) -> None:
    path = tmp_path / "rows.parquet"
    said = {"anchor": ["a", "b", "c"], "positive": ["d"] * 3, "negatives": [["x"], [], []]}
    pq.write_table(pa.table(said), path)
    with pytest.raises(DataError, match="row 1, negatives: it has 0 negatives where others have 1"):
        finetune.run(settings(tmp_path, base))


def test_one_row_is_too_few(base, tmp_path) -> None:
    pq.write_table(pa.table({"anchor": ["a"], "positive": ["b"]}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="too few to train on"):
        finetune.run(settings(tmp_path, base))


def test_another_base_or_damaged_files_are_named(base, tmp_path) -> None:
    out = finetune.run(settings(tmp_path, base, epochs=1))
    whole = json.loads((out / "tuned.json").read_text())
    other = {**whole, "base": {**whole["base"], "weights": "0" * 64}}
    (out / "tuned.json").write_text(json.dumps(other))
    with pytest.raises(WeightsError, match=r"is not the model that .* was trained from .*\nPut that model back"):
        tuned.load(str(out))
    (out / "tuned.json").write_text(json.dumps({**whole, "base": {**whole["base"], "place": "/nowhere"}}))
    with pytest.raises(WeightsError, match="is not at /nowhere\nPut it back, or write"):
        tuned.load(str(out))
    (out / "tuned.json").write_text(json.dumps(whole))
    (out / lora.FILES[1]).write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"cannot be read .*\nTrain again"):
        tuned.load(str(out))
    with pytest.raises(WeightsError, match=r"holds no tuned\.json\nMake it"):
        tuned.load(str(tmp_path))


def photos(shop: Path, path: Path) -> None:
    """Names of groceries and small photographs of them, ten of each of twelve kinds."""
    import io

    from PIL import Image as Pillow

    kinds, made = {}, []
    for row in pq.read_table(shop / "manifest.parquet").to_pylist():
        name = row["text"]
        if len(kinds) < 12 or name in kinds:
            kinds[name] = kinds.get(name, 0) + 1
            if kinds[name] <= 10:
                stream = io.BytesIO()
                Pillow.open(io.BytesIO(row["bytes"])).convert("RGB").resize((56, 56)).save(stream, "PNG")
                made.append((f"{name} {kinds[name]}", stream.getvalue()))
    pq.write_table(pa.table({"anchor": [a for a, _ in made], "positive": [p for _, p in made]}), path)
