"""Looking into a Thought: words, controls, Chain-of-Embedding."""

import math

import pytest
import torch

from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.thought import _coe


@pytest.fixture(scope="module")
def thought(tiny, rows_of):
    with torch.inference_mode():
        return Latent(32, steps=3, tail=2)(Backbone.of(tiny("gpt2")), rows_of("gpt2").batch())


def test_logits_are_those_of_the_head(thought, tiny, rows_of) -> None:
    model = tiny("gpt2")
    prompt = {k: v[2:, :-2] for k, v in rows_of("gpt2").batch().items()}
    with torch.inference_mode():
        said = model(**prompt).logits[:, -1]
        assert (thought.logits(0)[2] - said[0]).abs().max() <= 1e-4
        assert (thought.logits(3) - model.lm_head(thought.states[:, 3])).abs().max() <= 1e-6
    for k in (-1, 4):
        with pytest.raises(IndexError, match="Count from 0"):
            thought.logits(k)


def test_a_head_left_out_is_the_table_if_they_were_tied(tiny, rows_of) -> None:
    from samespace.errors import RecipeError

    bare = Backbone.of(tiny("qwen2").base_model)
    state = torch.randn(1, 32)
    assert torch.allclose(bare.logits(state), Backbone.of(tiny("qwen2")).logits(state), atol=1e-5)
    with pytest.raises(RecipeError, match="AutoModelForCausalLM"):
        Backbone.of(tiny("llama").base_model).logits(state)


def test_ablations_take_away_the_content_alone(thought) -> None:
    with torch.inference_mode():
        made = {how: thought.ablate(how) for how in ("zero", "shuffle", "noise", "pause")}
    assert made["zero"].latents.abs().max() == 0
    assert torch.equal(made["shuffle"].latents, thought.latents[[2, 0, 1]])
    assert torch.allclose(made["noise"].latents.norm(dim=-1), thought.latents.norm(dim=-1), rtol=1e-5)
    five = thought.backbone.table[5]
    assert torch.equal(made["pause"].latents, five.expand(3, 3, 32))
    for how, other in made.items():
        assert (other.embedding - thought.embedding).abs().max() > 1e-3, how
        assert torch.equal(other.used, thought.used)
    assert torch.equal(thought.ablate("noise", seed=1).latents, thought.ablate("noise", seed=1).latents)
    assert not torch.equal(thought.ablate("noise", seed=1).latents, made["noise"].latents)


def test_what_cannot_be_ablated(thought, tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny("gpt2")), rows_of("gpt2")
    with pytest.raises(ValueError, match="Give at least two"):
        Latent(32, steps=1)(backbone, rows.batch(0)).ablate("shuffle")
    with pytest.raises(ValueError, match="Think with steps >= 1"):
        Latent(32, steps=0)(backbone, rows.batch()).ablate("zero")
    with pytest.raises(ValueError, match="Use 'zero'"):
        thought.ablate("none")


def test_coe_of_known_chains() -> None:
    straight = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]]])
    assert torch.isnan(_coe(straight)[0]).all(), "no turn at all: an angle of 0 divides nothing"
    turn = torch.tensor([[[1.0, 0.0], [math.cos(0.3), math.sin(0.3)], [0.0, 1.0]]])
    r, c = _coe(turn)
    moves = [2 * math.sin(0.15) / math.sqrt(2), 2 * math.sin(math.pi / 4 - 0.15) / math.sqrt(2)]
    turns = [0.3 / (math.pi / 2), 1 - 0.3 / (math.pi / 2)]
    assert float(r) == pytest.approx(sum(moves) / 2 - 0.5, abs=1e-5)
    real = sum(m * math.cos(a) for m, a in zip(moves, turns, strict=True)) / 2
    imaginary = sum(m * math.sin(a) for m, a in zip(moves, turns, strict=True)) / 2
    assert float(c) == pytest.approx(math.hypot(real, imaginary), abs=1e-5)


def test_coe_reads_layers_and_steps(thought, tiny, rows_of) -> None:
    with torch.inference_mode():
        found = thought.coe()
        _, layers = thought.replay.read(thought.latents, thought.used, layers=True)
    assert layers.shape == (3, 3, 32)
    assert (layers[:, -1] - thought.embedding).abs().max() <= 1e-5
    assert torch.equal(found.layers_r, _coe(layers)[0])
    assert torch.equal(found.steps_c, _coe(thought.states)[1])
    without = Latent(32, steps=0)(Backbone.of(tiny("gpt2")), rows_of("gpt2").batch()).coe()
    assert torch.isnan(without.steps_r).all()
    assert torch.isfinite(without.layers_r).all()
