"""What an Encoder does first: see that it was given what it takes in.

Knows nothing of models. Imports the standard library only.
"""

from collections.abc import Iterator, Sequence

from samespace.items import Blob, Document, Image, Item, Mixed, Text

__all__ = ["leaves", "pictures", "pictures_and_texts", "texts"]


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


def leaves(item: Item) -> Iterator[Item]:
    """The parts of a Mixed item in order, however deep; any other item itself."""
    if isinstance(item, Mixed):
        for part in item.parts:
            yield from leaves(part)
    else:
        yield item


def pictures_and_texts(item: Item, position: int, name: str) -> Iterator[Image | Text]:
    """An item's pictures and texts in order. Raises TypeError naming the item that holds anything else."""
    for part in leaves(item):
        if not isinstance(part, Image | Text):
            raise TypeError(f"item {position} is {part.modality}, but {name} takes image, text and both only")
        yield part
