"""The contract of reading: a Reader turns one file into Facts and Passages.

A Reader runs inside a worker process and knows nothing of models, spaces or indexes. It yields Passages as it goes,
so that a long file never stands in memory whole, and Facts once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from samespace.errors import FailureClass
from samespace.items import Item, Modality

__all__ = [
    "Done",
    "Event",
    "Facts",
    "Failed",
    "Kind",
    "Limits",
    "Longer",
    "Options",
    "Origin",
    "Passage",
    "Reader",
    "Some",
]

Kind = Literal["text", "page", "image", "audio", "video", "other"]
"""What a person finds: a passage of text, a page, a picture, a place in a recording or a film, a bare file."""

Origin = Literal["body", "ocr", "speech", "pixels", "sound", "name"]
"""How it is known: its own words, words read in a picture, words heard, its look, its sound, its name only."""


_LEAST_RATE = 400  # bytes a second: no recording in use has fewer


@dataclass(frozen=True)
class Passage:
    """One thing to embed, and how it came to be.

    Attributes:
        item: what is embedded; its locator says where it stands.
        kind: what a person finds there.
        origin: how it is known.
        language: BCP 47 tag if known, e.g. "en", "zh".
        preview: a small WebP (at most 320 px) that shows the place, if it has a look of its own.
    """

    item: Item
    kind: Kind
    origin: Origin
    language: str | None = None
    preview: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Facts:
    """What is known about a file as a whole.

    Attributes:
        mime: by content, not by name.
        kind: what sort of file it is.
        reader: name and version of the reader, "pdf/1": another version reads the file again.
        title: its own title, if it has one.
        language: BCP 47 tag of most of it, if known.
        meta: plain facts worth finding and filtering by: width, height, seconds, pages, author, taken, camera.
        notes: what was left out and why ("no text layer on pages 3-4 and OCR is off"), for `status`.
        preview: a small WebP (at most 320 px) of the whole.
    """

    mime: str
    kind: Kind
    reader: str
    title: str | None = None
    language: str | None = None
    meta: Mapping[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    preview: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Limits:
    """What one file may cost. The worker enforces them; a file over a limit fails with its class, alone."""

    wall_seconds: float = 300.0
    cpu_seconds: int = 240
    wall_per_second: float = 2.0  # more wall time for each second of sound or film
    cpu_per_second: float = 1.0  # more CPU time for each second of sound or film
    memory_bytes: int = 4 << 30  # address space of a worker
    file_bytes: int = 2 << 30
    pixels: int = 100_000_000
    pages: int = 5_000
    frames: int = 250_000  # of an animated picture that are counted, of a film that are decoded
    seconds: float = 6 * 3600.0  # of sound or film
    characters: int = 20_000_000
    unpacked_bytes: int = 512 << 20  # of an archive-like file (DOCX, EPUB, ODF)
    nesting: int = 200  # levels within one another, of JSON and of mails; archives in archives are not opened
    passages: int = 200_000
    output_bytes: int = 512 << 20  # of all messages about one file
    open_files: int = 256
    written_bytes: int = 64 << 20  # of one temporary file

    def lasting(self, seconds: float, size: int) -> "Limits":
        """The limits of a recording: more time, the longer it lasts.

        Args:
            seconds: how long it says it lasts; not believed beyond the limit, nor beyond what its bytes can hold.
            size: bytes of the file.
        """
        believed = max(0.0, min(seconds, self.seconds, size / _LEAST_RATE))
        wall = self.wall_seconds + self.wall_per_second * believed
        return replace(self, wall_seconds=wall, cpu_seconds=int(self.cpu_seconds + self.cpu_per_second * believed))


@dataclass(frozen=True)
class Options:
    """How to read.

    Attributes:
        wants: modalities the encoder takes in; others are not decoded for embedding.
        passage_chars: aim for the length of a text passage, in characters of Latin script.
        overlap_chars: how much of a passage's end starts the next.
        ocr: read text in pictures and in pages without a text layer.
        speech: turn speech into text; None = if the extra and weights are there.
        speech_weights: folder of a CTranslate2 Whisper model, None = find one.
        window_seconds: length of a window of sound, and of a film's moment.
        limits: what one file may cost.
    """

    wants: frozenset[Modality] = frozenset({"text"})
    passage_chars: int = 700
    overlap_chars: int = 120
    ocr: bool = True
    speech: bool | None = None
    speech_weights: str | None = None
    window_seconds: float = 10.0
    limits: Limits = field(default_factory=Limits)


@runtime_checkable
class Reader(Protocol):
    """Reads files of some media types. One format, one file, one Reader."""

    @property
    def name(self) -> str:
        """Short name, "pdf"."""

    @property
    def version(self) -> int:
        """Counts up whenever the same bytes would give other Passages."""

    @property
    def mimes(self) -> frozenset[str]:
        """Media types it reads."""

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield the Passages of a file, and its Facts once, in any order.

        Raises:
            ReadError: the file cannot be read; class, reason, mend.
        """


@dataclass(frozen=True)
class Done:
    """A file was read to its end."""

    path: Path
    facts: Facts


@dataclass(frozen=True)
class Failed:
    """A file could not be read; Passages that came before are void."""

    path: Path
    failure: FailureClass
    reason: str
    mend: str


@dataclass(frozen=True)
class Some:
    """Some Passages of a file; more may follow."""

    path: Path
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Longer:
    """The file at hand is a recording and may take longer: between a worker and its pool only.

    Attributes:
        seconds: how long it says it lasts.
    """

    seconds: float


Event = Some | Done | Failed
