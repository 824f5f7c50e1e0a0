"""Pooling: how the hidden states of a sequence's tokens become one vector.

Every one of these reads the mask, never the shape: a row's vector does not depend on how far, or on which side, its
batch was padded.

Knows nothing of models or items. Imports torch. Letters: n sequences, t tokens, w model width.
"""

import torch
from torch import Tensor

from samespace.encode.recipe import Pooling

__all__ = ["last_positions", "pool"]


def pool(
    hidden: Tensor, mask: Tensor, how: Pooling, *, ids: Tensor | None = None, terminal: int | None = None
) -> Tensor:
    """Read one vector out of each sequence.

    Args:
        hidden: (n, t, w).
        mask: (n, t), true where there is a token, false where there is padding; every row has one token at least.
        how: "mean", "cls", "last" or "eos".
        ids: (n, t) token ids, needed for "eos".
        terminal: the token that "eos" looks for, from the end.

    Returns:
        (n, w).

    Raises:
        ValueError: a row without tokens, a `how` that is not read out of tokens, or a sequence without its terminal.
    """
    mask = mask.bool()
    if not bool(mask.any(dim=1).all()):
        raise ValueError("a sequence without any token cannot be pooled")
    rows = torch.arange(len(hidden), device=hidden.device)
    if how == "mean":
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1)
    if how == "cls":
        return hidden[rows, mask.int().argmax(1)]
    if how == "last":
        return hidden[rows, last_positions(mask)]
    if how == "eos":
        if ids is None or terminal is None:
            raise ValueError("pooling 'eos' needs the ids and the terminal token")
        found = mask & (ids == terminal)
        if not bool(found.any(dim=1).all()):
            raise ValueError(f"a sequence has lost its terminal token (id {terminal})")
        return hidden[rows, last_positions(found)]
    raise ValueError(f"pooling {how!r} is not read out of tokens\nUse 'mean', 'cls', 'last' or 'eos'")


def last_positions(mask: Tensor) -> Tensor:
    """Position (n) of the last true of each row of (n, t), wherever the padding is."""
    return mask.shape[1] - 1 - mask.int().flip(1).argmax(1)
