"""The rollout on seven architectures: with a cache as without, padded as unpadded, together as alone."""

import pytest
import torch

from samespace.reason.adapter import Mlp, Routed
from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.protocol import Reasoner

SEVEN = ("gpt2", "llama", "qwen2", "qwen3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl")
OTHERS = ("mistral", "phi3", "gemma3", "gpt_neox", "opt")
FAR = 1e-5


def kl(new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """KL(new || old) (b) of logits (b, v), the long way."""
    chances = new.softmax(-1)
    return (chances * (chances.log() - old.softmax(-1).log())).sum(-1)


def between(moves: torch.Tensor) -> float:
    """A bound amid the moves (s, b), far from any, by which rows part."""
    for low, high in torch.stack([moves.flatten().sort().values[:-1], moves.flatten().sort().values[1:]], 1).tolist():
        bound = (low + high) / 2
        reached = {
            int((column < bound).int().argmax()) + 1 if bool((column < bound).any()) else 6 for column in moves.T
        }
        if len(reached) > 1 and high - low > 1e-2 * high:
            return bound
    raise AssertionError("no bound parts these rows")


def reforwarded(model, batch: dict, latents: torch.Tensor, tail: int) -> torch.Tensor:
    """The last token's state (b, w) by one pass without a cache: latents put in the place of dummy tokens."""
    s = latents.shape[1]

    def spread(name: str, fill: int) -> torch.Tensor:
        given = batch[name]
        middle = torch.full((len(given), s), fill, dtype=given.dtype)
        return torch.cat([given[:, :-tail], middle, given[:, -tail:]], 1)

    given = {**batch, "input_ids": spread("input_ids", 3), "attention_mask": spread("attention_mask", 1)}
    if "mm_token_type_ids" in batch:
        given["mm_token_type_ids"] = spread("mm_token_type_ids", 0)
    if "pixel_values" not in batch:
        given["position_ids"] = (given["attention_mask"].cumsum(1) - 1).clamp(min=0)

    def put(module, args, made):
        made = made.clone()
        made[:, -tail - s : -tail] = latents
        return made

    hook = model.get_input_embeddings().register_forward_hook(put)
    try:
        return model.base_model(**given, use_cache=False).last_hidden_state[:, -1]
    finally:
        hook.remove()


@pytest.mark.parametrize("kind", SEVEN + OTHERS)
def test_cached_is_as_without_a_cache(kind, tiny, rows_of) -> None:
    model, batch = tiny(kind), rows_of(kind).batch()
    with torch.inference_mode():
        thought = Latent(32, steps=3, tail=2)(Backbone.of(model), batch)
        full = reforwarded(model, batch, thought.latents, 2)
    assert (thought.embedding - full).abs().max() <= FAR
    assert (thought.embedding - thought.ablate("zero").embedding).abs().max() > 1e-2, "the latents must be seen"


@pytest.mark.parametrize("kind", SEVEN + OTHERS)
def test_neither_padding_nor_company_moves_a_vector(kind, tiny, rows_of) -> None:
    backbone, rows, think = Backbone.of(tiny(kind)), rows_of(kind), Latent(32, steps=3, tail=2)
    with torch.inference_mode():
        together = think(backbone, rows.batch()).embedding
        alone = torch.cat([think(backbone, rows.batch(row)).embedding for row in range(3)])
        right = think(backbone, rows.batch(side="right")).embedding
        wider = think(backbone, rows.batch(extra=5)).embedding
    for other in (alone, right, wider):
        assert (together - other).abs().max() <= FAR
    assert (together[0] - together[1]).abs().max() > 1e-2


@pytest.mark.parametrize("kind", SEVEN)
def test_rows_halt_apart(kind, tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny(kind)), rows_of(kind)
    with torch.inference_mode():
        free = Latent(32, steps=6, tail=2)(backbone, rows.batch())
        moves = torch.stack([kl(free.logits(k), free.logits(k - 1)) for k in range(1, 7)])
        bound = between(moves)
        think = Latent(32, steps=6, tail=2, tolerance=bound)
        halted = think(backbone, rows.batch(), until="kl")
        alone = [think(backbone, rows.batch(row), until="kl") for row in range(3)]
    first = [next((k + 1 for k, m in enumerate(moves) if m[row] < bound), 6) for row in range(3)]
    assert halted.used.tolist() == first == [int(one.used) for one in alone]
    assert len(set(first)) > 1, "the bound must part the rows"
    for row, n in enumerate(first):
        assert torch.equal(halted.states[row, n:], halted.states[row, n : n + 1].expand_as(halted.states[row, n:]))
    assert (halted.embedding - torch.cat([one.embedding for one in alone])).abs().max() <= FAR
    with torch.inference_mode():
        again = halted.replay.read(halted.latents, halted.used)[1][:, -1]
    assert (halted.embedding - again).abs().max() <= FAR


@pytest.mark.parametrize("kind", ["gpt2", "qwen3_vl"])
def test_no_steps_are_the_ordinary_vector(kind, tiny, rows_of) -> None:
    model, rows = tiny(kind), rows_of(kind)
    with torch.inference_mode():
        thought = Latent(32, tail=2)(Backbone.of(model), rows.batch(), steps=0)
        for row in range(3):
            plain = model.base_model(**rows.batch(row)).last_hidden_state
            assert (thought.embedding[row] - plain[0, -1]).abs().max() <= FAR
            assert (thought.states[row, 0] - plain[0, -3]).abs().max() <= FAR
    assert thought.latents.shape == (3, 0, 32)
    assert thought.used.tolist() == [0, 0, 0]


def test_scale_brings_latents_to_the_length_of_embeddings(tiny, rows_of) -> None:
    model = tiny("llama")
    latents = Latent(32, steps=3)(Backbone.of(model), rows_of("llama").batch()).latents
    mean = model.get_input_embeddings().weight.norm(dim=1).mean()
    assert torch.allclose(latents.norm(dim=-1), mean.expand(3, 3), rtol=1e-5)


def test_raw_feeds_the_state_itself_back(tiny, rows_of) -> None:
    thought = Latent(32, steps=3, feedback="raw")(Backbone.of(tiny("llama")), rows_of("llama").batch())
    assert torch.equal(thought.latents, thought.states[:, :-1])


def test_soft_mixes_and_snap_chooses_embeddings(tiny, rows_of) -> None:
    model, batch = tiny("llama"), rows_of("llama").batch()
    backbone, table = Backbone.of(model), model.get_input_embeddings().weight
    soft = Latent(32, steps=2, feedback="soft")(backbone, batch)
    assert torch.allclose(soft.latents[:, 1], model.lm_head(soft.states[:, 1]).softmax(-1) @ table, atol=1e-6)
    snap = Latent(32, steps=2, feedback="snap")(backbone, batch)
    assert torch.allclose(snap.latents[:, 1], table[model.lm_head(snap.states[:, 1]).argmax(-1)], atol=1e-6)
    (through,) = torch.autograd.grad(snap.latents[:, 0].sum(), model.lm_head.weight)
    assert through.abs().max() > 0, "its gradient is that of the mixture"


def test_parallel_steps_see_the_prompt_but_not_each_other_s_outcome(tiny, rows_of) -> None:
    model, batch = tiny("llama"), rows_of("llama").batch()
    think = Latent(32, steps=4, feedback="parallel", tail=2)
    with torch.inference_mode():
        thought = think(Backbone.of(model), batch, steps=3)
        full = reforwarded(model, batch, thought.latents, 2)
    assert (thought.embedding - full).abs().max() <= FAR
    assert torch.equal(thought.latents[0], thought.latents[1])
    with pytest.raises(ValueError, match="Use steps <= 4"):
        think(Backbone.of(model), batch, steps=5)


@pytest.mark.parametrize("adapter", [Mlp(32), Routed(32)])
def test_an_untrained_adapter_changes_nothing(adapter, tiny, rows_of) -> None:
    backbone, batch = Backbone.of(tiny("qwen2")), rows_of("qwen2").batch()
    with torch.inference_mode():
        plain = Latent(32, steps=3)(backbone, batch)
        adapted = Latent(32, steps=3, adapter=adapter, anchor=5, tail=1)(backbone, batch)
    assert torch.equal(plain.embedding, adapted.embedding)


def test_gradients_reach_every_step(tiny, rows_of) -> None:
    backbone, batch = Backbone.of(tiny("qwen2")), rows_of("qwen2").batch()
    think = Latent(32, steps=3, adapter=Routed(32), anchor=5)
    think(backbone, batch).embedding.square().sum().backward()
    assert think.adapter.last.grad[0].abs().max() > 0, "the shared expert is everybody's"
    assert (think.adapter.last.grad.abs().amax(dim=(1, 2)) > 0).sum() >= 3
    assert think.adapter.router.weight.grad is not None
    backbone.model.zero_grad()


def test_it_keeps_the_contract() -> None:
    assert isinstance(Latent(32), Reasoner)
