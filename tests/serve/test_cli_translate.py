"""samespace translate and samespace spaces from the command line, with made vectors and no model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from samespace import Space
from samespace.serve.cli import main
from samespace.serve.cli_spaces import _chain
from samespace.serve.vector_files import VectorFile
from samespace.translate.atlas_files import open_atlas
from samespace.translate.files import load, open_saved

WORDS = (
    "ferry",
    "island",
    "harbour",
    "lease",
    "zebra",
    "otter",
    "wing",
    "shock",
    "heat",
    "tax",
    "rent",
    "garden",
    "rain",
)


def run(*args: object):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def table(rows: np.ndarray, **more) -> pa.Table:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.astype(np.float32).ravel()), rows.shape[1])
    return pa.table({"id": [f"k{i}" for i in range(len(rows))], "vector": lists, "n": range(len(rows)), **more})


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """old and new: 400 items seen by two models, as npy and as Parquet in orders of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAMESPACE_INDEX", raising=False)
    rng = np.random.default_rng(0)
    old = rng.standard_normal((400, 12)) * np.linspace(2, 0.4, 12)
    new = old @ np.linalg.qr(rng.standard_normal((16, 16)))[0][:12] + 0.05 * rng.standard_normal((400, 16)) + 0.3
    np.save("old.npy", old)
    np.save("new.npy", new)
    pq.write_table(table(old), "old.parquet", row_group_size=100)
    pq.write_table(table(new).take(rng.permutation(400)), "new.parquet")
    pq.write_table(table(old + 8 * np.eye(12)[5]), "special.parquet")
    return tmp_path


def fitted(*more: object) -> dict:
    done = run("translate", "fit", "old.npy", "new.npy", "--pairs", "rows", "--out", "t", "--json", "--quiet", *more)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_fit_says_what_it_found_and_what_it_rests_on(place: Path) -> None:
    made = fitted("--source-space", "acme/old@1", "--target-space", "acme/new@1", "--metric", "cosine")
    assert made["source"]["name"] == "acme/old@1" and made["target"]["dim"] == 16
    assert made["fidelity"]["kept"] > 0.7 and made["fidelity"]["pool"] >= 80 and made["fidelity"]["top1"] > 0.9
    assert made["verdict"]["level"] == "trusted" and made["verdict"]["evidence"]["pool"] == made["fidelity"]["pool"]
    assert len(made["facts"]["data"]) == 64 and made["facts"]["seed"] == 0 and made["domain"] == 400
    saved = open_saved("t")
    assert saved.mark == made["mark"] and saved.domain is not None and saved.second is not None
    again = json.loads(run("translate", "report", "t", "--json").stdout)
    assert again == made
    text = run("translate", "report", "t").stdout
    assert "acme/old@1 → acme/new@1" in text and "verdict: trusted" in text
    fidelity = made["fidelity"]
    assert f"of {fidelity['k']} neighbours kept (chance {fidelity['k'] / fidelity['pool']:.3f})" in text


def test_a_fit_can_be_repeated(place: Path) -> None:
    assert fitted()["mark"] == fitted()["mark"]
    assert fitted("--seed", "3")["facts"]["seed"] == 3


def test_apply_carries_all_other_columns_and_says_whose_vectors_they_are(place: Path) -> None:
    done = run("translate", "fit", "old.parquet", "new.parquet", "--out", "t", "--source-space", "acme/old@1",
               "--target-space", "acme/new@1")  # fmt: skip
    assert done.exit_code == 0, done.output
    done = run("translate", "apply", "t", "old.parquet", "out.parquet", "--space", "acme/old@1", "--confidence", "sure",
               "--json", "--quiet")  # fmt: skip
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["rows"] == 400 and said["left_out"] == 0 and not said["domain"]["outside"]
    assert said["space"]["name"] == "acme/new@1" and said["translator"] == open_saved("t").mark
    made, before = pq.read_table("out.parquet"), pq.read_table("old.parquet")
    assert made.schema.names == ["id", "vector", "n", "sure"] and made["id"].equals(before["id"])
    sure = made["sure"].to_numpy()
    assert sure.min() >= 0 and sure.max() <= 1 and sure.mean() > 0.8
    file = VectorFile("out.parquet")
    assert (
        file.space == load("t").target and file.schema.metadata[b"samespace:translator"].decode() == said["translator"]
    )
    wanted = load("t")(load("t").source.vectors(np.load("old.npy")))
    np.testing.assert_allclose(file.take(np.arange(400)), wanted.data, atol=1e-5)
    assert run("translate", "apply", "t", "old.parquet", "o.npy", "--space", "acme/old@1").exit_code == 0
    np.testing.assert_allclose(np.load("o.npy"), wanted.data, atol=1e-5)


