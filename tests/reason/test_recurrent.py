"""Depth recurrence: one round is the model, rounds are layers run again, rows halt apart, the model is left whole."""

import copy

import pytest
import torch

from samespace.errors import RecipeError
from samespace.reason.backbone import Backbone
from samespace.reason.protocol import Reasoner
from samespace.reason.recurrent import Recurrent

FAR = 1e-5
BLOCKS = {"gpt2": (0, 1), "llama": (0, 2), "qwen2_5_vl": (0, 1), "qwen3_vl": (1, 2)}


@pytest.mark.parametrize("kind", BLOCKS)
def test_one_round_is_the_unchanged_model(kind, tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny(kind)), rows_of(kind)
    with torch.inference_mode():
        thought = Recurrent(32, BLOCKS[kind], steps=1)(backbone, rows.batch())
        plain = [backbone.model.base_model(**rows.batch(row)).last_hidden_state[:, -1] for row in range(3)]
    assert (thought.embedding - torch.cat(plain)).abs().max() <= FAR
    assert (thought.states[:, -1] - thought.embedding).abs().max() <= FAR


def test_rounds_are_layers_run_again(tiny, rows_of) -> None:
    model, batch = tiny("llama"), rows_of("llama").batch(2)
    deep = copy.deepcopy(model)
    deep.model.layers = torch.nn.ModuleList([deep.model.layers[0]] * 3 + [deep.model.layers[1]])
    deep.config.num_hidden_layers = 4
    with torch.inference_mode():
        thought = Recurrent(32, (0, 1), steps=3, inject=False)(Backbone.of(model), batch)
        wanted = deep.base_model(**batch, use_cache=False).last_hidden_state[:, -1]
    assert (thought.embedding - wanted).abs().max() <= FAR


