"""PLUME's layout: a tiny random checkpoint written as that repository writes it, held to its own formula."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from samespace.errors import RecipeError, WeightsNotFoundError
from samespace.reason import plume
from samespace.reason.backbone import Backbone

W = 32
TOKENS = ["<think>", "</think>", "<bot>", "<eot>", "<ct>", "<disc_emb>", "<gen_emb>"]


def tensors(shared: bool = True) -> dict[str, torch.Tensor]:
    shapes = {"ln.weight": (W,), "ln.bias": (W,), "step_embed.weight": (32, W)}
    shapes |= {"router.weight": (4, 2 * W), "router.bias": (4,)}
    for name in ["experts.0", "experts.1", "experts.2", "experts.3"] + ["shared_expert"] * shared:
        shapes |= {f"{name}.fc1.weight": (2 * W, W), f"{name}.fc1.bias": (2 * W,)}
        shapes |= {f"{name}.fc2.weight": (W, 2 * W), f"{name}.fc2.bias": (W,)}
    made = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=made) * 0.3 for name, shape in shapes.items()}


def moved(t: dict[str, torch.Tensor], z: torch.Tensor, step: int, context: torch.Tensor) -> torch.Tensor:
    """The latent transition as the paper has it, for one row."""
    chances = functional.softmax(
        functional.linear(torch.cat([z + context, t["step_embed.weight"][step]]), t["router.weight"], t["router.bias"]),
        0,
    )
    u = functional.layer_norm(z, (W,), t["ln.weight"], t["ln.bias"])

    def expert(name: str) -> torch.Tensor:
        inner = functional.gelu(functional.linear(u, t[f"{name}.fc1.weight"], t[f"{name}.fc1.bias"]))
        return functional.linear(inner, t[f"{name}.fc2.weight"], t[f"{name}.fc2.bias"])

    best = chances.topk(2).indices.tolist()
    shared = expert("shared_expert") if "shared_expert.fc1.weight" in t else 0
    return z + shared + sum(chances[m] * expert(f"experts.{m}") for m in best)


@pytest.mark.parametrize("shared", [True, False])
def test_the_transition_is_the_paper_s(shared) -> None:
    state = tensors(shared)
    adapter = plume.transition(state)
    z, context = torch.randn(3, W), torch.randn(3, W)
    made, _ = adapter(z, 5, context)
    for row in range(3):
        assert torch.allclose(made[row], moved(state, z[row], 5, context[row]), atol=1e-5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A Qwen2-VL with PLUME's tokens, saved with the transition among its own tensors."""
    from safetensors.torch import load_file, save_file
    from tiny_models import qwen_vl
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    folder = qwen_vl(tmp_path_factory.mktemp("plume"), "qwen2_vl")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(TOKENS, special_tokens=True)
    tokenizer.save_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    held = load_file(folder / "model.safetensors")
    save_file(
        held | {f"latent_moe_transition.{n}": t for n, t in tensors().items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    return folder


def test_a_checkpoint_thinks_as_its_own_code_does(checkpoint) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(checkpoint).eval()
    reasoner = plume.load(checkpoint, tokenizer, steps=3)
    assert (reasoner.tail, reasoner.flat, reasoner.feedback) == (4, True, "raw")
    pads = "<|vision_start|>" + "<|image_pad|>" * 6 + "<|vision_end|>"
    ids = tokenizer(f"{pads}what is it<disc_emb>{plume.BEGINNING}{plume.ENDING}", return_tensors="pt")["input_ids"]
    seen = {
        "pixel_values": torch.randn(24, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0)),
        "image_grid_thw": torch.tensor([[1, 4, 6]]),
        "mm_token_type_ids": (ids == model.config.image_token_id).int(),
    }
    with torch.inference_mode():
        thought = reasoner(Backbone.of(model), {"input_ids": ids, **seen})
        wanted = theirs(model, ids, seen, tokenizer.convert_tokens_to_ids("<disc_emb>"))
    assert (thought.embedding[0] - wanted).abs().max() <= 1e-4
    assert thought.routing.shape == (1, 3, 4)
    with pytest.raises(ValueError, match="terminal"):
        reasoner(Backbone.of(model), {"input_ids": ids[:, :-1]})


def theirs(model, ids: torch.Tensor, seen: dict, anchor: int) -> torch.Tensor:
    """The steps of its published evaluation: batch of one, positions by the length of the cache."""
    state, n = tensors(), ids.shape[1] - 4
    prompt = {**seen, "mm_token_type_ids": seen["mm_token_type_ids"][:, :n]}
    out = model(input_ids=ids[:, :n], attention_mask=torch.ones_like(ids[:, :n]), **prompt, output_hidden_states=True)
    hidden, cache = out.hidden_states[-1][0], out.past_key_values
    context, z, place = hidden[(ids[0, :n] == anchor).nonzero()[-1, 0]], hidden[-1], n
    for step in range(3):
        fed = moved(state, z, step, context)[None, None]
        at = torch.full((3, 1, 1), place)
        z = model.model(inputs_embeds=fed, position_ids=at, past_key_values=cache).last_hidden_state[0, -1]
        place += 1
    at = torch.arange(place, place + 4).expand(3, 1, 4)
    return model.model(input_ids=ids[:, n:], position_ids=at, past_key_values=cache).last_hidden_state[0, -1]


def test_what_is_no_checkpoint_of_it(checkpoint, tmp_path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with pytest.raises(WeightsNotFoundError, match=r"no tensor named latent_moe_transition.*\n.*LATENT_MOE_ENABLE"):
        plume.load(tmp_path, tokenizer)
    short = tensors()
    del short["experts.3.fc2.bias"]
    with pytest.raises(RecipeError, match=r"experts\.3\.fc2\.bias first"):
        plume.transition(short)
    with pytest.raises(RecipeError, match=r"router\.bias is missing"):
        plume.transition({})
    with pytest.raises(RecipeError, match=r"ln\.weight first"):
        plume.transition({**tensors(), "ln.weight": torch.zeros(7)})


def test_a_tokenizer_without_its_tokens(checkpoint, tmp_path_factory) -> None:
    from tiny_models import qwen_vl
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(qwen_vl(tmp_path_factory.mktemp("plain"), "qwen2_vl"))
    with pytest.raises(RecipeError, match="its tokenizer lacks <bot>, <disc_emb>, <eot>, <gen_emb>"):
        plume.load(checkpoint, plain)
