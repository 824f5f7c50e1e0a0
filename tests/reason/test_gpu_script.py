"""The script for a GPU, as far as it can be held to account without one."""

import pytest
import torch
from benchmarks import reason_gpu

from samespace.reason.backbone import Backbone
from samespace.reason.fast import Fast
from samespace.reason.latent import Latent


@pytest.fixture(scope="module")
def tiny_vl():
    torch.set_num_threads(1)
    return reason_gpu.made(tiny=True, device="cpu", dtype=torch.float32)


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
