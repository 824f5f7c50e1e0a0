"""Several processes train as one: each embeds its part of a batch, all see the whole, and their gradients are averaged.

    torchrun --nproc-per-node 2 -m samespace train finetune …

Every process computes the loss of the whole batch over the gathered vectors, so the gradient is that of one process
with all the rows. Where there is one process only, nothing here does anything.

Imports torch and accelerate, the latter where there are several processes. Letters: n rows, d width.
"""

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from samespace.errors import MissingExtraError

__all__ = ["averaged", "count", "first", "gathered", "in_turn", "join", "part", "wait"]

T = TypeVar("T")


def join() -> str | None:
    """Join the processes that torchrun started; the device of this one, None where it is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    try:
        from accelerate import PartialState  # type: ignore[import-untyped]
    except ImportError as err:
        raise MissingExtraError("training in several processes", "accelerate", "train") from err
    return str(PartialState(cpu=not torch.cuda.is_available()).device)


def count() -> int:
    """How many processes there are."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def first() -> bool:
    """Whether this process is the one that writes and tells."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def wait() -> None:
    """Go on when all processes have come here."""
    if count() > 1:
        torch.distributed.barrier()


def in_turn(make: Callable[[], T]) -> T:
    """What `make` gives: made by the first process, then by the others, who find what it kept on disk."""
    if not first():
        wait()
        return make()
    made = make()
    wait()
    return made


def part(rows: list[int]) -> list[int]:
    """This process's rows of a batch (n): as many as every other's, the last one's filled up with the batch's last."""
    each = -(-len(rows) // count())
    start = each * torch.distributed.get_rank() if count() > 1 else 0
    mine = rows[start : start + each]
    return mine + [rows[-1]] * (each - len(mine))


def gathered(column: Tensor, rows: int) -> Tensor:
    """The vectors (n, d) of a whole batch from every process's part, in order; gradients pass."""
    if count() == 1:
        return column
    from sentence_transformers.util import all_gather_with_grad

    whole: Tensor = all_gather_with_grad(column)
    if whole.requires_grad:  # gloo sends a gradient's memory as it lies, so a strided one would arrive scrambled
        whole.register_hook(torch.Tensor.contiguous)  # type: ignore[no-untyped-call]  # torch's own
    return whole[:rows]


def averaged(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their mean over the processes."""
    if count() == 1:
        return
    from accelerate.utils import reduce  # type: ignore[import-untyped]

    for one in parameters:
        if one.grad is not None:
            one.grad = reduce(one.grad, reduction="mean")
