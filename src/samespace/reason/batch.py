"""A batch of sequences as a Reasoner wants it: aligned at its end, so that the next step is the same column for all.

Knows nothing of models. Imports torch. Letters: b sequences, t tokens, n the last tokens, w model width.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from samespace.reason.protocol import Inputs

__all__ = ["Batch"]

_PER_TOKEN = ("input_ids", "inputs_embeds", "mm_token_type_ids", "token_type_ids")


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences with all their padding on the left.

    Attributes:
        tokens: by the model's names, what each token has: input_ids (b, t), inputs_embeds (b, t, w), ...
        mask: (b, t), 1 where there is a token.
        rest: what belongs to no token, such as pictures.
    """

    tokens: dict[str, Tensor]
    mask: Tensor
    rest: dict[str, Any]

    @classmethod
    def of(cls, inputs: Inputs) -> "Batch":
        """Align a batch that was padded on either side.

        Raises:
            ValueError: there are no tokens, a row is empty, or positions are given (they are counted by the mask).
        """
        tokens = {name: inputs[name] for name in _PER_TOKEN if inputs.get(name) is not None}
        first = tokens.get("input_ids", tokens.get("inputs_embeds"))
        if first is None:
            raise ValueError("a batch without tokens\nGive input_ids (b, t) or inputs_embeds (b, t, w)")
        if inputs.get("position_ids") is not None:
            raise ValueError("position_ids are counted by the mask\nLeave them out")
        mask = inputs.get("attention_mask")
        mask = torch.ones(first.shape[:2], dtype=torch.long, device=first.device) if mask is None else mask.long()
        if mask.shape != first.shape[:2]:
            raise ValueError(f"attention_mask {tuple(mask.shape)} does not fit tokens {tuple(first.shape[:2])}")
        if len(mask) and not bool(mask.any(dim=1).all()):
            row = int((~mask.any(dim=1)).nonzero()[0])
            raise ValueError(f"row {row} of the batch has no token\nGive every row its terminal token at least")
        known = {*_PER_TOKEN, "attention_mask"}
        rest = {name: value for name, value in inputs.items() if name not in known and value is not None}
        if bool(mask[:, -1].all()):
            return cls(tokens, mask, rest)
        order = mask.argsort(dim=1, stable=True)
        return cls({name: _taken(value, order) for name, value in tokens.items()}, mask.gather(1, order), rest)

    def split(self, n: int) -> tuple["Batch", dict[str, Tensor]]:
        """All but the last n tokens, and those. Raises ValueError where a row has nothing before them."""
        lengths = self.mask.sum(1)
        if len(lengths) and int(lengths.min()) <= n:
            row = int(lengths.argmin())
            raise ValueError(
                f"row {row} of the batch has {int(lengths[row])} tokens, the tail alone takes {n}\n"
                "Give every row a prompt before its tail, or a shorter tail"
            )
        front = {name: value[:, :-n] for name, value in self.tokens.items()}
        return Batch(front, self.mask[:, :-n], self.rest), {k: v[:, -n:] for k, v in self.tokens.items()}


def _taken(value: Tensor, order: Tensor) -> Tensor:
    """Columns of (b, t) or (b, t, w) in a row's own order (b, t)."""
    index = order if value.ndim == 2 else order.unsqueeze(-1).expand(-1, -1, value.shape[-1])
    return value.gather(1, index)
