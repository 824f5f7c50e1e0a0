"""Halting: how far a step moved what the model would say.

Imports torch. Letters: b sequences, w model width.
"""

from torch import Tensor
from torch.nn import functional

from samespace.reason.backbone import Backbone

__all__ = ["moved"]


def moved(backbone: Backbone, before: Tensor, after: Tensor) -> Tensor:
    """KL(after || before) between next-token distributions, in nats (b), >= 0; 0 where a step changed nothing.

    Args:
        backbone: whose head reads the states.
        before: states (b, w).
        after: the same rows, a step later.

    Reference: Geiping et al., Scaling up Test-Time Compute with Latent Reasoning, arXiv:2502.05171, section 6.1.
    """
    new = backbone.logits(after.detach()).log_softmax(-1)
    old = backbone.logits(before.detach()).log_softmax(-1)
    return functional.kl_div(old, new, log_target=True, reduction="none").sum(-1)
