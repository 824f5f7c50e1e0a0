"""The contract of encoding: an Encoder turns Items into Vectors of its Space.

Knows nothing of files, readers or indexes.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from samespace.items import Item, Modality
from samespace.space import Space, Vectors

__all__ = ["Encoder", "Role"]

Role = Literal["query", "document"]
"""What the vector is for. Both roles land in one Space; the prompts differ where the model has any."""


@runtime_checkable
class Encoder(Protocol):
    """Items → Vectors of one Space. Made finished; holds its weights."""

    @property
    def space(self) -> Space:
        """Where its vectors live."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it takes in; "mixed" if it fuses several parts into one vector by itself."""

    def encode(self, items: Sequence[Item], *, role: Role = "document") -> Vectors:
        """Encode items (n) to Vectors (n, space.dim), in their order.

        Any n, also 0; any length: sorting, batching and truncation are the Encoder's business.

        Raises:
            TypeError: an item of a modality it does not take in; names the item's position and what it takes.
        """
