"""What an Encoder does first: see that it was given what it takes in.

Knows nothing of models. Imports the standard library only.
"""

from collections.abc import Sequence

from samespace.items import Blob, Document, Image, Item, Text

__all__ = ["pictures", "texts"]


def texts(items: Sequence[Item], name: str) -> list[str]:
    """The characters of every item (n). Raises TypeError naming the first item that is not Text."""
    for position, item in enumerate(items):
        if not isinstance(item, Text):
            raise TypeError(f"item {position} is {item.modality}, but {name} takes text only")
    return [item.text for item in items if isinstance(item, Text)]


def pictures(items: Sequence[Item], name: str) -> list[Blob]:
    """The picture of every item (n); a page is one. Raises TypeError naming the first item that is neither."""
    for position, item in enumerate(items):
        if not isinstance(item, Image | Document):
            raise TypeError(f"item {position} is {item.modality}, but {name} takes document, image only")
    return [
        item.blob if isinstance(item, Image) else item.picture for item in items if isinstance(item, Image | Document)
    ]
