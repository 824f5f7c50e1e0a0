"""A language model and a head that learn together: what finetune and distill train.

Its state is what is learned, the loss's own parameters, and the best score so far. The best state itself is a file
beside the states: what a run ends with is the best it had on the rows kept apart, its start included.

Imports torch. Letters: n rows, d width, c columns.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from samespace.encode.card import tensor_file
from samespace.encode.hf_model import Prepared
from samespace.encode.language import Language
from samespace.encode.lora import Learned
from samespace.errors import CheckpointError
from samespace.train import together

__all__ = ["Embed", "Learner", "embedded", "whole_loss"]

Embed = Callable[[int, list[int]], Tensor]
"""(column, rows (n)) → their vectors (n, d)."""

_BATCH = 16  # items that are embedded at a time where no gradient is taken


class Learner(Learned):
    """The model, its head, and what a loss learns.

    Args:
        language: the model; what of it takes a gradient is learned.
        head: from its width to d, learned where it takes a gradient; None = none.
        criterion: a loss with parameters of its own; None = none.
    """

    best: Tensor

    def __init__(self, language: Language, head: nn.Linear | None, criterion: nn.Module | None = None) -> None:
        super().__init__()
        self.language, self.head, self.criterion = language, head, criterion
        self.register_buffer("best", torch.tensor(-torch.inf))

    def forward(self, batch: Sequence[Prepared]) -> Tensor:
        """(n, d) at unit length."""
        made = self.language(batch)
        return nn.functional.normalize(made if self.head is None else self.head(made), dim=-1)

    def keep_best(self, score: float, path: Path) -> None:
        """Remember this state if no earlier one scored as high."""
        if score <= float(self.best):
            return
        self.best.fill_(score)
        if not together.first():
            return
        from safetensors.torch import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        rows = {name: part.detach().cpu().contiguous() for name, part in self.state_dict().items()}
        with tensor_file(path) as draft:
            save_file(rows, draft)

    def put_best(self, path: Path) -> None:
        """Go back to the best state. Raises CheckpointError: it is gone or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            self.load_state_dict(load_file(path))
        except (SafetensorError, OSError, RuntimeError) as err:
            mend = "Delete state.safetensors beside it and run the same command again: it begins anew"
            raise CheckpointError(str(path), f"the best state cannot be read ({err})", mend) from err


@torch.no_grad()
def embedded(model: nn.Module, ready: Sequence[Prepared]) -> Tensor:
    """What a model makes of prepared items (n): rows (n, d) on the processor, in their order."""
    order = sorted(range(len(ready)), key=lambda i: ready[i].cost)
    blocks = [order[i : i + _BATCH] for i in range(0, len(order), _BATCH)]
    rows = torch.cat([model([ready[i] for i in block]).cpu() for block in blocks])
    return rows[torch.tensor(order).argsort()]


def whole_loss(embed: Embed, columns: int, rows: list[int], piece: int, of: Callable[[list[Tensor]], Tensor]) -> Tensor:
    """The loss of a batch, embedded so many rows at a time, by all processes together.

    With pieces smaller than the batch the gradient is cached (GradCache): the same gradient in the memory of one piece.

    Args:
        embed: gives a column's vectors of some rows.
        columns: c.
        rows: (n) the batch.
        piece: rows embedded at a time with a gradient.
        of: from the columns' vectors of the whole batch, (n, d) each, to a scalar.

    Returns:
        the loss; call `backward` on it. Cached gradients are there already.

    Reference: Gao et al., arXiv:2101.06983.
    """
    mine = together.part(rows)

    def loss_of(held: list[Tensor]) -> Tensor:
        return of([together.gathered(column, len(rows)) for column in held])

    if piece >= len(mine):
        return loss_of([embed(column, mine) for column in range(columns)])
    parts = [mine[i : i + piece] for i in range(0, len(mine), piece)]
    with torch.no_grad():
        held = [torch.cat([embed(column, some) for some in parts]) for column in range(columns)]
    leaves = [column.requires_grad_() for column in held]
    value = loss_of(leaves)
    value.backward()  # type: ignore[no-untyped-call]  # torch's own
    for column, leaf in enumerate(leaves):
        if leaf.grad is None:
            continue
        for some, slope in zip(parts, torch.split(leaf.grad, piece), strict=True):
            embed(column, some).backward(slope)  # type: ignore[no-untyped-call]
    return value.detach().requires_grad_()
