"""What cannot be thought about, and what is said then."""

import pytest
import torch

from samespace.errors import RecipeError
from samespace.reason.adapter import Routed
from samespace.reason.backbone import Backbone
from samespace.reason.batch import Batch
from samespace.reason.latent import Latent

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 99}


def test_an_encoder_has_no_latent_steps() -> None:
    from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

    with pytest.raises(RecipeError, match="causal model, no encoder"):
        Backbone.of(BertModel(BertConfig(**SMALL)))
    with pytest.raises(RecipeError, match="decoder-only"):
        Backbone.of(T5ForConditionalGeneration(T5Config(d_model=32, d_ff=64, num_layers=1, vocab_size=99)))


def test_a_model_without_a_kv_cache_is_refused() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(hidden_size=32, num_hidden_layers=1, vocab_size=99, state_size=4)
    with pytest.raises(RecipeError, match=r"keeps no KV cache.*\n.*causal decoder"):
        Backbone.of(MambaForCausalLM(config))


def test_a_cache_that_stays_empty_is_noticed(tiny, rows_of, monkeypatch) -> None:
    model = tiny("llama")
    own = model.base_model.forward

    def forgetful(*args, past_key_values=None, **kwargs):
        return own(*args, **kwargs)

    backbone = Backbone.of(model)
    object.__setattr__(backbone, "entry", _Entry(forgetful, own))
    with pytest.raises(RecipeError, match="without gradient checkpointing"):
        Latent(32)(backbone, rows_of("llama").batch())


class _Entry:
    """A model whose forward loses its cache, as gradient checkpointing makes it."""

    def __init__(self, forgetful, own) -> None:
        self._forgetful, self.forward = forgetful, own

    def __call__(self, **given):
        return self._forgetful(**given)


def test_steps_beyond_the_position_table(tiny, rows_of) -> None:
    backbone, rows = Backbone.of(tiny("gpt2")), rows_of("gpt2")
    assert Latent(32)(backbone, rows.batch(2), steps=50).latents.shape[1] == 50
    with pytest.raises(RecipeError, match=r"take 65 positions, it knows 64\n.*1 steps fewer"):
        Latent(32)(backbone, rows.batch(2), steps=51)
    with pytest.raises(RecipeError, match="it knows 64"):
        Latent(32, steps=60, feedback="parallel")(backbone, rows.batch(2))


def test_pictures_with_a_text_model(tiny, rows_of) -> None:
    given = rows_of("llama").batch() | {"pixel_values": torch.zeros(4, 96), "image_grid_thw": torch.ones(1, 3)}
    with pytest.raises(TypeError, match=r"does not take image_grid_thw, pixel_values\n.*text only"):
        Latent(32)(Backbone.of(tiny("llama")), given)


def test_a_lost_terminal_token(tiny, rows_of) -> None:
    backbone, batch = Backbone.of(tiny("llama")), rows_of("llama").batch()
    Latent(32, terminal=7, steps=1)(backbone, batch)
    batch["input_ids"][1, -1] = 8
    with pytest.raises(ValueError, match=r"row 1 .* ends with token 8, not with the terminal 7\nLet the template end"):
        Latent(32, terminal=7)(backbone, batch)


def test_a_lost_anchor(tiny, rows_of) -> None:
    backbone, batch = Backbone.of(tiny("llama")), rows_of("llama").batch()
    batch["input_ids"][2, -2] = 6
    with pytest.raises(ValueError, match=r"row 2 .* no anchor token 5"):
        Latent(32, adapter=Routed(32), anchor=5)(backbone, batch)
    assert Latent(32, anchor=5)(backbone, batch, steps=0).anchor is None, "nothing is thought, so nothing is wanted"
    given = {"inputs_embeds": torch.zeros(2, 4, 32)}
    with pytest.raises(ValueError, match="Give input_ids"):
        Latent(32, anchor=5)(backbone, given)
    assert Latent(32, anchor=5)(backbone, given, steps=0).anchor is None


def test_rows_too_short_empty_or_missing(tiny) -> None:
    backbone = Backbone.of(tiny("llama"))
    ids = torch.ones(2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match=r"row 1 of the batch has no token"):
        Latent(32)(backbone, {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1], [0, 0, 0]])})
    with pytest.raises(ValueError, match=r"row 1 of the batch has 1 tokens, the tail alone takes 1"):
        Latent(32)(backbone, {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1], [0, 0, 1]])})
    with pytest.raises(ValueError, match="Give input_ids"):
        Latent(32)(backbone, {"attention_mask": ids})
    with pytest.raises(ValueError, match="Leave them out"):
        Latent(32)(backbone, {"input_ids": ids, "position_ids": ids})
    with pytest.raises(ValueError, match="does not fit"):
        Latent(32)(backbone, {"input_ids": ids, "attention_mask": ids[:, :2]})


@pytest.mark.parametrize("given", [{"steps": -1}, {"tail": 0}, {"feedback": "cot"}])
def test_settings_that_make_no_sense(given) -> None:
    with pytest.raises(ValueError, match="Use"):
        Latent(32, **given)


def test_calls_that_make_no_sense(tiny, rows_of) -> None:
    with pytest.raises(ValueError, match="Use 0 or more"):
        Latent(32)(Backbone.of(tiny("llama")), rows_of("llama").batch(), steps=-2)
    with pytest.raises(ValueError, match="1 <= top <= experts"):
        Routed(32, experts=2, top=3)


def test_a_state_that_overflows_float16_is_kept_finite(tiny, rows_of) -> None:
    import copy

    half = copy.deepcopy(tiny("llama")).half()
    half.model.norm.weight.data.fill_(6e4)  # states beyond float16, as a large model's may be
    backbone, batch = Backbone.of(half), rows_of("llama").batch()
    with torch.inference_mode():
        assert not torch.isfinite(backbone.whole(Batch.of(batch))).all(), "the states themselves overflow"
        backbone.model.model.norm.weight.data.fill_(2e4)
        for feedback in ("scale", "raw"):
            latents = Latent(32, steps=2, feedback=feedback)(backbone, batch).latents
            assert torch.isfinite(latents).all(), feedback
            assert latents.float().norm(dim=-1).max() <= 65504 / 16 * 1.01


def test_vectors_that_are_not_finite_are_said(tiny, rows_of) -> None:
    import copy

    half = copy.deepcopy(tiny("llama")).half()
    half.model.norm.weight.data.fill_(float("nan"))
    with torch.inference_mode(), pytest.raises(RecipeError, match=r"3 of 3 vectors .* float16\n.*bfloat16"):
        Latent(32, steps=2)(Backbone.of(half), rows_of("llama").batch())


def test_a_model_made_in_inference_mode_can_think(rows_of) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.inference_mode():
        backbone = Backbone.of(LlamaForCausalLM(LlamaConfig(**SMALL)).eval())
        first = Latent(32, steps=2)(backbone, rows_of("llama").batch()).embedding
        assert torch.equal(Latent(32, steps=2)(backbone, rows_of("llama").batch()).embedding, first)


def test_padding_in_the_middle_is_closed_up() -> None:
    ids, mask = torch.tensor([[4, 0, 5, 6, 0]]), torch.tensor([[1, 0, 1, 1, 0]])
    made = Batch.of({"input_ids": ids, "attention_mask": mask, "inputs_embeds": ids[..., None].float()})
    assert made.tokens["input_ids"].tolist() == [[0, 0, 4, 5, 6]]
    assert made.tokens["inputs_embeds"][..., 0].tolist() == [[0, 0, 4, 5, 6]]
    assert made.mask.tolist() == [[0, 0, 1, 1, 1]]