def refused(words: str, *args: object) -> None:
    before = sorted(Path().iterdir())
    done = run("translate", *args)
    assert done.exit_code == 1 and done.stdout == "", done.output
    lines = [line for line in done.stderr.splitlines() if "error:" in line or words in line]
    assert words in done.stderr and any(line.startswith("error: ") for line in lines), done.stderr
    assert sorted(Path().iterdir()) == before, "nothing is left behind"


def test_apply_refuses_what_does_not_belong(place: Path) -> None:
    fitted("--source-space", "acme/old@1", "--target-space", "acme/new@1")
    refused("say so: --space acme/old@1", "apply", "t", "old.npy", "out.npy")
    refused("'acme/new@1' where 'acme/old@1'", "apply", "t", "old.npy", "out.npy", "--space", "acme/new@1")
    refused("no such file", "apply", "t", "gone.npy", "out.npy")
    refused("there is no translator here", "apply", "nothing", "old.npy", "out.npy")
    refused("no format is known by '.csv'", "apply", "t", "old.npy", "out.csv", "--space", "acme/old@1")
    refused("--overwrite", "apply", "t", "old.npy", "new.npy", "--space", "acme/old@1")
    refused("no is no folder\nMake it", "apply", "t", "old.npy", "no/out.npy", "--space", "acme/old@1")
    refused("npy has no room for it", "apply", "t", "old.npy", "o.npy", "--space", "acme/old@1", "--confidence", "c")
    next(Path("t").glob("tensors-*")).write_bytes(b"x")
    refused("has sha256", "apply", "t", "old.npy", "out.npy", "--space", "acme/old@1")


def test_rows_of_another_domain_are_flagged_before_anything_is_written(place: Path) -> None:
    fitted("--source-space", "acme/old@1")
    args = ("apply", "t", "special.parquet", "out.parquet", "--space", "acme/old@1")
    refused("special.parquet is not of the kind that the translation was fitted on: shift", *args)
    done = run("translate", *args, "--force", "--json", "--quiet")
    assert done.exit_code == 0 and json.loads(done.stdout)["domain"]["outside"] is True


def test_a_failed_translation_is_not_kept_and_not_applied(place: Path) -> None:
    np.save("shuffled.npy", np.load("new.npy")[np.random.default_rng(1).permutation(400)])
    args = ("translate", "fit", "old.npy", "shuffled.npy", "--pairs", "rows", "--out", "t", "--json")
    done = run(*args)
    assert done.exit_code == 1 and json.loads(done.stdout)["verdict"]["level"] == "failed"
    assert "nothing was written: the verdict is failed" in done.stderr and not Path("t").exists()
    done = run(*args, "--force", "--quiet")
    assert done.exit_code == 0 and Path("t/translator.json").exists()
    refused("the verdict on this translation is: failed", "apply", "t", "old.npy", "out.npy")
    assert run("translate", "apply", "t", "old.npy", "out.npy", "--force").exit_code == 0


def test_bad_rows_stop_it_or_are_left_out(place: Path) -> None:
    rows = np.load("old.npy")
    rows[7], rows[300] = np.nan, 0
    np.save("bad.npy", rows)
    pq.write_table(table(rows), "bad.parquet")
    refused("row 7 is not finite, and 1 more", "fit", "bad.npy", "new.npy", "--pairs", "rows", "--out", "t")
    done = run("translate", "fit", "bad.npy", "new.npy", "--pairs", "rows", "--out", "t", "--drop-bad", "--json",
               "--source-space", "acme/old@1", "--quiet")  # fmt: skip
    assert done.exit_code == 0 and json.loads(done.stdout)["domain"] == 398, done.output
    refused("row 7 is not finite", "apply", "t", "bad.parquet", "out.parquet", "--space", "acme/old@1")
    done = run("translate", "apply", "t", "bad.parquet", "out.parquet", "--space", "acme/old@1", "--drop-bad")
    assert done.exit_code == 0 and "398 vectors" in done.stdout and "2 left out" in done.stdout
    assert set(range(400)) - set(pq.read_table("out.parquet")["n"].to_pylist()) == {7, 300}


