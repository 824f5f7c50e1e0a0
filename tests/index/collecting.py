"""Small collections of texts for the tests of searching, through any Encoder into any Index."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from samespace.index.flat import FlatIndex
from samespace.index.protocol import FileRow, ItemRow
from samespace.items import Image, Item, Locator, Mixed, Text

PLAIN = {
    "/docs/boat.txt": "The red boat left the harbour at dawn and came back with a hold full of herring.",
    "/docs/bread.txt": "Mix flour and water, let the dough rise over night, and bake it in a hot oven.",
    "/docs/bill.txt": "Invoice HB-2024-0417 from Petersen Shipyard: repair of the crane, 1,204.50, due in May.",
    "/docs/violin.txt": "She practised the violin for two hours, then walked home through the park.",
    "/notes/tax.md": "The tax office asks for the form by the end of July, with all receipts attached.",
    "/notes/moon.md": "The moon pulls at the sea, and twice a day the water rises and falls.",
}


WHOLE = Locator()


@dataclass(frozen=True)
class Row:
    """One item of a file, and facts of both."""

    path: str
    item: Item
    facts: dict[str, Any]
    place: Locator = WHOLE
    origin: str = "body"


def row(path: str, text: str, place: Locator = WHOLE, origin: str = "body", **facts) -> Row:
    return Row(path, Text(text), facts, place, origin)


def plain() -> list[Row]:
    return [row(path, text) for path, text in PLAIN.items()]


def fill(index, encoder, rows: Sequence[Row]):
    """Commit rows; files with the same `content` fact share their reading, as ingest makes them."""
    by_path: dict[str, list[Row]] = {}
    for one in rows:
        by_path.setdefault(one.path, []).append(one)
    files, items, wanted = [], {}, {}
    for path, ones in by_path.items():
        facts = {"kind": "text", "status": "indexed", "modified": 1.7e9, "size": 10, **ones[0].facts}
        content = facts.pop("content", path)
        kind = facts["kind"]
        files.append(FileRow(path=path, root="/", content=content, reading=f"r {content}", **facts))
        for n, one in enumerate(ones):
            text = one.item.text if isinstance(one.item, Text) else ""
            digest = "" if one.origin == "unembedded" else one.item.digest()
            origin = "name" if one.origin == "unembedded" else one.origin
            key = f"{content} {n}"
            items[key] = ItemRow(
                key, f"r {content}", digest, one.item.modality, kind, origin, one.place, text, position=n
            )
            if digest:
                wanted[digest] = one.item
    with index.writer() as writer:
        writer.commit(files, list(items.values()), list(wanted), encoder.encode(list(wanted.values())))
    return index


def flat(encoder, rows: Sequence[Row]) -> FlatIndex:
    return fill(FlatIndex(encoder.space, "test"), encoder, rows)


@dataclass(frozen=True)
class Seeing:
    """Hashing that also takes pictures, as the words in their bytes, and fuses several parts."""

    words: Any
    modalities: frozenset = frozenset({"text", "image", "mixed"})

    @property
    def space(self):
        return self.words.space

    def encode(self, items, *, role="document"):
        return self.words.encode([Text(_said(item)) for item in items], role=role)


def _said(item: Item) -> str:
    if isinstance(item, Text):
        return item.text
    if isinstance(item, Image):
        return item.blob.read().decode()
    assert isinstance(item, Mixed)
    return " ".join(_said(part) for part in item.parts)
