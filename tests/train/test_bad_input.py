"""The plans through the command line, given what is wrong: two lines say what and what to do, and nothing is lost."""

import io
import json
import logging
import resource
import sys
from contextlib import contextmanager

import mosaic
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_models
import torch
import toy
from click.testing import CliRunner
from PIL import Image as Picture

from samespace.encode import card
from samespace.encode.load import load
from samespace.errors import DataError, MissingExtraError
from samespace.serve.cli import main
from samespace.train import data, vectors

torch.set_num_threads(1)

WORDS = ["kite", "harbour", "lamp", "tax", "river", "engine"]
TEXTS = {
    "anchor": [f"a {word} {i}" for i in range(4) for word in WORDS],
    "positive": [f"{word} number {i}" for i in range(4) for word in WORDS],
}


@pytest.fixture(autouse=True)
def _towers(monkeypatch):
    mosaic.given(monkeypatch)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.causal(tmp_path_factory.mktemp("base"), "llama", closes=False, stated=False)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    return tiny_models.qwen_vl(tmp_path_factory.mktemp("seeing"), "qwen2_vl")


def written(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def called(plan: str, **settings) -> tuple[int, str]:
    words = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    run = CliRunner().invoke(main, ["train", plan, *words])
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return run.exit_code, run.output


def bound(folder, **more) -> tuple[int, str]:
    if not (folder / "rows.parquet").exists():
        toy.rows(folder / "rows.parquet", per=1)
    given = {"data": folder / "rows.parquet", "out": folder / "out", "tower": "mosaic:", "target": "hashing:64"}
    return called("bind", **{**given, "epochs": 1, "batch": 16, "every": 2, "held_out": 0.25, **more})


def tuned(plan: str, base, folder, **more) -> tuple[int, str]:
    if not (folder / "texts.parquet").exists():
        written(folder / "texts.parquet", **TEXTS)
    given = {"base": base, "out": folder / "out", "epochs": 1, "batch": 8, "every": 2, "held_out": 0.25}
    rest = {} if plan == "staged" else {"data": folder / "texts.parquet"}
    return called(plan, **{**given, **rest, "max_tokens": 48, "rank": 4, **more})


@contextmanager
def full(most: int):
    """No file can grow beyond so many bytes: what a full disk looks like to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# names


def test_a_name_that_is_not_utf_8_is_found_before_anything_is_made(tmp_path) -> None:
    code, output = bound(tmp_path, out=f"{tmp_path}/o\udcff")
    assert (code, output.partition("\n")[0]) == (1, f"error: bind: out is '{tmp_path}/o\\udcff', not UTF-8")
    assert bound(tmp_path, out=tmp_path / "größe 大")[0] == 0


def test_a_relative_name_of_a_model_still_leads_to_it_from_another_folder(tmp_path, monkeypatch) -> None:
    (tmp_path / "clip").mkdir()
    tiny_models.clip(tmp_path / "clip")
    monkeypatch.chdir(tmp_path)
    assert "in the folder of the model clip" in bound(tmp_path, tower="hf:clip", out="clip/head")[1]
    assert bound(tmp_path, tower="hf:clip", out="head")[0] == 0
    assert bound(tmp_path, tower="mosaic:", out="other")[0] == 0, "a model without a folder forbids none"
    monkeypatch.chdir("/")
    assert load(f"bound:{tmp_path / 'head'}", check=False).space.dim == 64


# rows


def sliver() -> bytes:
    stream = io.BytesIO()
    Picture.new("RGB", (20_000, 1)).save(stream, "PNG")
    return stream.getvalue()


def test_rows_left_out_are_told_with_their_reasons(tmp_path, caplog) -> None:
    toy.rows(tmp_path / "rows.parquet", per=1, bad=True)
    with caplog.at_level(logging.WARNING):
        code, _ = bound(tmp_path)
    assert code == 0
    assert "2 of 42 rows are left out: row 3, positive: not a picture that Pillow opens" in caplog.text
    assert caplog.text.rstrip().endswith("row 4, anchor: the text is empty")


def test_repeats_are_not_listed_as_left_out() -> None:
    rows = [{"anchor": "a", "positive": "x"}, {"anchor": "b", "positive": "x"}, {"anchor": "", "positive": "x"}]
    examples, found = data.load(rows, skip=True)
    assert (len(examples), [p.kind for p in found]) == (2, ["empty", "repeat"])
    assert data.left_out(found) == ["row 2, anchor: the text is empty"]
    assert len(data.left_out(found[:1] * 300)) == 100


def test_no_row_that_can_be_used_says_why_not(tmp_path) -> None:
    written(tmp_path / "rows.parquet", anchor=[1, 2], positive=[b"x", b"y"])
    assert bound(tmp_path) == (
        1, 'error: row 0, anchor: it holds int (1 more like it)\nGive text, bytes, or {"text": …, "image": …, '
        '"audio": …}\n',
    )  # fmt: skip
    written(tmp_path / "rows.parquet", anchor=pa.array([], pa.string()), positive=pa.array([], pa.binary()))
    assert "no row of " in bound(tmp_path)[1]


def test_one_text_alone_has_nothing_to_be_told_from(base, tmp_path) -> None:
    cells = pq.read_table(toy.rows(tmp_path / "rows.parquet", per=1)).to_pydict()
    written(tmp_path / "rows.parquet", anchor=["a", "b"] * 20, positive=cells["positive"])
    assert bound(tmp_path)[1].startswith("error: 40 rows with 2 texts leave too few to train on\nGive more rows")
    same = written(tmp_path / "texts.parquet", anchor=["a", "b"] * 12, positive=TEXTS["positive"])
    assert "24 rows with 2 texts leave too few" in tuned("finetune", base, tmp_path, data=same)[1]


@pytest.mark.parametrize("wrong", ["hello", 5, {"text": "x"}])
def test_negatives_that_are_no_list_are_named(wrong, base, tmp_path) -> None:
    rows = written(tmp_path / "rows.parquet", **TEXTS, negatives=[wrong] * 24)
    fact = f"error: row 0, negatives: it is {type(wrong).__name__}, not a list (23 more like it)\nGive a list"
    assert fact in tuned("finetune", base, tmp_path, data=rows)[1]


def test_a_side_that_a_model_does_not_take_is_named(base, tmp_path) -> None:
    written(tmp_path / "rows.parquet", **TEXTS)
    assert "error: row 0, positive: it is text, but mosaic: takes image only\nLeave the row out" in bound(tmp_path)[1]
    toy.rows(tmp_path / "rows.parquet", per=1)
    rows = tmp_path / "rows.parquet"
    for plan, more in (("finetune", {}), ("distill", {"teacher": "mosaic:", "fitted": 9})):
        code, output = tuned(plan, base, tmp_path, data=rows, **more)
        said = f"positive: it is image, but {base}" if plan == "finetune" else "anchor: it is text, but mosaic:"
        assert (code, output.startswith(f"error: row 0, {said} takes ")) == (1, True), output
    code, output = tuned("distill", base, tmp_path, data=rows, teacher="hashing:64", fitted=9)
    assert "row 0, positive: it is image, but hashing:64 takes text only" in output
    mosaic.edits(rows, count=8)
    assert "hashing-64@1 takes text only, and there is image for it\nName" in called(
        "fuse", data=rows, out=tmp_path / "fused", tower="hashing:64", text="hashing:64"
    )[1]  # fmt: skip


def test_a_picture_that_a_model_cannot_take_in_is_named_with_its_row(seeing, tmp_path) -> None:
    rows = pq.read_table(toy.rows(tmp_path / "rows.parquet", per=1)).to_pydict()
    rows["positive"][2] = sliver()
    code, output = tuned("finetune", seeing, tmp_path, data=written(tmp_path / "rows.parquet", **rows), max_tokens=64)
    assert (code, output) == (
        1, "error: row 2, positive: a picture of 20000 x 1 is a sliver\nCut it into pieces, or leave the row out\n",
    )  # fmt: skip


# packages


def test_a_package_that_is_missing_is_named(base, tmp_path, monkeypatch) -> None:
    recording = {"anchor": "a", "positive": {"audio": b"RIFF"}}
    assert tuned("finetune", base, tmp_path)[0] == 0
    for package in ("peft", "soundfile"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'soundfile'\nInstall it: .*\[read\]"):
        data.load([recording])
    with pytest.raises(MissingExtraError, match=r"adapters needs the package 'peft'\nInstall it: .*\[train\]"):
        load(f"tuned:{tmp_path / 'out'}")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "samespace.train.plans.merge", raising=False)
    assert called("merge", out=tmp_path / "merged") == (
        1, "error: the plan merge needs the package 'torch'\nInstall it: pip install 'samespace[train]'\n",
    )  # fmt: skip


# disks


def test_an_out_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    assert bound(tmp_path, out=tmp_path / "file") == (
        1, f"error: bind: {tmp_path}/file/vectors: Not a directory\nFree some space, or name another folder: "
        "--out FOLDER; the same command goes on from the last state\n",
    )  # fmt: skip


@pytest.mark.parametrize("most", [2000, 9000])
def test_a_disk_that_is_full_is_named_and_the_same_command_goes_on(most: int, base, tmp_path) -> None:
    for run in (bound, lambda folder: tuned("finetune", base, folder)):
        folder = tmp_path / str(run is bound)
        folder.mkdir()
        toy.rows(folder / "rows.parquet", per=1)
        written(folder / "texts.parquet", **TEXTS)
        with full(most):
            code, output = run(folder)
        assert code == 1
        assert "File too large" in output
        assert "space" in output.splitlines()[-1]
        assert not list(folder.rglob(".draft-*")) + list(folder.rglob("*.part"))
        assert run(folder)[0] == 0


def test_weights_that_do_not_fit_on_a_disk_leave_those_before(tmp_path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    with card.tensor_file(path) as draft:
        save_file({"x": torch.zeros(3)}, draft)
    before = path.read_bytes()
    with full(1000), pytest.raises(OSError, match="File too large"), card.tensor_file(path) as draft:
        save_file({"x": torch.zeros(3000)}, draft)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_vectors_that_are_torn_are_made_anew(tmp_path) -> None:
    assert bound(tmp_path)[0] == 0
    files = sorted((tmp_path / "out/vectors").glob("*.npy"))
    whole = [file.read_bytes() for file in files]
    for file, torn in zip(files, (b"", whole[1][:-9]), strict=True):
        file.write_bytes(torn)
    assert bound(tmp_path)[0] == 0
    assert [file.read_bytes() for file in files] == whole
    made = vectors.kept(files[0], lambda: pytest.fail("it is there"))
    assert made.dtype == "float32"


def test_a_best_state_that_is_gone_or_torn_is_named(base, tmp_path) -> None:
    assert tuned("finetune", base, tmp_path)[0] == 0
    best = tmp_path / "out/best.safetensors"
    for spoil in (best.unlink, lambda: best.write_bytes(b"x")):
        spoil()
        code, output = tuned("finetune", base, tmp_path)
        assert code == 1
        assert "the best state cannot be read" in output
        assert "\nDelete state.safetensors beside it" in output
    (tmp_path / "out/state.safetensors").unlink()
    assert tuned("finetune", base, tmp_path)[0] == 0


def test_a_model_is_never_written_into(base, tmp_path) -> None:
    before = {path: path.stat().st_mtime_ns for path in base.rglob("*")}
    for out in (base, base / "out"):
        for code, output in (
            tuned("finetune", base, tmp_path, out=out), called("merge", models=f"{base},{base}", out=out),
            tuned("finetune", f"tuned:{base}", tmp_path, out=out),
        ):  # fmt: skip
            assert code == 1
            assert f"out is {out}, in the folder of the model {base}\nName a folder elsewhere" in output
    assert {path: path.stat().st_mtime_ns for path in base.rglob("*")} == before


# stages


def test_a_third_file_that_is_missing_is_found_before_the_first_stage(base, tmp_path) -> None:
    rows = written(tmp_path / "rows.parquet", **TEXTS)
    code, output = tuned("staged", base, tmp_path, texts=rows, pairs=rows, tasks=tmp_path / "none.parquet")
    assert (code, output.startswith(f"error: {tmp_path}/none.parquet is no parquet file")) == (1, True)
    bare = written(tmp_path / "bare.parquet", anchor=["a"])
    with pytest.raises(DataError, match="positive: the column is missing"):
        data.peek(bare)
    with pytest.raises(DataError, match="holds no row"):
        data.peek(written(tmp_path / "none.parquet", anchor=pa.array([], pa.string())))


def test_negatives_are_mined_anew_where_the_tasks_have_changed(base, tmp_path) -> None:
    rows = written(tmp_path / "rows.parquet", **TEXTS)
    tasks = written(tmp_path / "tasks.parquet", **TEXTS)
    given = {"texts": rows, "pairs": rows, "tasks": tasks, "relative": -0.5}
    assert tuned("staged", base, tmp_path, **given)[0] == 0
    mined = tmp_path / "out/mined.parquet"
    first = mined.stat().st_mtime_ns
    assert tuned("staged", base, tmp_path, **given)[0] == 0
    assert mined.stat().st_mtime_ns == first, "not mined again for nothing"
    written(tasks, **{side: cells[:20] for side, cells in TEXTS.items()})
    code, output = tuned("staged", base, tmp_path, **given)
    assert (code, "tasks/state.safetensors: it is of a training with other settings or data" in output) == (1, True)
    assert pq.read_table(mined).num_rows == 20


def test_a_merge_that_fails_leaves_no_folder(base, tmp_path) -> None:
    given = {"models": f"{base},{base}", "out": tmp_path / "merged"}
    with full(20_000):
        code, output = called("merge", **given)
    assert (code, "File too large" in output) == (1, True)
    assert list(tmp_path.iterdir()) == []
    assert called("merge", **given)[0] == 0
    assert json.loads((tmp_path / "merged/merge.json").read_text())["how"] == "linear"


def test_a_rate_that_diverged_is_lowered_in_a_new_folder(base, tmp_path) -> None:
    code, output = tuned("finetune", base, tmp_path, learning_rate=1e9)
    assert (code, output.splitlines()[-1]) == (
        1, "Lower the learning rate, and begin anew: --learning-rate 1e+08 --out …",
    )  # fmt: skip
    assert tuned("finetune", base, tmp_path, learning_rate=1e-3, out=tmp_path / "new")[0] == 0