@pytest.mark.parametrize(("width", "rows"), [(1, 60), pytest.param(8192, 24, marks=pytest.mark.slow)])
def test_any_width_and_fewer_rows_than_dimensions(width: int, rows: int, place: Path) -> None:
    rng = np.random.default_rng(0)
    np.save("w.npy", rng.standard_normal((rows, width)).astype(np.float32))
    np.save("v.npy", rng.standard_normal((rows, 3)).astype(np.float32))
    args = ("fit", "w.npy", "v.npy", "--pairs", "rows", "--method", "procrustes", "--metric", "dot", "--force")
    done = run("translate", *args, "--out", "t", "--quiet", "--json")
    assert done.exit_code == 0, done.output
    assert run("translate", "apply", "t", "w.npy", "o.npy", "--force", "--quiet").exit_code == 0
    assert np.load("o.npy").shape == (rows, 3)


def test_unequal_pairs_and_pairs_that_nobody_named(place: Path) -> None:
    np.save("less.npy", np.load("new.npy")[:399])
    refused("400 rows of old.npy but 399 of less.npy", "fit", "old.npy", "less.npy", "--pairs", "rows", "--out", "t")
    refused("so no pairs are known", "fit", "old.npy", "new.npy", "--out", "t")
    done = run("translate", "fit", "old.npy", "new.npy", "--pairs", "rows")
    assert done.exit_code == 2 and "--out DIR, --atlas DIR" in done.stderr
    done = run("translate", "fit", "hashing:64", "hashing:32", "--out", "t")
    assert done.exit_code == 2 and "two models need --texts FILE" in done.stderr
    refused("old.npy holds no texts for hashing:64 to embed", "fit", "old.npy", "hashing:64", "--out", "t")


def texts(count: int) -> list[str]:
    rng = np.random.default_rng(2)
    return [" ".join(rng.choice(WORDS, 9)) for _ in range(count)]


