"""What the starter is trained on and measured by: pictures and recordings with what is said of them, set by set.

A Row is one picture or recording with its captions in several phrasings, and whether it is kept apart. Kept apart are
whole textbooks, shop visits, every fifth emoji, stories; nothing of theirs is trained on. Sets whose licence does not
let weights be given away (CC BY-SA, Unsplash) are there to be measured by alone.

Knows nothing of models. Imports pyarrow.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from samespace.errors import DataError
from samespace.items import Blob

__all__ = ["LETTERS", "SETS", "TEST_BOOKS", "Row", "imagenet", "load"]

LETTERS = 160  # of a caption; the rest is detail that a picture of 192 px does not show
TEST_BOOKS = ("american-government", "introduction-sociology", "astronomy")
_PLAIN = 3  # times that an English caption of a sound counts as much as one in another language
_DEMO = "3-163288-A"  # the recording that the demo is asked for
_LANGUAGES = ("en", "de", "fr", "zh", "es", "it", "ru", "ja")


@dataclass(frozen=True)
class Row:
    """One picture or recording.

    Attributes:
        blob: its bytes.
        captions: ways to say what it is, the plainest first; never empty.
        label: rows of one label show the same kind of thing: each other's captions fit.
        kind: "photo" (may be mirrored), "drawing" (may not: letters, arrows) or "sound".
        apart: kept for measuring.
        fold: which part it belongs to, where parts are left out in turn: a book, a speaker, a fold.
        names: language → its name, where it has any.
    """

    blob: Blob
    captions: tuple[str, ...]
    label: str
    kind: str
    apart: bool
    fold: str = ""
    names: Mapping[str, str] | None = None


def load(data: Path, name: str) -> list[Row]:
    """The rows of a set of which anything is said, in its own order.

    Raises:
        DataError: it is not in the folder, or is no table.
        KeyError: it is none of SETS.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = data / name / "manifest.parquet"
    try:
        table = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowInvalid) as err:
        mend = f"Give the folder that holds {', '.join(SETS)}, each with its manifest.parquet (docs/starter.md)"
        raise DataError(None, "", f"{path} cannot be read ({str(err).splitlines()[0][:120]})", mend) from err
    rows = [SETS[name](i, {k: v for k, v in r.items() if v is not None}) for i, r in enumerate(table)]
    return [row for row in rows if row.captions]


def imagenet() -> list[tuple[str, str]]:
    """The names of ImageNet's 1,000 classes, in the order of the trunk's classifier, and their kinds: "" where none."""
    return [(name, kind[0] if kind else "") for name, *kind in _listed("imagenet.txt")]


def _listed(file: str) -> list[list[str]]:
    """The lines of a file beside this one, cut at their bars."""
    lines = files("samespace.train").joinpath(file).read_text("utf-8").splitlines()
    return [line.split(" | ") for line in lines if not line.startswith("#")]


@cache
def _heard() -> dict[str, tuple[str, ...]]:
    """Sound → what other languages call it."""
    return {name: tuple(said) for name, *said in _listed("sounds.txt")}


def _cut(*texts: str) -> tuple[str, ...]:
    """Texts in one line each, cut, without repeats and empty ones."""
    lines = (" ".join(text.split())[:LETTERS].rstrip() for text in texts)
    return tuple(dict.fromkeys(line for line in lines if line))


def _textbook(at: int, row: Mapping[str, Any]) -> Row:
    book = str(row["label"])
    kind = "photo" if row["kind"] == "photo" else "drawing"
    captions = _cut(row["alt"], row["caption"])
    return Row(Blob(data=row["bytes"]), captions, f"textbook {at}", kind, any(b in book for b in TEST_BOOKS), book)


def _grocery(at: int, row: Mapping[str, Any]) -> Row:
    name = row["text"]
    said = (name, f"a photo of {name}", f"{name} in a shop", f"{row['coarse']}: {name}", row["description"])
    return Row(Blob(data=row["bytes"]), _cut(*said), row["label"], "photo", row["split"] == "val", row["coarse"])


def _emoji(at: int, row: Mapping[str, Any]) -> Row:
    names = {k: str(v) for k, v in json.loads(row["names"]).items() if v and k in _LANGUAGES}
    words = ", ".join(row.get("keywords", ()))
    said = [names[k] for k in _LANGUAGES if k in names]
    captions = _cut(*said, f"an emoji of {row['text']}", words)
    return Row(Blob(data=row["image"]), captions, f"emoji {row['text']}", "drawing", at % 5 == 0, names=names)


def _cooking(at: int, row: Mapping[str, Any]) -> Row:
    captions = _cut(row["title"], row["text"], f"a photo of {row['title']}", row["label"])
    return Row(Blob(data=row["bytes"]), captions, f"dish {row['title']}", "photo", at % 5 == 0)


def _story(at: int, row: Mapping[str, Any]) -> Row:
    apart = int(row["story"]) % 5 == 0
    return Row(Blob(data=row["bytes"]), _cut(row["text"]), f"story {at}", "photo", apart, row["story"])


def _subject(at: int, row: Mapping[str, Any]) -> Row:
    name = row["cls"]
    return Row(Blob(data=row["bytes"]), _cut(name, f"a photo of a {name}"), row["label"], "photo", True, name)


def _environment(at: int, row: Mapping[str, Any]) -> Row:
    name = row["label"]
    said = _cut(name, f"the sound of {name.lower()}", f"a recording of {name.lower()}", row["title"])
    captions = (*said * _PLAIN, *_heard().get(name, ()))
    return Row(Blob(data=row["bytes"]), captions, name, "sound", row.get("id") == _DEMO, str(row["fold"]))


def _instrument(at: int, row: Mapping[str, Any]) -> Row:
    said = (row["text"], row["label"], f"the sound of {row['text']}")
    return Row(Blob(data=row["bytes"]), _cut(*said), f"instrument {row['label']}", "sound", False)


def _digit(at: int, row: Mapping[str, Any]) -> Row:
    word = row["text"]
    said = (word, f"the number {word}", f"a voice says {word}")
    return Row(Blob(data=row["bytes"]), _cut(*said), word, "sound", True, row["speaker"])


SETS: Mapping[str, Callable[[int, Mapping[str, Any]], Row]] = {
    "openstax_figures": _textbook,
    "grocery_photos": _grocery,
    "emoji_names": _emoji,
    "cooking_photos": _cooking,
    "storybook_pages": _story,
    "subject_photos": _subject,
    "environment_sounds": _environment,
    "instrument_samples": _instrument,
    "spoken_digits": _digit,
}
"""Set → (number of the row, its columns) → Row."""
