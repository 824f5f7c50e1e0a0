"""One row of training data, and what can be wrong with one.

Imports the standard library only.
"""

from dataclasses import dataclass
from typing import Literal

from samespace.items import Item

__all__ = ["Example", "Problem"]


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes:
        anchor: what is asked with.
        positive: what belongs to it.
        negatives: what does not, though it may look so.
        instruction: what the anchor asks for; "" = nothing in particular.
        row: number in its source, from 0.
    """

    anchor: Item
    positive: Item
    negatives: tuple[Item, ...] = ()
    instruction: str = ""
    row: int = 0


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row.

    Attributes:
        row: number in its source, from 0.
        column: which side.
        kind: "form", "decode" and "empty" rows cannot be trained on; "repeat" rows can, if not in one batch.
        reason: the fact.
        mend: what to do.
    """

    row: int
    column: str
    kind: Literal["form", "decode", "empty", "repeat"]
    reason: str
    mend: str

    def __str__(self) -> str:
        return f"row {self.row}, {self.column}: {self.reason}"
