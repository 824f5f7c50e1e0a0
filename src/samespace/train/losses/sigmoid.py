"""The sigmoid loss: every pair of the batch is a yes or no of its own, with a learned scale and bias.

No softmax over the batch, so several positives a row are natural: rows of one class belong together.

Letters: n rows, d width.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from samespace.train.losses.citizen import EmbeddingLoss, unit

__all__ = ["SigmoidLoss", "sigmoid_loss"]


def sigmoid_loss(
    anchors: Tensor, positives: Tensor, scale: Tensor, bias: Tensor, labels: Tensor | None = None
) -> Tensor:
    """Say of each pair whether it belongs together.

    loss = -1/n sum_ij log sigmoid(z_ij (scale cos(a_i, p_j) + bias)), z_ij = 1 where i and j belong together, else -1

    Args:
        anchors: (n, d).
        positives: (n, d); row i matches anchor i.
        scale: scalar, > 0.
        bias: scalar; about -log(n) balances one yes against n - 1 noes.
        labels: (n) integers; rows of one label belong together. None = row i with row i alone.

    Returns:
        scalar in nats, 0 when solved. Chance: with one cosine s for all pairs and l = scale s + bias it is
        log(1 + exp(-l)) + (n - 1) log(1 + exp(l)); at scale 10, bias -10, s = 0: about 10.

    Reference: Zhai et al., Sigmoid Loss for Language Image Pre-Training, arXiv:2303.15343, eq. 1.
    """
    logits = scale * (unit(anchors) @ unit(positives).T) + bias
    own = torch.arange(len(anchors), device=anchors.device) if labels is None else labels
    sign = torch.where(own[:, None] == own[None, :], 1.0, -1.0).to(logits.dtype)
    return -functional.logsigmoid(sign * logits).sum() / len(anchors)


class SigmoidLoss(EmbeddingLoss):
    """`sigmoid_loss` for the trainer: columns anchor, positive; labels optional (a class each).

    `temperature` and `bias` are where the learned values start.
    """

    citation: ClassVar[str] = """
@misc{zhai2023sigmoid,
    title={Sigmoid Loss for Language Image Pre-Training},
    author={Xiaohua Zhai and Basil Mustafa and Alexander Kolesnikov and Lucas Beyer},
    year={2023}, eprint={2303.15343}, archivePrefix={arXiv}
}
"""

    def __init__(self, model: Any, *, temperature: float = 0.1, bias: float = -10.0, **settings: Any) -> None:
        super().__init__(model, {"temperature": temperature, "bias": bias}, **settings)
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}\nUse a number above 0, e.g. 0.1")
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """See `sigmoid_loss`."""
        anchors, positives = columns
        return sigmoid_loss(anchors, positives, self.log_scale.exp(), self.bias, labels)
