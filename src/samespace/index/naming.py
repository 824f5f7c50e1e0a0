"""What a file's name says: the words of a name and of the facts about a file, as one line of text.

A file whose content gives the model nothing is found by this line. A name a camera gave means nothing and is kept for
full-text search only.

Knows nothing of stores or models. Imports the standard library.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath

__all__ = ["means_something", "name_text"]

_SPOKEN = ("description", "caption", "subject", "artist", "author", "album", "genre", "keywords", "comment", "place")
_MACHINE = frozenset(
    """img dsc dscf dscn pxl mvi vid mov image photo picture video audio rec recording screenshot scan scanned untitled
    file copy copia kopie new jpg jpeg png gif webp heic tif tiff bmp mp3 mp4 m4a wav ogg flac mkv avi webm pdf
    wa edit final burst hdr pano portrait whatsapp signal telegram at am pm""".split()  # noqa: SIM905
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def name_text(path: str, title: str | None, meta: Mapping[str, str | int | float]) -> str:
    """The words of a file's name, its title and what it says about itself, without repeats.

    >>> name_text("/x/beachHouse_2021-07.jpg", "Summer", {"artist": "Ann", "width": 640})
    'beach House 2021 07 jpg. Summer. Ann'
    """
    parts = [_words(PurePath(path).name), title or "", *(str(meta[key]) for key in _SPOKEN if key in meta)]
    clean = [" ".join(part.split()) for part in parts]
    return ". ".join(dict.fromkeys(part for part in clean if part))


def means_something(text: str) -> bool:
    """Whether a line has a word that a person chose: letters, and none that cameras and programs give."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return any(word not in _MACHINE and (len(word) > 2 or not word.isascii()) for word in words)


def _words(name: str) -> str:
    """A name with its parts apart; what cannot be printed is gone."""
    plain = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in name)
    return _CAMEL.sub(" ", re.sub(r"[\s._\-+=()\[\]{}@#,;~]+", " ", plain))
