"""What is wrong with rows of training data: media that cannot be decoded, empty sides, repeats.

Everything is opened once as an encoder would open it, so that a run does not meet it at step 4,000.

Imports Pillow and soundfile where media are checked.
"""

import io
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

from samespace.encode import picture
from samespace.errors import DataError, MissingExtraError, ReadError
from samespace.items import Audio, Document, Image, Item, Mixed, Modality, Text
from samespace.train.example import Example, Problem

__all__ = ["problems", "repeats", "taken", "unusable"]


def problems(examples: Iterable[Example]) -> list[Problem]:
    """What is wrong with examples made by hand: media that cannot be decoded, empty sides, repeats."""
    made = list(examples)
    return [p for example in made for p in unusable(example)] + list(repeats(made))


def _sides(example: Example) -> list[tuple[str, Item]]:
    more = [(f"negative {i}", item) for i, item in enumerate(example.negatives)]
    return [("anchor", example.anchor), ("positive", example.positive), *more]


def taken(
    examples: Iterable[Example], name: str, takes: Collection[Modality], columns: Collection[str] | None = None
) -> None:
    """Raise DataError for the first side that a model does not take.

    Args:
        examples: rows.
        name: of the model, for people.
        takes: its modalities.
        columns: sides that it is given; None = all.
    """
    for example in examples:
        for column, item in _sides(example):
            if (columns is None or column in columns) and item.modality not in takes:
                fact = f"it is {item.modality}, but {name} takes {', '.join(sorted(takes))} only"
                mend = f"Leave the row out, or name a model that takes {item.modality} (samespace models)"
                raise DataError(example.row, column, fact, mend)


def unusable(example: Example) -> Iterator[Problem]:
    """Why a row cannot be trained on; nothing if it can."""
    for column, item in _sides(example):
        for part in item.parts if isinstance(item, Mixed) else (item,):
            try:
                _try(part)
            except ReadError as err:
                kind: Literal["decode", "empty"] = "empty" if err.failure == "empty" else "decode"
                yield Problem(example.row, column, kind, err.reason, err.mend)
            except OSError as err:
                yield Problem(example.row, column, "decode", f"its file cannot be read ({err})", "Mend the path")


def _try(item: Item) -> None:
    """Open it as an encoder would. Film is left to its reader. Raises ReadError, OSError."""
    if isinstance(item, Text) and not item.text.strip():
        raise ReadError("empty", "the text is empty", "Write one, or leave the row out: load(…, skip=True)")
    if isinstance(item, Image | Document):
        picture.decode(item.blob if isinstance(item, Image) else item.picture)
    if isinstance(item, Audio):
        _listen(item)


def _listen(item: Audio) -> None:
    try:
        import soundfile
    except ImportError as err:
        raise MissingExtraError("looking into recordings", "soundfile", "read") from err
    try:
        if soundfile.info(io.BytesIO(item.blob.read())).frames == 0:
            raise ReadError("empty", "the recording has no samples", "Leave the row out: load(…, skip=True)")
    except soundfile.LibsndfileError as err:
        raise ReadError(
            "decode", f"not a recording that libsndfile opens ({err})", "Convert it to WAV or FLAC"
        ) from err


def repeats(examples: Sequence[Example]) -> Iterator[Problem]:
    """Positives that stand in several rows, by the hash of their content: in one batch each would deny the other."""
    places: dict[str, list[int]] = defaultdict(list)
    for example in examples:
        places[example.positive.digest()].append(example.row)
    for found in places.values():
        for row in found[1:]:
            yield Problem(
                row,
                "positive",
                "repeat",
                f"the same positive as in row {found[0]}",
                "Keep them out of one batch: batches.group_by(…, apart=[e.positive.digest() for e in examples])",
            )
