"""The contrastive losses of finetune, by name, over the columns anchor, positive, negative_1, …

    infonce     masked_info_nce: rows of one anchor do not deny each other
    symmetric   sentence-transformers' InfoNCE, both ways
    margin      infonce without what scores .1 above the positive: probably missed positives
    sigmoid     sigmoid_loss, scale and bias learned; negatives are not looked at
    spread      SpreadLoss; negatives are not looked at

Imports torch and sentence-transformers. Letters: n rows, d width, k negatives a row.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from samespace.train.losses.masked import masked_info_nce
from samespace.train.losses.sigmoid import SigmoidLoss
from samespace.train.losses.spread import SpreadLoss

__all__ = ["Criterion"]

_MARGIN = 0.1


class Criterion(nn.Module):
    """A loss over columns (n, d), 2 + k of them, and the group (n) of each row's anchor."""

    def __init__(self, name: str, temperature: float) -> None:
        super().__init__()
        self.name, self.temperature = name, temperature
        self.inner: Any = None
        if name == "symmetric":
            self.inner = _symmetric(temperature)
        elif name in ("sigmoid", "spread"):
            kind: Any = SigmoidLoss if name == "sigmoid" else SpreadLoss
            self.inner = kind(None, temperature=temperature)

    def forward(self, columns: Sequence[Tensor], groups: Tensor) -> Tensor:
        """The loss, a scalar in nats."""
        if self.name in ("sigmoid", "spread"):
            return torch.as_tensor(self.inner.of(columns[:2], groups if self.name == "sigmoid" else None))
        if self.name == "symmetric":
            return torch.as_tensor(self.inner.compute_loss_from_embeddings(list(columns), None))
        others = len(groups) * (len(columns) - 2)
        own = torch.cat([groups, -1 - torch.arange(others, device=groups.device)])
        margin = _MARGIN if self.name == "margin" else None
        candidates = torch.cat(list(columns[1:]))
        return masked_info_nce(columns[0], candidates, temperature=self.temperature, groups=own, margin=margin)


def _symmetric(temperature: float) -> Any:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    both: Any = ("query_to_doc", "doc_to_query")
    nothing: Any = None  # the model, which it does not call: it is given vectors
    return MultipleNegativesRankingLoss(nothing, scale=1 / temperature, directions=both, partition_mode="per_direction")
