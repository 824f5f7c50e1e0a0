"""What our losses share: columns of inputs → their vectors → one number, with or without a gradient cache.

A loss is a pure function of the columns' vectors; its class adds the model, its settings and what is learned beside the
model (a temperature). With `mini_batch_size` the vectors are computed in pieces and the gradient is cached (GradCache),
which needs the memory of one piece and gives the same gradient, also for what the loss itself learns:
sentence-transformers' cache leaves that out of the scaling by gradient accumulation, so it is added here.

Knows nothing of any one loss. Letters: n rows, d width, c columns.
Reference: Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, arXiv:2101.06983.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.util import all_gather, all_gather_with_grad
from torch import Tensor, nn

__all__ = ["EmbeddingLoss", "unit"]


class EmbeddingLoss(CachedLossMixin, nn.Module):
    """A loss over the vectors of the columns: anchor, positive, and where it takes them more.

    A subclass writes `of` and sets `citation`.

    Args:
        model: gives {"sentence_embedding": (n, d)} for a column's features.
        settings: what the model card says of this loss.
        mini_batch_size: rows embedded at a time, with a cached gradient; None = a column at once.
        gather_across_devices: compute the loss over the rows of all processes; each computes the whole of it, so the
            gradient is that of one process with all the rows.
    """

    citation: ClassVar[str] = ""

    def __init__(
        self,
        model: Any,
        settings: Mapping[str, Any],
        *,
        mini_batch_size: int | None = None,
        gather_across_devices: bool = False,
    ) -> None:
        nn.Module.__init__(self)
        if mini_batch_size is not None and mini_batch_size < 1:
            raise ValueError(f"mini_batch_size is {mini_batch_size}\nUse at least 1, or None for no cache")
        self.model = model
        self.settings = dict(settings)
        self.mini_batch_size = mini_batch_size or 0
        self.uses_gradient_cache = mini_batch_size is not None
        self.gather_across_devices = gather_across_devices
        self._own: list[tuple[nn.Parameter, Tensor]] = []

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """The loss of the columns' vectors, each (n, d), as a scalar."""
        raise NotImplementedError

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Embed the columns and compute the loss. Called by the trainer."""
        features = list(sentence_features)
        if len(features) < 2:
            raise ValueError(f"{type(self).__name__} needs an anchor and a positive, got {len(features)} column(s)")
        if not self.uses_gradient_cache:
            return self.compute_loss_from_embeddings(embed_columns(self.model, features), labels)
        loss = self.forward_cached(features, labels)
        own, self._own = self._own, []
        if loss.requires_grad and own:
            loss.register_hook(partial(_accumulate, own))  # type: ignore[no-untyped-call]  # torch's own
        return loss

    def compute_loss_from_embeddings(self, embeddings: Sequence[Tensor], labels: Tensor | None = None) -> Tensor:
        """The loss of vectors that are there already."""
        columns = list(embeddings)
        if self.gather_across_devices:
            columns = [_gathered(column) for column in columns]
            labels = None if labels is None else all_gather(labels)
        return self.of(columns, labels)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss of vectors in pieces; `with_backward` leaves each piece its gradient."""
        loss = self.compute_loss_from_embeddings([torch.cat(pieces) for pieces in reps], labels)
        if not with_backward:
            return loss
        pieces = [piece for column in reps for piece in column]
        learned = [p for p in self.parameters(recurse=False) if p.requires_grad]
        grads = torch.autograd.grad(loss, [*pieces, *learned], allow_unused=True)
        for piece, grad in zip(pieces, grads, strict=False):
            piece.grad = torch.zeros_like(piece) if grad is None else grad
        self._own = [(p, g) for p, g in zip(learned, grads[len(pieces) :], strict=True) if g is not None]
        return loss.detach()

    def get_config_dict(self) -> dict[str, Any]:
        """Settings, for the model card."""
        shared = {"mini_batch_size": self.mini_batch_size or None, "gather_across_devices": self.gather_across_devices}
        return {**self.settings, **shared}


def unit(vectors: Tensor) -> Tensor:
    """Rows at unit length."""
    return nn.functional.normalize(vectors, dim=-1)


def _gathered(column: Tensor) -> Tensor:
    """The rows of all processes. Gloo sends a gradient's memory as it lies, so a strided one would arrive scrambled."""
    rows: Tensor = all_gather_with_grad(column)
    if rows.requires_grad:
        rows.register_hook(torch.Tensor.contiguous)  # type: ignore[no-untyped-call]  # torch's own
    return rows


def _accumulate(own: list[tuple[nn.Parameter, Tensor]], scale: Tensor) -> None:
    """Add the cached gradients of what the loss learns, by the factor that reaches the loss from outside."""
    for parameter, grad in own:
        parameter.grad = grad * scale if parameter.grad is None else parameter.grad + grad * scale
