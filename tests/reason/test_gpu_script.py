"""The script for a GPU, as far as it can be held to account without one."""

import pytest
import torch
from benchmarks import reason_gpu
from benchmarks.reason_qwen import qwen

from samespace.reason.backbone import Backbone
from samespace.reason.batch import Batch
from samespace.reason.fast import Fast, _padded
from samespace.reason.latent import Latent


@pytest.fixture(scope="module")
def tiny_vl():
    torch.set_num_threads(1)
    return qwen("tiny")


def test_without_a_gpu_the_numbers_are_held_to_and_it_says_so(tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: the whole table would run")
    found = list(reason_gpu.figures(tmp_path, quick=True))
    assert len(found) == 2
    assert all(figure.holds for figure in found)
    assert all("was not run" in figure.notes for figure in found)


def test_agreement_is_measured(tiny_vl) -> None:
    assert reason_gpu.agree(tiny_vl, 2, 20) >= 1 - 1e-6


def test_the_written_chain_is_the_snapped_one(tiny_vl) -> None:
    backbone, ids = Backbone.of(tiny_vl), torch.randint(1, 400, (2, 30), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        snapped = Latent(backbone.width, steps=5, feedback="snap").eval()(backbone, {"input_ids": ids}).embedding
        chain = Fast(Latent(backbone.width, steps=5), backbone, feed=reason_gpu.greedy)({"input_ids": ids})
    assert (chain - snapped).abs().max() <= 1e-4


def test_the_floor_is_reading_or_computing(tiny_vl) -> None:
    chip = reason_gpu.Chip(bytes_=1e9, products=1e12)
    weights = sum(p.numel() for p in tiny_vl.get_decoder().layers.parameters())
    step = reason_gpu.floor(tiny_vl, chip, 1, 0, 1, head=False)
    kept = 2 * 2 * 2 * 16  # keys and values, layers, heads of them, their width
    assert step == pytest.approx((2 * weights + 2 * kept) / 1e9), "one token: reading"
    assert reason_gpu.floor(tiny_vl, chip, 1, 1000, 1, head=False) - step == pytest.approx(2 * kept * 1000 / 1e9)
    assert reason_gpu.floor(tiny_vl, chip, 1, 0, 1, head=True) - step == pytest.approx(2 * 500 * 64 / 1e9)
    many = reason_gpu.floor(tiny_vl, chip, 32, 0, 1000, head=False)
    looked = 4 * 2 * 64 * 32 * 1000 * 500
    assert many == pytest.approx((2 * weights * 32 * 1000 + looked) / 1e12), "many tokens: computing"


def test_a_row_of_the_table_runs_where_there_is_no_gpu(tiny_vl) -> None:
    chip = reason_gpu.Chip(bytes_=1e9, products=1e12)
    found = {
        figure.figure.partition(": ")[2]: figure for figure in reason_gpu.row(tiny_vl, chip, 2, 20, tokens=12, rounds=1)
    }
    assert sorted(found) == [
        "8 latent steps in all", "against 12 captured tokens", "against 12 tokens of generate", "against a single pass",
        "latent step",
    ]  # fmt: skip
    assert all(figure.peer is not None and figure.peer > 0 for figure in found.values())
    step, total = found["latent step"].peer, found["8 latent steps in all"].peer
    read = reason_gpu.floor(tiny_vl, chip, 2, 0, 20, head=False) * 1e3
    assert total == pytest.approx(read + 8 * step)


def test_a_captured_step_asks_the_device_for_nothing(tiny_vl) -> None:
    """What a graph cannot hold: a number that python waits for, such as `if mask.all()`."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class NoAnswers(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert "_local_scalar_dense" not in str(func) and "nonzero" not in str(func), func
            return func(*args, **(kwargs or {}))

    backbone = Backbone.of(tiny_vl)
    fast, ids = Fast(Latent(backbone.width, steps=2), backbone), torch.ones(2, 20, dtype=torch.long)
    fast({"input_ids": ids})
    (lane,) = fast._lanes.values()
    prompt, _ = Batch.of({"input_ids": ids}).split(1)
    with torch.inference_mode():
        lane._read(_padded(prompt))
    with torch.inference_mode(), NoAnswers():
        lane._step(0)
        lane._end()
        with pytest.raises(AssertionError, match="_local_scalar_dense"):
            bool(ids.all())
