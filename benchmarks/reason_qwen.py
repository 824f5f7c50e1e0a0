"""Random models of the Qwen2-VL architecture in three sizes: the time they take does not depend on their weights."""

from typing import Any, Literal

import torch

__all__ = ["Size", "qwen"]

Size = Literal["tiny", "small", "2B"]
_SIZES: dict[Size, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4},
    "small": {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 4},
    "2B": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
}
_WORDS: dict[Size, int] = {"tiny": 500, "small": 32_000, "2B": 151_936}
_SECTIONS: dict[Size, list[int]] = {"tiny": [2, 3, 3], "small": [8, 12, 12], "2B": [16, 24, 24]}


def qwen(size: Size, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """A model in evaluation, without gradients: tiny; w 256 in 8 layers; or as large as Qwen2-VL-2B."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.manual_seed(0)
    rope = {"rope_type": "default", "mrope_section": _SECTIONS[size], "rope_theta": 1e6}
    text = {**_SIZES[size], "num_key_value_heads": 2, "vocab_size": _WORDS[size], "rope_parameters": rope}
    text |= {"bos_token_id": 1, "eos_token_id": 2}
    eye = {"depth": 1, "embed_dim": 64, "hidden_size": text["hidden_size"], "num_heads": 2, "mlp_ratio": 2}
    make: Any = Qwen2VLForConditionalGeneration
    with torch.device(device):
        model = make(Qwen2VLConfig(text_config=text, vision_config=eye, tie_word_embeddings=True))
    return model.to(dtype).eval().requires_grad_(False)
