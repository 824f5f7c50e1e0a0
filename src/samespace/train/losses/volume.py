"""The volume loss: bind any number of modalities at once, by the parallelotope their unit vectors span.

Vectors of one thing should span next to nothing. Mind that the volume is 0 as soon as any two coincide, whatever the
others do, and that x and -x look alike: with three or more modalities train the pairs too (docs/train.md).

Letters: n rows, d width, k modalities beside the anchor.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from samespace.train.losses.citizen import EmbeddingLoss, unit

__all__ = ["VolumeLoss", "volume", "volume_loss"]


def volume(anchors: Tensor, others: Sequence[Tensor], *, epsilon: float = 1e-4) -> Tensor:
    """The volume spanned by each anchor with each row of the others.

    vol_ij = sqrt(det(G_ij + epsilon I)), G_ij the inner products of (a_i, x¹_j, …, x^k_j) at unit length

    The reference takes sqrt(|det G|), whose gradient is not a number at det G = 0, where training wants to go; with
    epsilon it is finite everywhere: at most sqrt(1 + epsilon)^k / (2 sqrt(epsilon)) for an entry of G.

    Args:
        anchors: (n, d).
        others: k tensors (m, d); row j of all is one thing.
        epsilon: > 0.

    Returns:
        (n, m) in (0, (1 + epsilon)^((k + 1)/2)]; chance near the upper end: random vectors are nearly orthogonal.

    Reference: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment, arXiv:2412.11959.
    """
    first = unit(anchors)
    rest = torch.stack([unit(other) for other in others], dim=1)  # (m, k, d)
    inner = rest @ rest.mT + epsilon * torch.eye(len(others), dtype=first.dtype, device=first.device)
    root = torch.linalg.cholesky(inner)  # (m, k, k)
    across = torch.einsum("nd,mkd->mkn", first, rest)
    shadow = torch.linalg.solve_triangular(root, across, upper=False)
    height = (1 + epsilon - shadow.square().sum(dim=1)).clamp_min(epsilon / 2)  # (m, n); the clamp is for rounding
    ground = root.diagonal(dim1=-2, dim2=-1).prod(dim=-1)
    spanned: Tensor = (ground[:, None] * height.sqrt()).T
    return spanned


def volume_loss(
    anchors: Tensor,
    others: Sequence[Tensor],
    temperature: Tensor,
    *,
    epsilon: float = 1e-4,
    smoothing: float = 0.1,
) -> Tensor:
    """Make the volume of what belongs together the smallest of its row and its column.

    loss = (CE(-vol/T) + CE(-volᵀ/T)) / 2, targets on the diagonal, smoothed

    Args:
        anchors: (n, d).
        others: k tensors (n, d); row i of all belongs to anchor i.
        temperature: scalar > 0.
        epsilon: see `volume`.
        smoothing: of the targets, in [0, 1).

    Returns:
        scalar in nats; chance log(n).

    Reference: as `volume`.
    """
    logits = -volume(anchors, others, epsilon=epsilon) / temperature
    own = torch.arange(len(anchors), device=anchors.device)
    there = functional.cross_entropy(logits, own, label_smoothing=smoothing)
    return (there + functional.cross_entropy(logits.T, own, label_smoothing=smoothing)) / 2


class VolumeLoss(EmbeddingLoss):
    """`volume_loss` for the trainer: columns anchor, then one for each other modality. The temperature is learned."""

    citation: ClassVar[str] = """
@misc{cicchetti2024gram,
    title={Gramian Multimodal Representation Learning and Alignment},
    author={Giordano Cicchetti and Eleonora Grassucci and Luigi Sigillo and Danilo Comminiello},
    year={2024}, eprint={2412.11959}, archivePrefix={arXiv}
}
"""

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.07,
        epsilon: float = 1e-4,
        smoothing: float = 0.1,
        **settings: Any,
    ) -> None:
        if temperature <= 0 or epsilon <= 0:
            raise ValueError(f"temperature {temperature}, epsilon {epsilon}\nBoth must be above 0")
        super().__init__(model, {"temperature": temperature, "epsilon": epsilon, "smoothing": smoothing}, **settings)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.epsilon, self.smoothing = epsilon, smoothing

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """See `volume_loss`."""
        return volume_loss(
            columns[0], columns[1:], self.log_temperature.exp(), epsilon=self.epsilon, smoothing=self.smoothing
        )
