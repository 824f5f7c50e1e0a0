"""Vectors of items that stay the same through a training: made once, kept in a folder under what made them.

Imports numpy.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from samespace.encode.protocol import Encoder, Role
from samespace.items import Item
from samespace.space import Vectors

__all__ = ["encoded"]

_BLOCK = 1024  # items between two saves, so that a run that is stopped goes on


def encoded(encoder: Encoder, items: Sequence[Item], role: Role, folder: Path) -> Vectors:
    """The items' vectors (n, d), from the folder where they were encoded before.

    A file holds a block of items; its name is the hash of the Space, the role and the items' content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = encoder.space.empty()
    for start in range(0, len(items), _BLOCK):
        block = items[start : start + _BLOCK]
        words = "\n".join([encoder.space.to_json(), role, *(item.digest() for item in block)])
        path = folder / f"{hashlib.blake2b(words.encode(), digest_size=12).hexdigest()}.npy"
        if not path.is_file():
            part = path.with_suffix(".part")
            with part.open("wb") as stream:
                np.save(stream, encoder.encode(block, role=role).data, allow_pickle=False)
            part.replace(path)
        made = made.concat(encoder.space.vectors(np.load(path, allow_pickle=False)))
    return made
