"""Adapted linears as one step: the numbers and the slopes of peft's own, in full and in half precision."""

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora.layer import Linear
from torch import nn

from samespace.encode.lora_layer import Direct, _Sum, direct


def pair(dtype: torch.dtype, **more):
    """peft's layer, and the same going our way; the base has a bias."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(24, 40)).to(dtype).requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=4, lora_alpha=12, target_modules=["0"], **more), model)
    for name, part in model.named_parameters():
        if ".lora_" in name:
            part.data = torch.randn(part.shape) / 3
    ours = copy.deepcopy(model)
    direct(ours)
    assert type(model[0]) is Linear
    assert type(ours[0]) is Direct
    return model, ours


def slopes(model, x, target):
    x = x.clone().requires_grad_()
    made = model(x)
    (made.float() * target).sum().backward()
    return made.detach(), x.grad, *(part.grad for name, part in model.named_parameters() if ".lora_" in name)


@pytest.mark.parametrize("shape", [(6, 24), (2, 3, 24)])
def test_in_full_precision_it_is_pefts_own(shape) -> None:
    theirs, ours = pair(torch.float32)
    x, target = torch.randn(shape), torch.randn(*shape[:-1], 40)
    for one, other in zip(slopes(theirs, x, target), slopes(ours, x, target), strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-4)


def test_in_half_precision_it_is_no_farther_from_the_truth_than_pefts() -> None:
    theirs, ours = pair(torch.bfloat16)
    x, target = torch.randn(200, 24).bfloat16(), torch.randn(200, 40)
    exact = copy.deepcopy(theirs).float()
    truth = slopes(exact, x.float(), target)
    for right, one, other in zip(truth, slopes(theirs, x, target), slopes(ours, x, target), strict=True):
        assert one.dtype == other.dtype
        far = [float((made.float() - right).norm() / right.norm()) for made in (one, other)]
        assert far[1] < max(1.5 * far[0], 0.006), far


def test_its_slopes_are_those_of_its_numbers() -> None:
    torch.manual_seed(1)
    x, a, b = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 5), (2, 5), (4, 2)))
    weight, bias = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x, a, b: _Sum.apply(x, weight, bias, a, b, 3.0), (x, a, b))
    assert torch.autograd.gradcheck(lambda x, a, b: _Sum.apply(x, weight, None, a, b, 0.5), (x, a, b))


def test_switched_off_or_with_dropout_it_goes_pefts_way() -> None:
    theirs, ours = pair(torch.float32)
    x = torch.randn(5, 24)
    ours[0].enable_adapters(False)
    assert torch.equal(ours(x), ours[0].base_layer(x))
    ours[0].enable_adapters(True)
    ours[0].merge()
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)
    dropped = pair(torch.float32, lora_dropout=0.5)[1].train()
    assert not torch.allclose(dropped(x), dropped(x)), "it is drawn anew"
