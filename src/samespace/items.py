"""Items: the things that can be embedded, and where each came from.

An Item is lazy: it knows where its bytes are and reads them when asked, never before. Text holds its characters,
because a passage is small by construction.

Knows nothing of models, spaces, readers or decoders. Imports the standard library only.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

__all__ = ["Audio", "Blob", "Document", "Image", "Item", "Locator", "Mixed", "Modality", "Text", "Video", "weight"]

Modality = Literal["text", "image", "audio", "video", "document", "mixed"]


@dataclass(frozen=True)
class Locator:
    """Where an Item stands. Every field is optional; absent is None.

    Attributes:
        path: the file, as it was found.
        page: page, slide or sheet, from 1.
        seconds: (from, to) in a recording or a film.
        chars: (from, to) in the file's text, Python indices, end exclusive.
        box: (left, top, right, bottom) as shares of width and height, in [0, 1].
    """

    path: str | None = None
    page: int | None = None
    seconds: tuple[float, float] | None = None
    chars: tuple[int, int] | None = None
    box: tuple[float, float, float, float] | None = None

    def __str__(self) -> str:
        """For people: 'p.7', '03:12', 'chars 120-480'; "" for a whole file."""
        parts = []
        if self.page is not None:
            parts.append(f"p.{self.page}")
        if self.seconds is not None:
            minutes, seconds = divmod(int(self.seconds[0]), 60)
            hours, minutes = divmod(minutes, 60)
            parts.append(f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}")
        if self.chars is not None and not parts:
            parts.append(f"chars {self.chars[0]}-{self.chars[1]}")
        return " ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """As plain data without the absent fields; the path is left out, an index keeps it elsewhere."""
        names = ("page", "seconds", "chars", "box")
        return {n: (list(v) if isinstance(v, tuple) else v) for n in names if (v := getattr(self, n)) is not None}

    @classmethod
    def from_dict(cls, data: dict[str, Any], path: str | None = None) -> "Locator":
        """Back from `to_dict`."""
        return cls(
            path=path,
            page=data.get("page"),
            seconds=tuple(data["seconds"]) if data.get("seconds") else None,
            chars=tuple(data["chars"]) if data.get("chars") else None,
            box=tuple(data["box"]) if data.get("box") else None,
        )


@dataclass(frozen=True)
class Blob:
    """Bytes that are somewhere: in memory, or in a file read when asked.

    Attributes:
        data: the bytes, if they are in memory.
        path: the file, if they are not.
    """

    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None

    def __post_init__(self) -> None:
        if (self.data is None) == (self.path is None):
            raise ValueError("a Blob has either bytes or a path\nUse Blob(data=...) or Blob(path=...)")

    def read(self) -> bytes:
        """The bytes. Raises OSError if the file has gone."""
        if self.data is not None:
            return self.data
        assert self.path is not None
        return self.path.read_bytes()


@dataclass(frozen=True)
class Text:
    """Words: a passage, a caption, what was read in a picture or heard in a recording."""

    text: str
    locator: Locator = Locator()
    modality: ClassVar[Modality] = "text"

    def digest(self) -> str:
        """Hash of what is embedded: equal text, equal digest, wherever it stands."""
        return _hash(b"text", self.text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class _Media:
    """Bytes of one kind. `blob` in a format that Pillow (pictures) or PyAV (sound, film) opens."""

    blob: Blob
    locator: Locator = Locator()
    modality: ClassVar[Modality]

    def digest(self) -> str:
        """Hash of what is embedded: the bytes and the stretch of time, not the place."""
        return _hash(self.modality.encode(), self.blob.read(), repr(self.locator.seconds).encode())


@dataclass(frozen=True)
class Image(_Media):
    """A picture."""

    modality: ClassVar[Modality] = "image"


@dataclass(frozen=True)
class Audio(_Media):
    """Sound; `locator.seconds` says which stretch, None means all of it."""

    modality: ClassVar[Modality] = "audio"


@dataclass(frozen=True)
class Video(_Media):
    """Film; `locator.seconds` says which stretch, None means all of it."""

    modality: ClassVar[Modality] = "video"


@dataclass(frozen=True)
class Document:
    """One page: what it looks like, and its words where it has any."""

    picture: Blob
    text: str = ""
    locator: Locator = Locator()
    modality: ClassVar[Modality] = "document"

    def digest(self) -> str:
        """Hash of the page's picture and words."""
        return _hash(b"document", self.picture.read(), self.text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Mixed:
    """Several Items in order that make one: a question about a picture, an article with its figures."""

    parts: "tuple[Item, ...]"
    locator: Locator = Locator()
    modality: ClassVar[Modality] = "mixed"

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a Mixed item needs at least one part")

    def digest(self) -> str:
        """Hash over the parts in order."""
        return _hash(b"mixed", *(p.digest().encode() for p in self.parts))


Item = Text | Image | Audio | Video | Document | Mixed


def weight(item: Item) -> int:
    """About how many bytes an Item holds in memory; what is in a file and not read yet does not count.

    >>> weight(Text("harbour"))
    7
    """
    if isinstance(item, Text):
        return len(item.text)
    if isinstance(item, Mixed):
        return sum(weight(part) for part in item.parts)
    if isinstance(item, Document):
        return len(item.picture.data or b"") + len(item.text)
    return len(item.blob.data or b"")


def _hash(*parts: bytes) -> str:
    """32 hex letters over parts whose borders count."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([len(p) for p in parts]).encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
