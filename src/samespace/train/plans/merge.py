"""Merge models of one architecture: the mean of their weights, or the point between two on the arc that joins them.

Fine-tuned from one base, models often do better merged than any alone, at the cost of one. Nothing is trained, so
whether it does is to be measured; the Space of what comes out is its own.

    linear    sum_m w_m W_m / sum_m w_m, tensor by tensor
    slerp     sin((1-t)a)/sin(a) W_0 + sin(t a)/sin(a) W_1 with cos(a) = <W_0, W_1> / |W_0||W_1|, t = w_1 / (w_0 + w_1),
              tensor by tensor; linear where they are parallel or one is zero

Reference: Wortsman et al., Model soups, arXiv:2203.05482; Shoemake, Animating rotation with quaternion curves, 1985.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from samespace.encode.card import tensor_file
from samespace.encode.weights import sha256
from samespace.errors import PlanError
from samespace.train import limits

__all__ = ["Config", "linear", "run", "slerp"]

_PARALLEL = 1e-6  # of 1 - |cos|: below it the arc is a line
_SAME = ("tokenizer.json", "tokenizer.model", "vocab.txt")  # or a row of the words would mean two of them
_SKIPPED = (".safetensors", ".bin", ".pt", ".safetensors.index.json", "README.md")


@dataclass(frozen=True)
class Config:
    """Settings of the plan."""

    models: str  # folders of the models, with commas between them; all else is taken from the first
    out: Path  # folder for the merged model; new
    how: Literal["linear", "slerp"] = "linear"  # slerp takes two
    weights: str = ""  # one number a model, with commas between them; "" = alike

    def __post_init__(self) -> None:
        if len(self.folders) < 2 or (self.how == "slerp" and len(self.folders) != 2):
            wanted = "two" if self.how == "slerp" else "two or more"
            raise ValueError(f"{len(self.folders)} models are given\nName {wanted}: --models a,b --how {self.how}")
        try:
            fit = len(self.shares) == len(self.folders) and min(self.shares) >= 0 and 0 < sum(self.shares) < math.inf
        except ValueError:
            fit = False
        if not fit:
            raise ValueError(f"weights are {self.weights!r}\nGive one number of at least 0 a model: --weights 0.7,0.3")
        for folder in self.folders:
            limits.apart(self.out, folder)

    @property
    def folders(self) -> list[Path]:
        """Of the models."""
        return [Path(name.strip()).expanduser() for name in self.models.split(",") if name.strip()]

    @property
    def shares(self) -> list[float]:
        """Weight of each model. Raises ValueError for what is no number."""
        return [float(w) for w in self.weights.split(",")] if self.weights else [1.0] * len(self.folders)


def run(config: Config, tell: Callable[[Mapping[str, float]], None] = lambda point: None) -> Path:
    """Merge; returns `out`, a folder that loads as the first model does.

    Raises:
        PlanError: a folder has no safetensors, tensors or tokenizers differ, a value is not finite, or `out` is there.
    """
    if config.out.exists() and any(config.out.iterdir()):
        raise PlanError("merge", f"{config.out} is not empty", "Name a new folder: --out FOLDER")
    _alike(config.folders)
    with ExitStack() as stack:
        opened = [stack.enter_context(_tensors(folder)) for folder in config.folders]
        _same_names(config.folders, opened)
        made: dict[Path, dict[str, Tensor]] = {}
        for number, (part, name) in enumerate(sorted(opened[0])):
            made.setdefault(part, {})[name] = _merged(config, name, [tensors[part, name]() for tensors in opened])
            if number % 50 == 49 or number + 1 == len(opened[0]):
                tell({"step": number + 1, "tensors": len(opened[0])})
    draft = config.out.with_name(f".draft-{config.out.name}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _write(config, made, draft)
        if config.out.exists():
            config.out.rmdir()
        draft.rename(config.out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return config.out


def _write(config: Config, made: Mapping[Path, dict[str, Tensor]], folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    _copy(config.folders[0], folder)
    facts = {"how": config.how, "weights": config.shares, "models": [_mark(folder) for folder in config.folders]}
    (folder / "merge.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    for part, tensors in made.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        with tensor_file(folder / part / "model.safetensors") as draft:
            save_file(tensors, draft, {"format": "pt"})


def linear(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean of tensors of one shape, in float64."""
    return torch.stack([t.double() * w for t, w in zip(tensors, weights, strict=True)]).sum(0) / sum(weights)


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """The point at t in [0, 1] of the arc from one tensor to another of its shape, in float64."""
    one, other = start.double(), end.double()
    lengths = one.norm() * other.norm()
    cosine = float((one * other).sum() / lengths) if lengths > 0 else 1.0
    if 1 - abs(cosine) < _PARALLEL:
        return one * (1 - t) + other * t
    angle = math.acos(cosine)
    return (one * math.sin((1 - t) * angle) + other * math.sin(t * angle)) / math.sin(angle)


def _merged(config: Config, name: str, tensors: list[Tensor]) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        return first.clone()
    for folder, tensor in zip(config.folders, tensors, strict=True):
        if tensor.shape != first.shape:
            fact = (
                f"{name} has the shape {tuple(first.shape)} in {config.folders[0]}, {tuple(tensor.shape)} in {folder}"
            )
            raise PlanError("merge", fact, "Models of one architecture and size can be merged, no others")
        if not bool(torch.isfinite(tensor).all()):
            raise PlanError("merge", f"{name} of {folder} is not finite", "Take a state from before it diverged")
    if config.how == "slerp":
        return slerp(first, tensors[1], config.shares[1] / sum(config.shares)).to(first.dtype).contiguous()
    return linear(tensors, config.shares).to(first.dtype).contiguous()


@contextmanager
def _tensors(folder: Path) -> Iterator[dict[tuple[Path, str], Callable[[], Tensor]]]:
    """(subfolder, name) → how to read it, over all the model's files: its modules have folders of their own."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise PlanError("merge", f"{folder} has no *.safetensors", "Name the folder of a model, with its weights in it")
    found: dict[tuple[Path, str], Callable[[], Tensor]] = {}
    with ExitStack() as stack:
        for file in files:
            try:
                opened: Any = stack.enter_context(safe_open(file, "pt"))
            except (SafetensorError, OSError) as err:
                raise PlanError("merge", f"{file} cannot be read ({err})", "Get the file again") from err
            part = file.parent.relative_to(folder)
            found |= {(part, name): partial(opened.get_tensor, name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        yield found


def _same_names(folders: Sequence[Path], opened: Sequence[Mapping[tuple[Path, str], object]]) -> None:
    for folder, tensors in zip(folders[1:], opened[1:], strict=True):
        if other := sorted(set(tensors) ^ set(opened[0])):
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            fact = f"{folders[0]} and {folder} have different tensors: {other[0][1]}{more} is in one of them only"
            raise PlanError("merge", fact, "Models of one architecture can be merged, saved by the same library")


def _alike(folders: Sequence[Path]) -> None:
    for name in _SAME:
        marks = {f: sha256(f / name) for f in folders if (f / name).is_file()}
        if len(set(marks.values())) > 1:
            fact = f"{name} differs between {' and '.join(map(str, marks))}"
            raise PlanError("merge", fact, "Merge models fine-tuned from one base: they share its tokenizer")


def _copy(folder: Path, out: Path) -> None:
    """Everything beside the weights, of subfolders too: a model of sentence-transformers keeps its pooling there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(_SKIPPED):
            to = out / path.relative_to(folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


def _mark(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.safetensors"))
    return {"folder": folder.name} | {str(file.relative_to(folder)): sha256(file) for file in files}
