"""Vectors of items that stay the same through a training: made once, kept in a folder under what made them.

Imports numpy.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from samespace.durably import write_durably
from samespace.encode.protocol import Encoder, Role
from samespace.errors import DataError
from samespace.items import Item
from samespace.space import Vectors

__all__ = ["encoded", "kept"]

_BLOCK = 1024  # items between two saves, so that a run that is stopped goes on


def encoded(encoder: Encoder, items: Sequence[Item], role: Role, folder: Path) -> Vectors:
    """The items' vectors (n, d), from the folder where they were encoded before.

    A file holds a block of items; its name is the hash of the Space, the role and the items' content.
    Raises DataError: the encoder does not take them.
    """
    if unfit := {item.modality for item in items} - encoder.modalities:
        takes = ", ".join(sorted(encoder.modalities))
        fact = f"{encoder.space.name} takes {takes} only, and there is {', '.join(sorted(unfit))} for it"
        raise DataError(None, "", fact, "Name an encoder that takes it (samespace models), or give other rows")
    folder.mkdir(parents=True, exist_ok=True)
    made = encoder.space.empty()
    for start in range(0, len(items), _BLOCK):
        block = items[start : start + _BLOCK]
        words = "\n".join([encoder.space.to_json(), role, *(item.digest() for item in block)])
        path = folder / f"{hashlib.blake2b(words.encode(), digest_size=12).hexdigest()}.npy"
        made = made.concat(encoder.space.vectors(kept(path, partial(_rows, encoder, block, role))))
    return made


def _rows(encoder: Encoder, items: Sequence[Item], role: Role) -> np.ndarray:
    return encoder.encode(items, role=role).data


def kept(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of a .npy file, which is made first if it is not there, or not whole. Raises OSError: a full disk."""
    with suppress(OSError, ValueError, EOFError):
        found: np.ndarray = np.load(path, allow_pickle=False)
        return found
    rows, text = make(), io.BytesIO()
    np.save(text, rows, allow_pickle=False)  # into a file it would not say why it fails
    write_durably(path, text.getvalue())
    return rows
