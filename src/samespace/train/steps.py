"""The loop of steps: goes on where it stopped, stops when the loss is no number, and fits itself into memory.

Everything a step draws comes from the seed and its number, so a run that was killed and goes on walks the same curve.
Batches come from a sampler of batches.py or of sentence-transformers. Where several processes train as one
(together.py), each is given the whole batch, gradients are averaged, and the first of them keeps the states.

Knows nothing of models or losses. Imports torch. Letters: n rows of a batch.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samespace.encode.engine import is_out_of_memory
from samespace.errors import DivergedError
from samespace.train import together
from samespace.train.state import States, gathered, put_back

__all__ = ["Schedule", "run"]

Loss = Callable[[list[int], int], Tensor]
"""(rows of a batch, rows embedded at a time) → the loss of the whole batch."""

_ANY = 1 << 62  # rows at a time: as many as a batch has, until memory runs out
_HOPELESS = 10.0  # times the first loss, and this much more


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        epochs: passes over the data.
        learning_rate: its peak.
        weight_decay: of AdamW.
        warm_up: share of the steps in which the rate rises, in [0, 1); it then falls to 0 by half a cosine.
        clip: largest norm of the gradient; None = any.
        keep_every: steps between two states that are kept, and between two measurements.
        seed: of everything drawn.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    warm_up: float = 0.1
    clip: float | None = 1.0
    keep_every: int = 100
    seed: int = 0

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, from 0, of all steps."""
        rising = max(int(self.warm_up * steps), 1)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))


def run(
    model: nn.Module,
    loss: Loss,
    sampler: Any,
    schedule: Schedule,
    states: States,
    measure: Callable[[], Mapping[str, float]],
    tell: Callable[[Mapping[str, float]], None] = lambda point: None,
) -> list[dict[str, float]]:
    """Train to the end, from the beginning or from the last state.

    Args:
        model: holds all that is learned, the loss's own too.
        loss: of a batch.
        sampler: gives an epoch's batches; has set_epoch and a length that is the same every epoch.
        schedule: how long and how fast.
        states: where states are kept.
        measure: what is to be seen beside the loss, on rows kept apart.
        tell: is told every point of the curve.

    Returns:
        the curve: a point every `keep_every` steps and at the end, {"step", "loss" (mean since the last point), …}.

    Raises:
        DivergedError: the loss is not finite, or hopelessly above its start.
        CheckpointError: a state could not be kept, or the last one cannot be read.
        RuntimeError, MemoryError: a single row does not fit into memory; in several processes, a piece.
    """
    learned = [part for part in model.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(learned, schedule.learning_rate, weight_decay=schedule.weight_decay)
    steps = schedule.epochs * len(sampler)
    step, curve = 0, list[dict[str, float]]()
    if (state := states.last()) is not None:
        put_back(model, optimizer, state.tensors)
        step, curve = state.step, state.curve
    else:
        curve = [{"step": 0.0, **measure()}]
        _keep(states, 0, curve, model, optimizer)
    since, piece, first = list[float](), _ANY, curve[1]["loss"] if len(curve) > 1 else math.nan
    while step < steps:
        epoch, place = divmod(step, len(sampler))
        sampler.set_epoch(epoch)
        for batch in list(sampler)[place:]:
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step, steps)
            value, piece = _step(model, loss, batch, piece, optimizer, schedule, step)
            first = value if math.isnan(first) else first
            if not math.isfinite(value) or value > _HOPELESS * abs(first) + _HOPELESS:
                raise DivergedError(
                    step,
                    value,
                    str(states.path) if states.path.is_file() else None,
                    f"Lower the learning rate, and begin anew: --learning-rate {schedule.learning_rate / 10:g} --out …",
                )
            since.append(value)
            step += 1
            if step % schedule.keep_every == 0 or step == steps:
                curve.append({"step": float(step), "loss": sum(since) / len(since), **measure()})
                since = []
                _keep(states, step, curve, model, optimizer)
                if together.first():
                    tell(curve[-1])
    return curve


def _step(
    model: nn.Module, loss: Loss, batch: list[int], piece: int, optimizer: Any, schedule: Schedule, step: int
) -> tuple[float, int]:
    """One step; where memory runs out, the same batch again in halves. Returns the loss and what piece sufficed."""
    while True:
        torch.manual_seed(schedule.seed * 1_000_003 + step)
        optimizer.zero_grad()
        try:
            value = loss(batch, min(piece, len(batch)))
            value.backward()  # type: ignore[no-untyped-call]  # torch's own
            break
        except (MemoryError, RuntimeError) as err:
            if min(piece, len(batch)) == 1 or together.count() > 1 or not is_out_of_memory(err):
                raise  # the other processes wait for this one's rows: they cannot be halved behind its back
            piece = max(min(piece, len(batch)) // 2, 1)
    together.averaged(model.parameters())
    if schedule.clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
    number = float(value.detach())
    if math.isfinite(number):
        optimizer.step()
    return number, piece


def _keep(states: States, step: int, curve: list[dict[str, float]], model: nn.Module, optimizer: Any) -> None:
    if together.first():
        states.keep(step, curve, gathered(model, optimizer))
