"""The switches for thinking longer: each does what it says, and only while it is trained."""

import pytest
import torch

from samespace.reason.adapter import Adapter, Mlp, Routed
from samespace.reason.latent import Latent
from samespace.train.reason_losses import step_ce
from samespace.train.reason_switches import Corrupted, Switches


def test_noise_of_its_length_is_put_into_its_share_of_rows() -> None:
    torch.manual_seed(0)
    state = torch.randn(4000, 16)
    moved, chances = Corrupted(0.3, 0.5)(state, 0, None)
    far = (moved - state).norm(dim=-1) / state.norm(dim=-1)
    assert chances is None
    assert 0.27 < (far > 0).float().mean() < 0.33
    assert (far[far > 0] - 0.5).abs().max() < 1e-5
    away = torch.nn.functional.normalize((moved - state)[far > 0], dim=-1)
    assert away.mean(0).norm() < 0.1, "in every direction"


def test_nothing_is_corrupted_after_training() -> None:
    state = torch.randn(5, 16)
    assert torch.equal(Corrupted(1.0).eval()(state, 0, None)[0], state)


def test_it_stands_behind_another_adapter() -> None:
    inner = Routed(16, experts=3)
    state = torch.randn(5, 16)
    outer = Corrupted(1.0, 0.5, inner)
    assert isinstance(outer, Adapter)
    assert {name for name, _ in outer.named_parameters()} == {f"inner.{name}" for name, _ in inner.named_parameters()}
    moved, chances = outer(state, 0, None)
    assert chances is not None
    assert torch.equal(chances, inner(state, 0, None)[1])
    assert not torch.equal(moved, inner(state, 0, None)[0])
    assert torch.equal(outer.eval()(state, 0, None)[0], inner(state, 0, None)[0])


def test_the_switches_say_what_is_on() -> None:
    inner = Mlp(16)
    assert Switches().feedback == "scale"
    assert Switches(snapped=True).feedback == "snap"
    assert Switches().adapter() is None
    assert Switches().adapter(inner) is inner
    noisy = Switches(corrupted=0.2, noise=0.7).adapter(inner)
    assert isinstance(noisy, Corrupted)
    assert (noisy.share, noisy.noise, noisy.inner) == (0.2, 0.7, inner)


def test_steps_are_told_or_not() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from samespace.reason.backbone import Backbone

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    backbone = Backbone.of(LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=20)))
    switches = Switches(snapped=True, corrupted=1.0)
    think = Latent(16, steps=3, feedback=switches.feedback, adapter=switches.adapter())
    thought = think(backbone, {"input_ids": torch.tensor([[1, 2, 3], [4, 5, 6]])})
    targets = torch.tensor([[7, 8, 9], [1, 2, -100]])
    assert torch.equal(switches.loss(thought, targets), step_ce(thought, targets))
    assert float(Switches(told=False).loss(thought, targets)) == 0
    table = backbone.table
    near = torch.cdist(thought.latents.detach(), table.detach()).min(-1).values
    assert near.max() < 1e-5, "what is fed back is a token's embedding, noise or not"


@pytest.mark.parametrize("given", [{"corrupted": -0.1}, {"corrupted": 1.1}, {"noise": -1.0}])
def test_switches_that_make_no_sense(given) -> None:
    with pytest.raises(ValueError, match="Use a share from 0 to 1"):
        Switches(**given)
