"""The state of a training on disk: written in one step, so that whatever happens a whole one is there.

One safetensors file holds weights, the optimiser's memory and, in its header, the step and the curve so far. The file
before the last is kept until the next one stands.

Knows nothing of plans. Imports torch and safetensors.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samespace.errors import CheckpointError

__all__ = ["State", "States"]


@dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        step: steps done.
        curve: what was measured, a mapping a point, each with its "step".
        tensors: by name.
    """

    step: int
    curve: list[dict[str, float]]
    tensors: Mapping[str, Tensor] = field(repr=False)


@dataclass(frozen=True)
class States:
    """The states of one training, in a folder.

    Attributes:
        folder: made when the first is kept.
        identity: what the training is, as text; a state of another one is refused.
    """

    folder: Path
    identity: str

    @property
    def path(self) -> Path:
        """Where the last one stands."""
        return self.folder / "state.safetensors"

    def keep(self, step: int, curve: list[dict[str, float]], tensors: Mapping[str, Tensor]) -> None:
        """Write a state, durably and in one step. Raises CheckpointError; the last one is still there then."""
        from safetensors.torch import save

        part = self.folder / "state.part"
        header = {"step": str(step), "curve": json.dumps(curve), "identity": self.identity}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                stream.write(save({k: v.detach().contiguous() for k, v in tensors.items()}, header))
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(self.path)
        except OSError as err:
            part.unlink(missing_ok=True)
            before = (
                f"the state before it is whole ({self.path})" if self.path.is_file() else "there was none before it"
            )
            raise CheckpointError(
                str(part),
                f"step {step} could not be kept: {err.strerror or err}; {before}",
                "Free some space and run the same command again: it goes on from there",
            ) from err

    def last(self) -> State | None:
        """The last state; None if there is none. Raises CheckpointError if it is damaged or of another training."""
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, "pt") as stream:
                header: dict[str, Any] = stream.metadata() or {}
                tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118 - not a mapping
            step, curve, identity = int(header["step"]), json.loads(header["curve"]), header["identity"]
        except (SafetensorError, KeyError, ValueError, OSError) as err:
            raise CheckpointError(
                str(self.path), f"it is damaged ({err})", "Delete it to begin again, or put a whole one in its place"
            ) from err
        if identity != self.identity:
            raise CheckpointError(
                str(self.path),
                "it is of a training with other settings or data",
                "Name another folder (--out), or delete this one to begin again",
            )
        return State(step, curve, tensors)


def gathered(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that a step changes, by name."""
    made = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, memory in optimizer.state_dict()["state"].items():
        made |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in memory.items()}
    return made


def put_back(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Undo `gathered`."""
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state = optimizer.state_dict()
    memory: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            memory.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({**state, "state": memory})
