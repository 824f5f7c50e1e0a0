"""Alignment and uniformity: pull pairs together, spread everything over the sphere; closes the gap between modalities.

Unlike plain InfoNCE it names the two forces, so that the second can be given the weight that a narrow cone of vectors
needs, and it spreads the two sides against each other.

Letters: n rows, d width, t sharpness.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from samespace.train.losses.citizen import EmbeddingLoss, unit

__all__ = ["SpreadLoss", "alignment", "cross_uniformity", "spread_loss", "uniformity"]


def alignment(anchors: Tensor, positives: Tensor) -> Tensor:
    """Mean squared distance of pairs at unit length.

    1/n sum_i |a_i - p_i|² = 2 - 2 mean cos(a_i, p_i)

    Args:
        anchors: (n, d).
        positives: (n, d); row i matches row i.

    Returns:
        scalar in [0, 4]; 0 when pairs coincide, chance 2.

    Reference: Wang & Isola, Understanding Contrastive Representation Learning, arXiv:2005.10242, §4.1.1.
    """
    return (unit(anchors) - unit(positives)).square().sum(dim=1).mean()


def uniformity(vectors: Tensor, *, t: float = 2.0) -> Tensor:
    """How unevenly the rows lie on the sphere.

    log mean_{i<j} exp(-t |x_i - x_j|²)

    Args:
        vectors: (n, d), n >= 2.
        t: sharpness, > 0.

    Returns:
        scalar in [-4t, 0]; 0 when all coincide, about -2t (1 - t/d) when spread evenly in a wide space.

    Reference: as `alignment`, §4.1.2.
    """
    rows = unit(vectors)
    near, far = torch.triu_indices(len(rows), len(rows), 1, device=rows.device)
    return _log_mean_exp(-t * (2 - 2 * (rows @ rows.T)[near, far]))


def cross_uniformity(anchors: Tensor, positives: Tensor, *, t: float = 2.0) -> Tensor:
    """How unevenly two sides lie against each other, pairs left out.

    log mean_{i≠j} exp(-t |a_i - p_j|²)

    Args:
        anchors: (n, d), n >= 2.
        positives: (n, d).
        t: sharpness, > 0.

    Returns:
        scalar in [-4t, 0]; 0 when all coincide, about -2t (1 - t/d) when independent and spread evenly.

    Reference: Fahim et al., It's Not a Modality Gap, arXiv:2405.18570.
    """
    scores = unit(anchors) @ unit(positives).T
    return _log_mean_exp(-t * (2 - 2 * scores[~torch.eye(len(scores), dtype=torch.bool, device=scores.device)]))


def spread_loss(
    anchors: Tensor,
    positives: Tensor,
    *,
    contrast: float = 1.0,
    align: float = 1.0,
    spread: float = 0.5,
    cross: float = 0.5,
    temperature: float = 0.05,
    t: float = 2.0,
) -> Tensor:
    """Weigh symmetric InfoNCE, alignment, the uniformity of each side and that across.

    contrast (CE(S/T) + CE(Sᵀ/T))/2 + align·alignment + spread·(U(a) + U(p))/2 + cross·XU(a, p), S the cosines

    Args:
        anchors: (n, d).
        positives: (n, d); row i matches row i.
        contrast: weight of InfoNCE, >= 0, as all four.
        align: weight of the alignment.
        spread: weight of the uniformity of each side.
        cross: weight of the uniformity across.
        temperature: > 0.
        t: sharpness of the uniformities.

    Returns:
        scalar; chance, for random directions in a wide space: contrast·log(n) + 2 align - 2t (spread + cross).

    Reference: as `cross_uniformity`.
    """
    scores = unit(anchors) @ unit(positives).T / temperature
    own = torch.arange(len(anchors), device=anchors.device)
    both = (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2
    sides = (uniformity(anchors, t=t) + uniformity(positives, t=t)) / 2
    across = cross_uniformity(anchors, positives, t=t)
    return contrast * both + align * alignment(anchors, positives) + spread * sides + cross * across


def _log_mean_exp(values: Tensor) -> Tensor:
    return torch.logsumexp(values, dim=0) - math.log(len(values))


class SpreadLoss(EmbeddingLoss):
    """`spread_loss` for the trainer: columns anchor, positive. Its weights are the function's."""

    citation: ClassVar[str] = """
@misc{fahim2024gap,
    title={It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap},
    author={Abrar Fahim and Alex Murphy and Alona Fyshe},
    year={2024}, eprint={2405.18570}, archivePrefix={arXiv}
}
"""

    def __init__(
        self,
        model: Any,
        *,
        contrast: float = 1.0,
        align: float = 1.0,
        spread: float = 0.5,
        cross: float = 0.5,
        temperature: float = 0.05,
        t: float = 2.0,
        **settings: Any,
    ) -> None:
        if min(contrast, align, spread, cross) < 0 or temperature <= 0 or t <= 0:
            raise ValueError("a weight below 0, or a temperature or sharpness not above 0\nUse weights >= 0")
        weights = {"contrast": contrast, "align": align, "spread": spread, "cross": cross}
        super().__init__(model, {**weights, "temperature": temperature, "t": t}, **settings)

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """See `spread_loss`."""
        anchors, positives = columns
        return spread_loss(anchors, positives, **self.settings)
