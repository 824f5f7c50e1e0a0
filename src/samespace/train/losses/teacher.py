"""Rows of a teacher: the student's similarities within a batch should be spread as a text teacher's are.

Unlike sentence-transformers' DistillKLDivLoss, which wants the teacher's scores of chosen candidates, the candidates
are the whole batch; unlike EmbedDistillLoss, the widths of teacher and student need not agree.

Letters: n rows, d width of the student, dt of the teacher.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from samespace.train.losses.citizen import EmbeddingLoss, unit

__all__ = ["TeacherRowsLoss", "teacher_rows_loss"]


def teacher_rows_loss(
    anchors: Tensor,
    positives: Tensor,
    teacher_anchors: Tensor,
    teacher_positives: Tensor,
    *,
    temperature: float = 0.05,
    teacher_temperature: float | None = None,
) -> Tensor:
    """Spread each row of similarities as the teacher does.

    loss = 1/n sum_i KL(P_i ‖ Q_i), P_i = softmax_j(cos(A_i, B_j)/Tt) of the teacher, Q_i = softmax_j(cos(a_i, p_j)/T)

    Args:
        anchors: (n, d).
        positives: (n, d); row i matches row i.
        teacher_anchors: (n, dt) the teacher's; no gradient goes there.
        teacher_positives: (n, dt), likewise.
        temperature: T of the student, > 0.
        teacher_temperature: Tt; None = as the student's.

    Returns:
        scalar in nats: 0 when the rows agree; chance, for a student that scores all alike, log(n) minus the mean
        entropy of P_i.

    Reference: Gu et al., UniME, arXiv:2504.17432 (textual discriminative knowledge distillation).
    """
    student = functional.log_softmax(unit(anchors) @ unit(positives).T / temperature, dim=1)
    given = unit(teacher_anchors.detach()) @ unit(teacher_positives.detach()).T
    wanted = functional.log_softmax(given / (teacher_temperature or temperature), dim=1).to(student.dtype)
    return functional.kl_div(student, wanted, reduction="batchmean", log_target=True)


class TeacherRowsLoss(EmbeddingLoss):
    """`teacher_rows_loss` for the trainer: columns anchor, positive; labels (n, 2, dt), the teacher's vectors of both.

    The teacher runs once, before training: write its vectors into the column "label".
    """

    citation: ClassVar[str] = """
@misc{gu2025unime,
    title={Breaking the Modality Barrier: Universal Embedding Learning with Multimodal LLMs},
    author={Tiancheng Gu and Kaicheng Yang and Ziyong Feng and Xingjun Wang and others},
    year={2025}, eprint={2504.17432}, archivePrefix={arXiv}
}
"""

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        teacher_temperature: float | None = None,
        **settings: Any,
    ) -> None:
        if temperature <= 0 or (teacher_temperature is not None and teacher_temperature <= 0):
            raise ValueError(f"temperatures {temperature}, {teacher_temperature}\nUse numbers above 0")
        own = {"temperature": temperature, "teacher_temperature": teacher_temperature}
        super().__init__(model, own, **settings)

    def of(self, columns: Sequence[Tensor], labels: Tensor | None) -> Tensor:
        """See `teacher_rows_loss`."""
        anchors, positives = columns
        if labels is None or labels.ndim != 3 or tuple(labels.shape[:2]) != (len(anchors), 2):
            got = None if labels is None else tuple(labels.shape)
            raise ValueError(
                f"the teacher's vectors are needed as labels ({len(anchors)}, 2, width), got {got}\n"
                "Encode both columns with the teacher first and keep them in the column 'label'"
            )
        teacher = torch.as_tensor(labels)
        return teacher_rows_loss(anchors, positives, teacher[:, 0], teacher[:, 1], **self.settings)
