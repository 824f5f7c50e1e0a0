"""An Atlas on disk: `atlas.json`, and a folder for each Translator, named by its mark.

Knows nothing of models or indexes. Imports numpy, and safetensors where it is used.
"""

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from samespace.durably import write_durably
from samespace.errors import TranslatorFileError
from samespace.space import Space
from samespace.translate.atlas import Atlas
from samespace.translate.files import Saved, open_saved, save

__all__ = ["open_atlas", "save_atlas"]

FORMAT = 1
_CARD = "atlas.json"
_MARK = 16
_AGAIN = "Restore it from a copy, or make it again: samespace translate fit … --atlas DIR"


def save_atlas(atlas: Atlas, folder: str | Path) -> None:
    """Write an Atlas into a folder, in place of the one that is there; what was written before is not written again.

    Raises:
        TranslatorFileError: the folder holds other things.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    strange = [p.name for p in place.iterdir() if p.name != _CARD and not _ours(p.name)]
    if strange:
        raise TranslatorFileError(str(place), f"the folder holds other things ({strange[0]!r})", "Name an empty one")
    names = [_written(entry, place) for entry in atlas.entries]
    listed = [
        {
            "folder": name,
            "source": str(entry.translator.source),
            "target": str(entry.translator.target),
            "fidelity": entry.translator.fidelity,
        }
        for name, entry in zip(names, atlas.entries, strict=True)
    ]
    card = {"format": FORMAT, "spaces": [space.to_dict() for space in atlas.spaces], "translators": listed}
    write_durably(place / _CARD, (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
    for old in place.iterdir():
        if old.name not in (_CARD, *names):
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def open_atlas(folder: str | Path) -> Atlas:
    """The Atlas of a folder.

    Raises:
        TranslatorFileError: there is none, it or one of its Translators is damaged, or a newer samespace wrote it.
    """
    place = Path(folder)
    card = _card(place)
    try:
        spaces = [Space.from_dict(one) for one in card["spaces"]]
        names = [str(one["folder"]) for one in card["translators"]]
        if not all(_is_mark(name) for name in names):
            raise ValueError("a folder's name is no mark")
    except (KeyError, TypeError, ValueError) as err:
        raise TranslatorFileError(str(place), f"{_CARD} is damaged ({str(err).splitlines()[0]})", _AGAIN) from err
    return Atlas([open_saved(place / name) for name in names], spaces)


def _card(place: Path) -> dict[str, Any]:
    try:
        card = json.loads((place / _CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        mend = f"Make one: samespace translate fit SOURCE TARGET --atlas {place}"
        raise TranslatorFileError(str(place), "there is no atlas here", mend) from None
    except ValueError as err:
        raise TranslatorFileError(str(place), f"{_CARD} is damaged ({err})", _AGAIN) from err
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        raise TranslatorFileError(str(place), f"{_CARD} describes no atlas", _AGAIN)
    if card["format"] > FORMAT:
        fact = f"the atlas has format {card['format']}, this samespace knows up to {FORMAT}"
        raise TranslatorFileError(str(place), fact, "Update it: pip install --upgrade samespace")
    return card


def _written(entry: Saved, place: Path) -> str:
    """Write a Translator unless it is there; returns the name of its folder."""
    if entry.mark and (place / entry.mark[:_MARK]).is_dir():
        return entry.mark[:_MARK]
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place))
    mark = save(entry.translator, draft, domain=entry.domain, second=entry.second)[:_MARK]
    if (place / mark).is_dir():
        shutil.rmtree(draft)
    else:
        draft.chmod(0o755)
        draft.rename(place / mark)
    return mark


def _ours(name: str) -> bool:
    return name.startswith(".draft-") or _is_mark(name)


def _is_mark(name: str) -> bool:
    return re.fullmatch(rf"[0-9a-f]{{{_MARK}}}", name) is not None
