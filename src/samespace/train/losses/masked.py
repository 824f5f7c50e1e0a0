"""InfoNCE that may leave negatives out: of another modality, probably not negative, or too easy.

Three switches of one loss, each from a model that used it; all off it is plain InfoNCE.

Letters: n anchors, m candidates (positives first, then hard negatives, m = n·(1 + k)), d width.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from samespace.train.losses.citizen import EmbeddingLoss, unit

__all__ = ["MaskedInfoNCELoss", "masked_info_nce"]


def masked_info_nce(
    anchors: Tensor,
    candidates: Tensor,
    *,
    temperature: float | Tensor = 0.05,
    modality: Tensor | None = None,
    groups: Tensor | None = None,
    margin: float | None = None,
    top_k: int | None = None,
    same_side: bool = False,
) -> Tensor:
    """Tell each anchor's positive from the negatives that are kept.

    loss = -1/n sum_i log [ exp(s_ii/T) / (exp(s_ii/T) + sum_{j in K_i} exp(s_ij/T)) ], s = cosine, T = temperature

    K_i holds all j != i with modality_j = modality_i, group_j != group_i and s_ij <= s_ii + margin (as given), of these
    the top_k largest s_ij (if given). The filter looks at values only; no gradient goes through it.

    Args:
        anchors: (n, d).
        candidates: (m, d), m >= n; row i < n matches anchor i, all others are negatives.
        temperature: > 0.
        modality: (m) integers, a bit mask of what each candidate is made of (1 text, 2 picture, 3 both).
        groups: (m) integers; candidates of one group say the same, so none of them denies another.
        margin: how much better than the positive a negative may look before it counts as a missed positive.
        top_k: negatives that count, the hardest after the filter.
        same_side: take anchor to anchor and positive to positive as negatives too, under the same margin; neither
            `modality` nor `groups` bears on these.

    Returns:
        scalar in nats: 0 when solved; chance log(1 + mean |K_i|) when all score alike, log(m) with all switches off.

    Reference: modality mask: Kong et al., Modality Curation (UNITE), arXiv:2505.19650; margin and top_k: Gu et
        al., UniME, arXiv:2504.17432; margin and same_side: Li et al., Qwen3-VL-Embedding, arXiv:2601.04720.
    """
    rows, columns = unit(anchors), unit(candidates)
    count = len(rows)
    own = torch.arange(count, device=rows.device)
    scores = rows @ columns.T
    positive = scores[own, own]
    kept = torch.ones_like(scores, dtype=torch.bool)
    kept[own, own] = False
    if modality is not None:
        kept &= modality[None, :] == modality[:count, None]
    if groups is not None:
        kept &= groups[None, :] != groups[:count, None]
    if same_side:
        across = ~torch.eye(count, dtype=torch.bool, device=rows.device)
        targets = columns[:count]
        scores = torch.cat([scores, rows @ rows.T, targets @ targets.T], dim=1)
        kept = torch.cat([kept, across, across], dim=1)
    if margin is not None:
        kept &= scores.detach() <= positive.detach()[:, None] + margin
    if top_k is not None and top_k < scores.shape[1]:
        kept &= _hardest(scores.detach().masked_fill(~kept, -torch.inf), top_k)
    negatives = (scores / temperature).masked_fill(~kept, -torch.inf)
    everything = torch.cat([positive[:, None] / temperature, negatives], dim=1)
    return (torch.logsumexp(everything, dim=1) - positive / temperature).mean()


def _hardest(scores: Tensor, count: int) -> Tensor:
    """Where the `count` largest of each row stand, (n, m) bool."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    return chosen.scatter_(1, scores.topk(count, dim=1).indices, True)


class MaskedInfoNCELoss(EmbeddingLoss):
    """`masked_info_nce` for the trainer: columns anchor, positive, negative_1, …

    With `modal`, labels are (n, 1 + k) integers: the bit mask of each row's positive and negatives; (n) with no
    negatives. Without, labels are not looked at.
    """

    citation: ClassVar[str] = """
@misc{gu2025unime,
    title={Breaking the Modality Barrier: Universal Embedding Learning with Multimodal LLMs},
    author={Tiancheng Gu and Kaicheng Yang and Ziyong Feng and Xingjun Wang and others},
    year={2025}, eprint={2504.17432}, archivePrefix={arXiv}
}
@misc{kong2025unite,
    title={Modality Curation: Building Universal Embeddings for Advanced Multimodal Information Retrieval},
    author={Fanheng Kong and Jingyuan Zhang and Yahui Liu and others},
    year={2025}, eprint={2505.19650}, archivePrefix={arXiv}
}
"""

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        modal: bool = False,
        margin: float | None = None,
        top_k: int | None = None,
        same_side: bool = False,
        **settings: Any,
    ) -> None:
        if temperature <= 0 or (top_k is not None and top_k < 1):
            raise ValueError(f"temperature {temperature}, top_k {top_k}\nUse temperature > 0 and top_k >= 1")
        switches: dict[str, Any] = {
            "temperature": temperature,
            "margin": margin,
            "top_k": top_k,
            "same_side": same_side,
        }
        super().__init__(model, {**switches, "modal": modal}, **settings)
        self.switches, self.modal = switches, modal

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """See `masked_info_nce`."""
        modality = None
        if self.modal:
            wanted = len(columns[0]) * (len(columns) - 1)
            if labels is None or labels.numel() != wanted:
                got = None if labels is None else tuple(labels.shape)
                shape = f"({len(columns[0])}, {len(columns) - 1})"
                raise ValueError(f"modal masking needs labels {shape}, got {got}\nGive each row its bit masks as label")
            modality = labels.reshape(len(columns[0]), -1).T.reshape(-1)
        return masked_info_nce(columns[0], torch.cat(list(columns[1:])), modality=modality, **self.switches)
