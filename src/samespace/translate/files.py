"""Translators on disk: a folder with `translator.json`, for people and programs, and its arrays as safetensors.

The arrays' file is named by its hash and the JSON names it; the JSON carries the hash of itself. A save that is killed
leaves what was there before or what is there now, and a file that was changed, cut or swapped is refused.

Knows nothing of models or indexes. Imports numpy, and safetensors where it is used.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samespace.durably import write_durably
from samespace.errors import MissingExtraError, TranslatorFileError
from samespace.translate.domain import Domain
from samespace.translate.packing import pack, unpack
from samespace.translate.protocol import Translator

__all__ = ["FORMAT", "Saved", "load", "open_saved", "save"]

FORMAT = 1
"""Counts up whenever an older samespace could not read the files, or would read them wrongly."""
CARD = "translator.json"
_AGAIN = "Fit and save it again, or restore the folder from a copy"


@dataclass(frozen=True, eq=False)
class Saved:
    """A Translator and what is kept beside it.

    Attributes:
        translator: the map.
        domain: what the rows that it was fitted on look like; None = nobody noted it.
        second: a fit of its own on other rows, for the confidence of single rows; None = there is none.
        mark: hash over all of it: names this translation, and no other.
    """

    translator: Translator
    domain: Domain | None = None
    second: Translator | None = None
    mark: str = ""


def save(
    translator: Translator, folder: str | Path, *, domain: Domain | None = None, second: Translator | None = None
) -> str:
    """Write a Translator into a folder, which is made if need be; one that is there is replaced.

    Args:
        translator: of one of `packing.KINDS`.
        folder: new, empty, or that of another Translator.
        domain: see Saved.
        second: see Saved.

    Returns:
        its mark, as 64 hexadecimal digits.

    Raises:
        TypeError: a Translator of a kind that cannot be kept, or facts that are no plain data.
        TranslatorFileError: the folder holds other things.
    """
    place = Path(folder)
    tensors: dict[str, np.ndarray] = {}
    parts = {"translator": translator, "domain": domain, "second": second}
    body = {name: pack(part, name, tensors) for name, part in parts.items() if part is not None}
    place.mkdir(parents=True, exist_ok=True)
    strange = [p.name for p in place.iterdir() if not _ours(p.name)]
    if strange:
        raise TranslatorFileError(str(place), f"the folder holds other things ({strange[0]!r})", "Name an empty one")
    arrays = _safetensors().save(tensors)
    digest = hashlib.sha256(arrays).hexdigest()
    name = f"tensors-{digest[:12]}.safetensors"
    card = {"format": FORMAT, "tensors": {"file": name, "sha256": digest, "bytes": len(arrays)}, **body}
    card["sha256"] = _mark(card)
    write_durably(place / name, arrays)
    write_durably(place / CARD, (json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    for old in place.iterdir():
        if old.name not in (name, CARD):
            old.unlink(missing_ok=True)
    return str(card["sha256"])


def load(folder: str | Path) -> Translator:
    """The Translator of a folder, as it was saved to the last bit. Raises TranslatorFileError; see `open_saved`."""
    return open_saved(folder).translator


def open_saved(folder: str | Path) -> Saved:
    """The Translator of a folder and what is kept beside it.

    Raises:
        TranslatorFileError: there is none, it is damaged (a hash is wrong, a file is cut), a newer samespace wrote it,
            or its parts do not make a Translator.
    """
    place = Path(folder)
    card = _card(place)
    tensors = _tensors(place, card["tensors"])
    try:
        made = {name: unpack(card[name], tensors) for name in ("translator", "domain", "second") if name in card}
        saved = Saved(**made, mark=str(card["sha256"]))
        for part in (saved.translator, saved.second):
            if part is not None:
                _try(part)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as err:
        fact = f"it does not make a translator ({str(err).splitlines()[0]})"
        raise TranslatorFileError(
            str(place), fact, "Update samespace if a newer one wrote it; else fit it again"
        ) from err
    return saved


def _ours(name: str) -> bool:
    return name == CARD or name.startswith((".draft-", "tensors-"))


def _mark(card: Mapping[str, Any]) -> str:
    """Hash of all that the JSON says but its own hash."""
    said = {key: value for key, value in card.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _card(place: Path) -> dict[str, Any]:
    try:
        card = json.loads((place / CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise TranslatorFileError(
            str(place), "there is no translator here", f"Make one: samespace translate fit SOURCE TARGET --out {place}"
        ) from None
    except ValueError as err:
        raise TranslatorFileError(str(place), f"{CARD} is damaged ({err})", _AGAIN) from err
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        raise TranslatorFileError(str(place), f"{CARD} describes no translator", "Name the folder of one")
    if card["format"] > FORMAT:
        fact = f"the translator has format {card['format']}, this samespace knows up to {FORMAT}"
        raise TranslatorFileError(str(place), fact, "Update it: pip install --upgrade samespace")
    if card.get("sha256") != _mark(card):
        raise TranslatorFileError(str(place), f"{CARD} was changed after it was written: its hash is wrong", _AGAIN)
    return card


def _tensors(place: Path, said: Mapping[str, Any]) -> dict[str, np.ndarray]:
    name = str(said["file"])
    try:
        arrays = (place / Path(name).name).read_bytes()
    except FileNotFoundError:
        raise TranslatorFileError(str(place), f"its file {name} is missing", _AGAIN) from None
    digest = hashlib.sha256(arrays).hexdigest()
    if digest != said["sha256"]:
        fact = f"{name} has sha256 {digest[:16]}… and {len(arrays):,} bytes where {said['sha256'][:16]}… and "
        raise TranslatorFileError(str(place), f"{fact}{said['bytes']:,} are needed", _AGAIN)
    made: dict[str, np.ndarray] = _safetensors().load(arrays)
    return made


def _try(translator: Translator) -> None:
    """Carry one row: parts that do not fit together show here and not in the middle of a run."""
    if not isinstance(translator, Translator):
        raise TypeError(f"a {type(translator).__name__} is no translator")
    row = np.ones((1, translator.source.dim), np.float32)
    translator(translator.source.vectors(row))


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as err:
        raise MissingExtraError("keeping translators", "safetensors", "translate") from err
    return safetensors.numpy
