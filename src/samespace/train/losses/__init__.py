"""The losses that sentence-transformers lacks, as its trainer takes them.

What it has is not written again: InfoNCE plain, symmetric and cached, hardness weighting, Matryoshka, a guide model's
filter (GIST), distillation of single vectors or of labelled pairs. docs/train.md says when to use which.

Imports torch and sentence-transformers.
"""

from samespace.train.losses.citizen import EmbeddingLoss
from samespace.train.losses.hyperbolic import HyperbolicLoss
from samespace.train.losses.masked import MaskedInfoNCELoss
from samespace.train.losses.sigmoid import SigmoidLoss
from samespace.train.losses.spread import SpreadLoss
from samespace.train.losses.teacher import TeacherRowsLoss
from samespace.train.losses.volume import VolumeLoss

__all__ = [
    "EmbeddingLoss",
    "HyperbolicLoss",
    "MaskedInfoNCELoss",
    "SigmoidLoss",
    "SpreadLoss",
    "TeacherRowsLoss",
    "VolumeLoss",
]
