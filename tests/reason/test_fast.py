"""The fast path gives Latent's vectors: static shapes here, captured graphs where a GPU is at hand."""

import copy

import pytest
import torch

from samespace.reason.adapter import Mlp, Routed
from samespace.reason.backbone import Backbone
from samespace.reason.fast import Fast
from samespace.reason.latent import Latent

FAR = 1e-5
KINDS = ("gpt2", "llama", "qwen2", "qwen3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows.float(), dim=-1)


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((unit(one) - unit(other)).abs().max())


@pytest.mark.parametrize("kind", KINDS)
def test_its_vectors_are_latent_s(kind, tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny(kind)), rows_of(kind)
    think = Latent(32, steps=4, tail=2).eval()
    fast = Fast(think, backbone)
    with torch.inference_mode():
        for batch in (rows.batch(), rows.batch(side="right"), rows.batch(1), rows.batch(0, 1)):
            assert far(fast(batch), think(backbone, batch).embedding) <= FAR


@pytest.mark.parametrize("feedback", ["raw", "soft", "snap"])
def test_every_feedback(feedback, tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny("llama")), rows_of("llama")
    think = Latent(32, steps=3, feedback=feedback).eval()
    with torch.inference_mode():
        assert far(Fast(think, backbone)(rows.batch()), think(backbone, rows.batch()).embedding) <= FAR


@pytest.mark.parametrize("adapter", [Mlp(32), Routed(32)])
def test_adapters_are_told_step_and_anchor(adapter, tiny, rows_of) -> None:
    adapter = copy.deepcopy(adapter)
    torch.manual_seed(0)
    for weight in (getattr(adapter.last, "weight", adapter.last),):
        torch.nn.init.normal_(weight, std=0.5)
    if isinstance(adapter, Routed):
        torch.nn.init.normal_(adapter.step.weight)
    backbone, rows = Backbone.of(tiny("qwen2")), rows_of("qwen2")
    think = Latent(32, steps=3, adapter=adapter, anchor=5).eval()
    with torch.inference_mode():
        assert far(Fast(think, backbone)(rows.batch()), think(backbone, rows.batch()).embedding) <= FAR


def test_a_shape_seen_before_keeps_nothing_of_the_batch_before(tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny("qwen2_vl")), rows_of("qwen2_vl")
    fast = Fast(Latent(32, steps=4), backbone)
    first = fast(rows.batch(0, 1))
    fast(rows.batch(2, 1))
    assert len(fast._lanes) == 1, "one shape, one place"
    assert torch.equal(fast(rows.batch(0, 1)), first)


def test_in_bfloat16_it_is_near(tiny, rows_of) -> None:
    backbone = Backbone.of(copy.deepcopy(tiny("llama")).bfloat16())
    think = Latent(32, steps=4).eval()
    with torch.inference_mode():
        one, other = (
            Fast(think, backbone)(rows_of("llama").batch()),
            think(backbone, rows_of("llama").batch()).embedding,
        )
    assert (unit(one) * unit(other)).sum(-1).min() >= 0.999


def test_what_it_does_not_take(tiny, rows_of) -> None:
    backbone = Backbone.of(tiny("gpt2"))
    with pytest.raises(ValueError, match="Use Latent"):
        Fast(Latent(32, feedback="parallel"), backbone)
    with pytest.raises(ValueError, match="0 steps"):
        Fast(Latent(32), backbone, steps=0)
    with pytest.raises(ValueError, match=r"row 0 .* terminal 6"):
        Fast(Latent(32, terminal=6), backbone)(rows_of("gpt2").batch())
    from samespace.errors import RecipeError

    with pytest.raises(RecipeError, match="it knows 64"):
        Fast(Latent(32), backbone, steps=60)(rows_of("gpt2").batch())


@pytest.mark.gpu
def test_captured_steps_are_latent_s(tiny, rows_of) -> None:
    backbone, rows = Backbone.of(copy.deepcopy(tiny("llama")).cuda()), rows_of("llama")
    think = Latent(32, steps=6).eval()
    fast = Fast(think, backbone)
    for _ in range(3):
        batch = {name: value.cuda() for name, value in rows.batch().items()}
        with torch.inference_mode():
            assert far(fast(batch), think(backbone, batch).embedding) <= 1e-4
