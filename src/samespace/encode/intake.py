"""What an Encoder does first: see that it was given what it takes in.

Knows nothing of models. Imports the standard library only.
"""

from collections.abc import Sequence

from samespace.items import Item, Text

__all__ = ["texts"]


def texts(items: Sequence[Item], name: str) -> list[str]:
    """The characters of every item (n). Raises TypeError naming the first item that is not Text."""
    for position, item in enumerate(items):
        if not isinstance(item, Text):
            raise TypeError(f"item {position} is {item.modality}, but {name} takes text only")
    return [item.text for item in items if isinstance(item, Text)]
