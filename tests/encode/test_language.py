"""A language model as a part that learns, and the adapters in it, on tiny models."""

import pytest
import tiny_models
import torch
from torch import nn
from transformers import AutoModel

from samespace.encode import hf, language, lora
from samespace.encode.recipe import Recipe
from samespace.errors import WeightsError
from samespace.items import Text

TEMPLATE = 'This: "{text}" means: "'
TEXTS = [Text("a lamp"), Text("a longer lamp by the river"), Text("x")]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.causal(tmp_path_factory.mktemp("base"), "llama", closes=False, stated=False)


def read(used: language.Language, **settings) -> torch.Tensor:
    return used([used.prepare(item, **settings) for item in TEXTS])


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_its_vectors_are_those_of_the_encoder(pooling, base) -> None:
    prompts = {"query": "Ask {instruction}: "}
    used = language.opened(str(base), pooling=pooling, template=TEMPLATE, prompts=prompts, instruction="it")
    recipe = Recipe(
        family="causal", dim=32, pooling=pooling, template=TEMPLATE, prompts=prompts, instruction="it", max_tokens=128
    )
    encoder = hf.load(str(base), recipe=recipe, check=False)
    for role in ("query", "document"):
        made = nn.functional.normalize(read(used, role=role), dim=1)
        assert made.detach().numpy() == pytest.approx(encoder.encode(TEXTS, role=role).data, abs=1e-5)
    told = [bytes(i for i in used.prepare(TEXTS[0], "query", how).ids) for how in ("", "that")]
    assert told[0] != told[1]


def test_embeddings_are_read_as_their_tokens_are_and_gradients_reach_them(base) -> None:
    used = language.opened(str(base), template=TEMPLATE)
    inputs = used.inputs([used.prepare(item) for item in TEXTS])
    words = used.embedded(inputs["input_ids"]).detach().requires_grad_()
    states = used.states({"inputs_embeds": words, "attention_mask": inputs["attention_mask"]})
    made = used.pooled(states, inputs["attention_mask"])
    assert torch.allclose(made, read(used), atol=1e-5)
    made.sum().backward()
    assert words.grad is not None
    assert float(words.grad[2, int(inputs["attention_mask"][2].sum()) :].abs().max()) == 0, "padding has no part in it"


def test_a_cut_model_keeps_its_final_norm(base) -> None:
    used = language.opened(str(base), layers=1, template=TEMPLATE)
    whole = AutoModel.from_pretrained(base)
    inputs = used.inputs([used.prepare(TEXTS[1])])
    middle = whole(**inputs, output_hidden_states=True).hidden_states[1]
    assert torch.allclose(used.states(inputs), whole.norm(middle), atol=1e-5)
    assert not torch.allclose(used.states(inputs), middle, atol=1e-2)


def test_adapters_are_the_identity_at_first_float32_and_all_that_learns(base) -> None:
    used = language.opened(str(base), precision="bfloat16", template=TEMPLATE)
    assert language.decoder(used.model).config._attn_implementation == "eager"
    before, hashed = read(used), lora.frozen_hash(used.model)
    lora.adapt(used.model, rank=4, scale=2.0)
    held = lora.adapters(used.model)
    assert len(held) == 2 * 7 * 2, "A and B of seven linears in two layers"
    assert {part.dtype for part in held.values()} == {torch.float32}
    assert {name for name, part in used.named_parameters() if part.requires_grad} == {f"model.{name}" for name in held}
    assert torch.equal(read(used), before)
    assert lora.frozen_hash(used.model) == hashed
    next(part for name, part in used.model.named_parameters() if ".lora_" not in name).data[0] += 1
    assert lora.frozen_hash(used.model) != hashed


def test_the_seed_draws_them_and_the_scale_counts(base) -> None:
    made = []
    for seed, scale in ((0, 2.0), (0, 2.0), (1, 2.0), (0, 4.0)):
        used = language.opened(str(base), template=TEMPLATE)
        lora.adapt(used.model, rank=4, scale=scale, seed=seed)
        for name, part in lora.adapters(used.model).items():
            if "lora_B" in name:
                part.data.fill_(0.02)
        made.append(read(used).detach())
    assert torch.equal(made[0], made[1])
    assert not torch.allclose(made[0], made[2], atol=1e-3)
    assert not torch.allclose(made[0], made[3], atol=1e-3)


def test_written_adapters_open_to_equal_vectors_here_and_in_peft(base, tmp_path) -> None:
    used = language.opened(str(base), template=TEMPLATE)
    lora.adapt(used.model, rank=4)
    torch.manual_seed(1)
    for part in lora.adapters(used.model).values():
        part.data.normal_(std=0.1)
    lora.write(used.model, tmp_path)
    again = language.opened(str(base), template=TEMPLATE)
    lora.read(again.model, tmp_path)
    assert torch.equal(read(again), read(used))
    from peft import PeftModel

    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(base), tmp_path)
    inputs = used.inputs([used.prepare(TEXTS[1])])
    assert torch.allclose(theirs(**inputs).last_hidden_state, used.states(inputs), atol=1e-5)
    cut = language.opened(str(base), layers=1, template=TEMPLATE)
    with pytest.raises(WeightsError, match=r"do not fit the model: .*layers\.1.*\nOpen the model"):
        lora.read(cut.model, tmp_path)


def test_the_state_of_a_learner_is_what_it_learns() -> None:
    class Two(lora.Learned):
        def __init__(self) -> None:
            super().__init__()
            self.still, self.learns = nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2)

    one, other = Two(), Two()
    state = one.state_dict()
    assert set(state) == {"learns.weight", "learns.bias"}
    other.load_state_dict(state)
    assert torch.equal(other.learns.weight, one.learns.weight)
    assert not torch.equal(other.still.weight, one.still.weight)
    with pytest.raises(RuntimeError, match="other names"):
        other.load_state_dict({"learns.weight": state["learns.weight"]})
    with pytest.raises(RuntimeError, match="other names"):
        other.load_state_dict({**state, "more": state["learns.bias"]})