def test_rows_halt_apart_and_keep_what_they_had(tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny("qwen2_vl")), rows_of("qwen2_vl")
    with torch.inference_mode():
        free = Recurrent(32, (0, 1), steps=9)(backbone, rows.batch())
        logs = torch.stack([free.logits(k).log_softmax(-1) for k in range(9)])
        moves = (logs[1:].exp() * (logs[1:] - logs[:-1])).sum(-1)
        ordered = moves.flatten().sort().values
        bound = float(ordered[len(ordered) // 2 :][:2].mean())
        first = [next((k + 2 for k, m in enumerate(moves) if m[row] < bound), 9) for row in range(3)]
        think = Recurrent(32, (0, 1), steps=9, tolerance=bound)
        halted = think(backbone, rows.batch(), until="kl")
        alone = [think(backbone, rows.batch(row), until="kl") for row in range(3)]
    assert halted.used.tolist() == first
    assert len(set(first)) > 1
    assert (halted.embedding - torch.cat([one.embedding for one in alone])).abs().max() <= 1e-4
    for row, n in enumerate(first):
        assert (halted.embedding[row] - free.states[row, n - 1]).abs().max() <= 1e-4


def test_the_model_is_left_as_it_was(tiny, rows_of) -> None:
    model, batch = tiny("llama"), rows_of("llama").batch()
    before = list(model.model.layers)
    Recurrent(32, (0, 2), steps=2)(Backbone.of(model), batch)
    with pytest.raises(RecipeError, match="Use a block within 0 and 2"):
        Recurrent(32, (1, 3))(Backbone.of(model), batch)
    with pytest.raises(RecipeError, match="Let the block start at 1 or later"):
        Recurrent(32, (0, 1))(Backbone.of(tiny("qwen3_vl")), rows_of("qwen3_vl").batch())
    with pytest.raises(TypeError):
        Recurrent(32, (0, 1))(Backbone.of(model), {**batch, "pixel_values": torch.zeros(1)})
    assert all(a is b for a, b in zip(before, model.model.layers, strict=True))


def test_only_the_last_rounds_are_trained_through(tiny, rows_of) -> None:
    batch = {"inputs_embeds": torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)}
    grads = []
    for kept in (1, 8):
        think = Recurrent(32, (1, 2), steps=3, inject=False, kept=kept).train()
        think(Backbone.of(tiny("llama")), batch).embedding.sum().backward()
        grads.append(batch["inputs_embeds"].grad)
        batch["inputs_embeds"].grad = None
    assert grads[0] is None
    assert grads[1].abs().max() > 0
    tiny("llama").zero_grad()


def test_it_keeps_the_contract(tiny, rows_of) -> None:
    think = Recurrent(32, (0, 1), steps=2)
    assert isinstance(think, Reasoner)
    thought = think(Backbone.of(tiny("llama")), rows_of("llama").batch())
    assert thought.used.tolist() == [2, 2, 2]
    assert thought.states.shape == (3, 2, 32)


@pytest.mark.parametrize("kind", ["llama", "qwen2_vl"])
def test_what_is_carried_can_be_taken_away(kind, tiny, rows_of) -> None:
    """By hand: two rounds with what is carried replaced are one round on that replacement."""
    backbone, batch = Backbone.of(tiny(kind)), rows_of(kind).batch()
    with torch.inference_mode():
        thought = Recurrent(32, (0, 1), steps=3, inject=False)(backbone, batch)
        made = {how: thought.ablate(how) for how in ("zero", "shuffle", "noise", "pause")}
        once = Recurrent(32, (0, 1), steps=1, inject=False)(backbone, batch)
    assert (made["pause"].embedding - once.embedding).abs().max() <= FAR, "nothing carried: each round is the first"
    assert (made["pause"].states[:, 2] - once.states[:, 0]).abs().max() <= FAR
    for how, other in made.items():
        assert (other.embedding - thought.embedding).abs().max() > 1e-3, how
        assert (other.states[:, 0] - thought.states[:, 0]).abs().max() <= FAR, "the first round is not touched"
        assert other.used.tolist() == [3, 3, 3]
    again = thought.ablate("noise", seed=0).embedding
    assert torch.equal(again, made["noise"].embedding)
    assert not torch.equal(again, thought.ablate("noise", seed=1).embedding)


def test_zeros_are_carried(tiny, rows_of) -> None:
    model, batch = tiny("llama"), rows_of("llama").batch(2)
    with torch.inference_mode():
        thought = Recurrent(32, (0, 1), steps=2, inject=False)(Backbone.of(model), batch).ablate("zero")
        embeds = torch.zeros(1, batch["input_ids"].shape[1], 32)
        wanted = model.base_model(inputs_embeds=embeds, use_cache=False).last_hidden_state[:, -1]
    assert (thought.embedding - wanted).abs().max() <= FAR


def test_rows_that_stopped_stay_so_without_what_was_carried(tiny, rows_of) -> None:
    backbone, batch = Backbone.of(tiny("llama")), rows_of("llama").batch()
    with torch.inference_mode():
        free = Recurrent(32, (0, 1), steps=6)(backbone, batch)
        logs = torch.stack([free.logits(k).log_softmax(-1) for k in range(6)])
        bound = float((logs[1:].exp() * (logs[1:] - logs[:-1])).sum(-1).median())
        halted = Recurrent(32, (0, 1), steps=6, tolerance=bound)(backbone, batch, until="kl")
        zeroed = halted.ablate("zero")
    assert len(set(halted.used.tolist())) > 1
    assert zeroed.used.tolist() == halted.used.tolist()


def test_the_chain_of_embeddings_runs_through_every_round(tiny, rows_of) -> None:
    model, batch = tiny("llama"), rows_of("llama").batch(2)
    deep = copy.deepcopy(model)
    deep.model.layers = torch.nn.ModuleList([deep.model.layers[0]] + [deep.model.layers[1]] * 3)
    deep.config.num_hidden_layers = 4
    with torch.inference_mode():
        model.base_model(**batch, use_cache=False, output_hidden_states=True)  # transformers' own hooks stay
        hooks = [dict(layer._forward_hooks) for layer in model.model.layers]
        for block, steps in (((1, 2), 3), ((0, 1), 1), ((0, 2), 1)):
            thought = Recurrent(32, block, steps=steps, inject=False)(Backbone.of(model), batch)
            chain = thought.replay.layers(thought)
            whole = deep if steps == 3 else model
            wanted = whole.base_model(**batch, use_cache=False, output_hidden_states=True).hidden_states
            assert chain.shape == (1, len(wanted), 32)
            assert (chain - torch.stack(wanted, 1)[:, :, -1]).abs().max() <= FAR
            found = thought.coe()
            assert torch.isfinite(found.layers_r).all()
            assert torch.isfinite(found.layers_c).all()
    assert hooks == [dict(layer._forward_hooks) for layer in model.model.layers], "nothing is left hanging on it"


def test_it_says_where_nothing_is_carried(tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny("llama")), rows_of("llama")
    with pytest.raises(ValueError, match="Think with steps >= 2"):
        Recurrent(32, (0, 1), steps=1)(backbone, rows.batch()).ablate("zero")
    with pytest.raises(ValueError, match="Give at least two"):
        Recurrent(32, (0, 1), steps=2)(backbone, rows.batch(0)).ablate("shuffle")
    with pytest.raises(ValueError, match="Use 'zero'"):
        Recurrent(32, (0, 1), steps=2)(backbone, rows.batch()).ablate("swap")


def test_what_is_put_in_again_is_the_block_s_input(tiny, rows_of) -> None:
    backbone, batch = Backbone.of(tiny("llama")), rows_of("llama").batch()
    think = Recurrent(32, (1, 2), steps=3)
    with torch.inference_mode():
        looped = think(backbone, batch).embedding
        think.adapter.weight.copy_(torch.eye(32, 64).roll(32, 1))  # the state is forgotten, the input alone goes in
        again, once = think(backbone, batch).embedding, think(backbone, batch, steps=1).embedding
    assert (again - once).abs().max() <= FAR
    assert (looped - once).abs().max() > 1e-3
