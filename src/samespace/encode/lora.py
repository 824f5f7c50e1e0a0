"""Low-rank adapters in a frozen language model: what is learned is small, and the model's own weights stay.

    y = W x + scale · B A x        A (rank, in), B (out, rank) from zeros: the identity at first

Adapters are peft's, on every linear of every layer of the language part (seven a layer in Llama), float32 whatever the
precision of the rest. `Learned` is a module whose state is what is learned of it and nothing else, so that the states
of a training stay small. Adapters are written in peft's own format: PeftModel.from_pretrained(model, folder) reads
them.

Reference: Hu et al., LoRA, arXiv:2106.09685. Imports torch; peft inside functions. Letters: l layers.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samespace.encode import card
from samespace.encode.language import decoder
from samespace.errors import MissingExtraError, WeightsError

__all__ = ["FILES", "Learned", "adapt", "adapters", "frozen_hash", "put", "read", "write"]

FILES = ("adapter_config.json", "adapter_model.safetensors")
_FRONT = "base_model.model."  # what peft puts before every name in a file


def adapt(model: Any, *, rank: int = 16, scale: float = 2.0, seed: int = 0) -> None:
    """Put adapters into a model, in place; everything else of it stays frozen.

    Args:
        model: of transformers; all linears of its language layers get one.
        rank: of each.
        scale: of what they add.
        seed: of A.

    Raises:
        MissingExtraError: peft is missing.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model

        from samespace.encode.lora_layer import direct
    except ImportError as err:
        raise MissingExtraError("adapters", "peft", "train") from err
    model.requires_grad_(False)
    inner = {id(part) for part in decoder(model).layers.modules()}
    names = [name for name, part in model.named_modules() if isinstance(part, nn.Linear) and id(part) in inner]
    config = LoraConfig(r=rank, lora_alpha=round(scale * rank), target_modules=names)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    for part in adapters(model).values():
        part.data = part.data.float()
    direct(model)


def adapters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The adapters in a model, by name."""
    return {name: part for name, part in model.named_parameters() if ".lora_" in name}


def write(model: nn.Module, folder: Path) -> None:
    """Write the adapters of a model: adapter_config.json and adapter_model.safetensors."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    held: Any = model
    next(iter(held.peft_config.values())).save_pretrained(str(folder))
    rows = {f"{_FRONT}{k}": v.detach().cpu().contiguous() for k, v in get_peft_model_state_dict(model).items()}
    with card.tensor_file(folder / FILES[1]) as draft:
        save_file(rows, draft, {"format": "pt"})


def read(model: Any, folder: Path) -> None:
    """Put the adapters of a folder into a model, in place. Raises WeightsError: they are not its; MissingExtraError."""
    try:
        from peft import PeftConfig, inject_adapter_in_model

        from samespace.encode.lora_layer import direct
    except ImportError as err:
        raise MissingExtraError("adapters", "peft", "train") from err
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        rows = load_file(folder / FILES[1])
        config = PeftConfig.from_pretrained(str(folder))
    except (SafetensorError, OSError, ValueError) as err:
        raise WeightsError(
            f"the adapters in {folder} cannot be read ({err})", "Train again into another folder"
        ) from err
    inject_adapter_in_model(config, model)
    direct(model)
    put(model, {k.removeprefix(_FRONT): v for k, v in rows.items()})


def put(model: Any, rows: Mapping[str, Tensor]) -> None:
    """Set a model's adapters, float32. Raises WeightsError: others than it has."""
    own = {name.replace(".default.", "."): part for name, part in adapters(model).items()}
    if set(own) != set(rows) or any(own[n].shape != rows[n].shape for n in own):
        odd = sorted(set(own) ^ set(rows))[:1] or ["a shape"]
        raise WeightsError(f"the adapters do not fit the model: {odd[0]}", "Open the model they were trained in")
    for name, part in own.items():
        part.data = rows[name].detach().to(part.device, torch.float32).clone()


def frozen_hash(model: nn.Module) -> str:
    """Hash of all parameters but the adapters: the same before they were put in and after a training."""
    digest = hashlib.sha256()
    held = {n.replace(".base_layer.", "."): p for n, p in model.named_parameters() if ".lora_" not in n}
    for name in sorted(held):
        rows = held[name].detach().cpu().reshape(-1).contiguous().view(torch.uint8)
        digest.update(name.encode() + rows.numpy().tobytes())
    return digest.hexdigest()


class Learned(nn.Module):
    """A module whose state_dict holds what is learned of it: parameters that take a gradient, and buffers."""

    def state_dict(self, *args: Any, **settings: Any) -> dict[str, Any]:  # type: ignore[override]  # theirs is overloaded
        """Without the parameters that take no gradient."""
        frozen = self._frozen()
        return {k: v for k, v in super().state_dict(*args, **settings).items() if k not in frozen}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Back from `state_dict`. Raises RuntimeError: names or shapes differ."""
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        missing = set(found.missing_keys) - self._frozen()
        if strict and (missing or found.unexpected_keys):
            raise RuntimeError(f"the state has other names: {[*missing, *found.unexpected_keys][:3]}")
        return found

    def _frozen(self) -> set[str]:
        return {name for name, part in self.named_parameters() if not part.requires_grad}
