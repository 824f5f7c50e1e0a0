"""The routed transition, held to its formula one row and one expert at a time."""

import torch
from torch.nn import functional

from samespace.reason.adapter import Adapter, Mlp, Routed


def filled(**settings) -> Routed:
    torch.manual_seed(0)
    made = Routed(16, **settings)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def expert(a: Routed, number: int, given: torch.Tensor) -> torch.Tensor:
    inner = functional.gelu(given @ a.first[number] + a.first_bias[number, 0])
    return inner @ a.last[number] + a.last_bias[number, 0]


def test_it_is_the_formula() -> None:
    adapter, state, anchor = filled(), torch.randn(5, 16), torch.randn(5, 16)
    moved, chances = adapter(state, 3, anchor)
    for row in range(5):
        joint = torch.cat([state[row] + anchor[row], adapter.step.weight[3]])
        wanted = functional.softmax(adapter.router(joint), dim=0)
        assert torch.allclose(chances[row], wanted, atol=1e-6)
        normed = adapter.norm(state[row])
        best = wanted.sort(descending=True).indices[:2].tolist()
        sum_ = state[row] + expert(adapter, 0, normed) + sum(wanted[m] * expert(adapter, m + 1, normed) for m in best)
        assert torch.allclose(moved[row], sum_, atol=1e-5)


def test_step_and_anchor_route() -> None:
    adapter, state = filled(steps=4), torch.randn(5, 16)
    chances = [adapter(state, k, None)[1] for k in (0, 3, 9)]
    assert (chances[0] - chances[1]).abs().max() > 1e-3
    assert torch.equal(chances[1], chances[2]), "steps beyond the table count as the last"
    assert (adapter(state, 0, torch.randn(5, 16))[1] - chances[0]).abs().max() > 1e-3


def test_dropout_only_in_training() -> None:
    adapter, state = filled(dropout=0.5), torch.randn(5, 16)
    assert not torch.equal(adapter.train()(state, 0, None)[0], adapter(state, 0, None)[0])
    assert torch.equal(adapter.eval()(state, 0, None)[0], adapter(state, 0, None)[0])


def test_both_start_as_the_identity_and_can_learn() -> None:
    state = torch.randn(5, 16)
    for adapter in (Mlp(16), Routed(16)):
        assert isinstance(adapter, Adapter)
        moved, _ = adapter(state, 0, None)
        assert torch.equal(moved, state)
        moved.sum().backward()
        assert max(p.grad.abs().max() for p in adapter.parameters() if p.grad is not None) > 0