def test_models_embed_given_texts_or_those_of_the_other_side(place: Path) -> None:
    Path("t.txt").write_text("\n".join(texts(150)))
    done = run("translate", "fit", "hashing:64", "hashing:32", "--texts", "t.txt", "--out", "a", "--quiet", "--force",
               "--json", "--sample", "120")  # fmt: skip
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["source"]["name"] == "samespace/hashing-64@1" and made["domain"] == 120
    pq.write_table(table(np.random.default_rng(0).standard_normal((150, 9)), text=texts(150)), "with.parquet")
    done = run("translate", "fit", "with.parquet", "hashing:32", "--out", "b", "--quiet", "--force", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["verdict"]["level"] == "failed", "noise has no texts in it"


def test_without_pairs_two_runs_are_compared(place: Path, monkeypatch) -> None:
    from samespace.translate import align as module
    from samespace.translate.procrustes import Procrustes

    seen = []

    def align(source, target, *, seed=0, tell=lambda _: None, **_):  # the real one takes a minute: tests/translate
        seen.append((len(source), len(target), seed))
        tell("stage")
        return Procrustes.fit(source[:200], target[:200])

    monkeypatch.setattr(module, "align", align)
    done = run("translate", "fit", "old.npy", "new.npy", "--unpaired", "--out", "t", "--json", "--force")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["fidelity"] is None and {"cosine", "same_neighbour"} <= set(made["verdict"]["evidence"])
    assert len({seed for *_, seed in seen}) == 2 and all(n == m == 320 for n, m, _ in seen)
    assert "not measured: no pairs are known" in run("translate", "report", "t").stdout


def test_few_pairs_and_many_rows_are_doubtful_at_best(place: Path) -> None:
    Path("p.csv").write_text("source,target\n" + "\n".join(f"{i},{i}" for i in range(0, 400, 10)))
    args = ("fit", "old.npy", "new.npy", "--pairs", "p.csv", "--unpaired", "--source-space", "acme/old@1")
    done = run("translate", *args, "--out", "t", "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["verdict"]["level"] == "doubtful" and made["verdict"]["why"].startswith("40 pairs are too few")
    assert made["fidelity"] is None and made["domain"] == 400 and made["facts"]["stretch"] == 1.0
    assert run("translate", "apply", "t", "old.npy", "o.npy", "--space", "acme/old@1").exit_code == 0
    there = load("t").target.vectors(np.load("new.npy")).data
    assert (np.load("o.npy") * there).sum(1).mean() > 0.9


def test_an_index_is_a_side_and_can_be_exported(place: Path) -> None:
    Path("docs").mkdir()
    for i, text in enumerate(texts(90)):
        Path(f"docs/{i}.txt").write_text(text)
    assert run("index", "docs", "--index", "i", "--model", "hashing:64", "--quiet").exit_code == 0
    done = run("translate", "fit", "i", "hashing:32", "--out", "t", "--quiet", "--json", "--force", "--atlas", "atlas")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["source"]["name"] == "samespace/hashing-64@1" and made["domain"] == 90
    assert run("translate", "apply", "t", "i", "o.parquet", "--force").exit_code == 0
    out = pq.read_table("o.parquet")
    assert out.schema.names == ["digest", "vector"] and len(set(out["digest"].to_pylist())) == 90
    done = run("spaces", "i", "--atlas", "atlas", "--svg", "a.svg")
    assert done.exit_code == 0 and "i  90 vectors by hashing:64" in done.stdout
    assert "└─ samespace/hashing-32@1" in done.stdout and " kept · " in done.stdout
    svg = Path("a.svg").read_text()
    assert svg.startswith("<svg") and "samespace/hashing-32@1" in svg and "90 vectors in i" in svg
    lines = [json.loads(line) for line in run("spaces", "i", "--atlas", "atlas", "--json").stdout.splitlines()]
    assert [sorted(line) for line in lines] == [
        ["index", "model", "space", "vectors"], ["fidelity", "source", "target", "verdict"],
    ]  # fmt: skip


def test_a_space_is_shown_with_those_it_was_derived_from() -> None:
    whole = Space("acme/whole@1", 64, fingerprint="w")
    shown = _chain(Space("acme/cut@1", 16, fingerprint="c", parent=whole))
    assert [line.split()[:2] for line in shown] == [["acme/cut@1", "16"], ["from", "acme/whole@1"]]


def test_an_atlas_grows_and_is_drawn(place: Path) -> None:
    fitted("--atlas", "atlas", "--source-space", "acme/old@1", "--target-space", "acme/new@1")
    done = run("translate", "fit", "new.npy", "old.npy", "--pairs", "rows", "--atlas", "atlas", "--quiet",
               "--source-space", "acme/new@1", "--target-space", 'acme/<script>&"@1')  # fmt: skip
    assert done.exit_code == 0, done.output
    atlas = open_atlas("atlas")
    assert len(atlas.translators) == 2 and atlas.route(Space("acme/old@1", 12), atlas.spaces[2]).fidelity is not None
    done = run("spaces", "--atlas", "atlas", "--svg", "a.svg")
    assert done.exit_code == 0 and done.stdout.count("└─") == 2
    lines = done.stdout.splitlines()
    here = lines.index("acme/old@1  12 wide, cosine")
    assert lines[here + 1].startswith("  └─ acme/new@1"), "the ways that lead out of it stand below a space"
    svg = Path("a.svg").read_text()
    assert "<script>" not in svg and "&lt;script&gt;" in svg and "2 translations" in svg
    assert "there is no atlas here" in run("spaces", "--atlas", "none").stderr
    assert "no is no folder\nMake it" in run("spaces", "--atlas", "atlas", "--svg", "no/a.svg").stderr


@pytest.mark.slow
def test_ctrl_c_leaves_no_half_file(place: Path) -> None:
    fitted("--source-space", "acme/old@1")
    np.save("big.npy", np.tile(np.load("old.npy"), (4000, 1)).astype(np.float32))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    args = ["translate", "apply", "t", "big.npy", "out.npy", "--space", "acme/old@1"]
    heard = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # whoever runs this may ignore it
    )
    code = heard + "from samespace.serve.cli import main; main()"
    job = subprocess.Popen([sys.executable, "-c", code, *args], stderr=subprocess.PIPE, env=env)
    while job.poll() is None and not list(place.glob(".draft-*.npy")):
        time.sleep(0.01)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 130 and b"stopped" in said, said
    assert not list(place.glob("*out.npy*")) and not list(place.glob(".draft-*"))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(place: Path) -> None:
    fitted("--source-space", "acme/old@1")
    probe = (
        "import resource, sys\nfrom samespace.serve.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as e: assert not e.code\n"
        "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    env, peaks = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, []
    for times in (50, 2500):
        pq.write_table(table(np.tile(np.load("old.npy"), (times, 1))), "big.parquet", row_group_size=20_000)
        args = [
            "translate",
            "apply",
            "t",
            "big.parquet",
            "o.parquet",
            "--space",
            "acme/old@1",
            "--overwrite",
            "--quiet",
        ]
        job = subprocess.run([sys.executable, "-c", probe, *args], capture_output=True, text=True, env=env)
        assert job.returncode == 0, job.stderr
        peaks.append(int(job.stderr.split("PEAK")[1]))
    assert pq.read_metadata("o.parquet").num_rows == 1_000_000
    assert peaks[1] - peaks[0] < 60_000, f"{peaks} KiB: the vectors alone are 47,000 KiB of the larger file"
