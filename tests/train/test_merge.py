"""Merging models: the arithmetic on tensors, a folder that loads, and what does not belong together."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from tiny_models import bert

from samespace.encode import hf
from samespace.errors import PlanError
from samespace.items import Text
from samespace.serve.cli import main
from samespace.train import plan
from samespace.train.plans.merge import Config, linear, run, slerp

A, B = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 1.0])


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Three of one base: the first two fine-tuned by hand."""
    made = []
    for number in range(3):
        folder = tmp_path / f"m{number}"
        folder.mkdir()
        bert(folder)
        tensors = load_file(folder / "model.safetensors")
        noise = torch.Generator().manual_seed(number)
        for name in tensors:
            tensors[name] += 0.1 * number * torch.randn(tensors[name].shape, generator=noise)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        (folder / "2_Dense").mkdir()
        save_file({"linear.weight": torch.full((2, 2), float(number))}, folder / "2_Dense/model.safetensors")
        (folder / "README.md").write_text("the card of one")
        (folder / "optimizer.pt").write_bytes(b"a pickle")
        made.append(folder)
    return made


def config(models: list[Path], out: Path, **more: object) -> Config:
    return Config(models=",".join(map(str, models)), out=out, **more)


def test_the_mean_and_the_arc() -> None:
    assert torch.allclose(linear([A, B], [3, 1]), torch.tensor([2.25, 0.25], dtype=torch.float64))
    assert torch.allclose(slerp(A, B, 0.0), A.double(), atol=1e-9) and torch.allclose(slerp(A, B, 1.0), B.double())
    half = math.sqrt(0.5)
    assert torch.allclose(slerp(A, B, 0.5), torch.tensor([3 * half, half], dtype=torch.float64))
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([math.cos(1.2), math.sin(1.2)])
    third = slerp(one, other, 1 / 3)
    assert torch.allclose(third, torch.tensor([math.cos(0.4), math.sin(0.4)]).double(), atol=1e-6), "equal angles"
    assert torch.allclose(slerp(A, 2 * A, 0.5), 1.5 * A.double()) and torch.allclose(slerp(A, -A, 0.25), A.double() / 2)
    assert torch.equal(slerp(torch.zeros(2), B, 0.5), B.double() / 2)


@pytest.mark.parametrize("how", ["linear", "slerp"])
def test_a_merged_folder_loads_as_the_first_does(models: list[Path], tmp_path: Path, how: str) -> None:
    out = run(config(models[:2], tmp_path / "out", how=how, weights="1,3"))
    read = [load_file(folder / "model.safetensors") for folder in (*models[:2], out)]
    for name, tensor in read[2].items():
        wanted = linear if how == "linear" else lambda pair, w: slerp(*pair, 0.75)
        assert torch.allclose(tensor.double(), wanted([read[0][name], read[1][name]], [1, 3]), atol=1e-6)
    assert torch.allclose(load_file(out / "2_Dense/model.safetensors")["linear.weight"], torch.tensor(0.75))
    facts = json.loads((out / "merge.json").read_text())
    assert (facts["how"], facts["weights"], [m["folder"] for m in facts["models"]]) == (how, [1.0, 3.0], ["m0", "m1"])
    assert not (out / "README.md").exists() and not (out / "optimizer.pt").exists() and not list(out.glob(".draft*"))
    texts = [Text("a b"), Text("c")]
    spaces = [hf.load(str(folder), device="cpu").encode(texts) for folder in (models[0], models[1], out)]
    assert len({v.space for v in spaces}) == 3 and np.isfinite(spaces[2].data).all()


def test_one_with_itself_is_itself_and_halves_stay_halves(models: list[Path], tmp_path: Path) -> None:
    halves = {name: t.half() for name, t in load_file(models[1] / "model.safetensors").items()}
    save_file(halves | {"positions": torch.arange(3)}, models[1] / "model.safetensors", {"format": "pt"})
    made = load_file(run(config([models[1]] * 3, tmp_path / "out")) / "model.safetensors")
    assert all(torch.equal(made[name], t) and made[name].dtype == t.dtype for name, t in halves.items())
    assert torch.equal(made["positions"], torch.arange(3))


def test_what_does_not_belong_together_is_named(models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (models[1] / "tokenizer.json").write_text("{}")
    with pytest.raises(PlanError, match=r"tokenizer\.json differs between .*m0 and .*m1\n.*one base"):
        run(config(models[:2], out))
    tensors = load_file(models[2] / "model.safetensors")
    name = min(tensors)
    save_file(tensors | {name: tensors[name][:-1].clone()}, models[2] / "model.safetensors")
    with pytest.raises(PlanError, match=rf"{name} has the shape .* in .*m0, .* in .*m2\n"):
        run(config([models[0], models[2]], out))
    save_file(tensors | {name: tensors[name] / 0}, models[2] / "model.safetensors")
    with pytest.raises(PlanError, match=rf"{name} of .*m2 is not finite"):
        run(config([models[0], models[2]], out))
    tensors.pop(name)
    save_file(tensors, models[2] / "model.safetensors")
    with pytest.raises(PlanError, match=rf"different tensors: {name} is in one of them only"):
        run(config([models[0], models[2]], out))
    (models[2] / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(PlanError, match=r"m2/.*cannot be read"):
        run(config([models[0], models[2]], out))
    (tmp_path / "none").mkdir()
    with pytest.raises(PlanError, match=r"none has no \*\.safetensors"):
        run(config([models[0], tmp_path / "none"], out))
    assert not out.exists()
    with pytest.raises(PlanError, match="m2 is not empty"):
        run(config(models[:2], models[2]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": "a"}, "1 models are given.*\n.*two or more"),
        ({"models": "a,b,c", "how": "slerp"}, "3 models are given.*\n.*Name two:"),
        ({"models": "a,b", "weights": "1"}, "one number of at least 0 a model"),
        ({"models": "a,b", "weights": "0,0"}, "one number of at least 0 a model"),
        ({"models": "a,b", "weights": "x,y"}, "one number of at least 0 a model"),
        ({"models": "a,b", "how": "slurp"}, "Did you mean 'slerp'"),
        ({"models": "a,b", "weight": "1,1"}, "Did you mean 'weights'"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=f"(?s){message}"):
        plan.config("merge", {"out": "o"} | given)


def test_by_the_command(models: list[Path], tmp_path: Path) -> None:
    args = ["train", "merge", "--models", f"{models[0]},{models[1]}", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0 and done.output.endswith("out is made\n"), done.output
    again = CliRunner().invoke(main, args)
    assert again.exit_code == 1 and "is not empty" in again.output
