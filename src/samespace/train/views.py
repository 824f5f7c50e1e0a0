"""Features of pictures as the frozen trunk sees them, whole and in parts: what heads are trained on.

View 0 is the whole picture, as in use; each further view is a part of it, of another shape, mirrored or not where that
changes nothing of what it shows. They are computed once and kept in a folder, by block, under what made them; so are
features of recordings.

Imports numpy; Pillow and torch where something is computed. Letters: n pictures.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from samespace.encode import lite0, lite0_sound, picture, sound
from samespace.encode.lite0_net import Net
from samespace.encode.looks import looks
from samespace.items import Audio
from samespace.train.starter_rows import Row
from samespace.train.vectors import kept

__all__ = ["heard", "seen"]

_BLOCK = 512  # items between two saves
_SMALLEST = 0.5  # share of a picture's area that a view keeps, at least
_SLANT = 0.2  # natural logarithm of how much wider or narrower than the picture


def seen(net: Net, rows: Sequence[Row], view: int, side: int, folder: Path, seed: int = 0) -> np.ndarray:
    """Looks (n, 2784) float32 of one view of pictures; what is drawn comes from seed, view and row."""

    def one(at: int) -> np.ndarray:
        pixels = _part(rows[at], np.random.default_rng([seed, view, at]), side) if view else _whole(rows[at], side)
        return np.asarray(looks(net, pixels[None])[0])

    return _kept(f"looks {lite0.FILE.sha256} {side} {view} {seed}", rows, one, folder)


def heard(net: Net, rows: Sequence[Row], folder: Path, order: bool = False) -> np.ndarray:
    """Features (n, 544) float32 of recordings, or (n, 5488) that keep their order in time (lite0_sound.py)."""
    look = lite0_sound.ordered if order else lite0_sound.row

    def one(at: int) -> np.ndarray:
        return look(net, sound.listen(Audio(rows[at].blob)))

    return _kept(f"sound {lite0.FILE.sha256} {'order' if order else '0 0'}", rows, one, folder)


def _whole(row: Row, side: int) -> np.ndarray:
    return lite0.pixels(row.blob, side)


def _part(row: Row, rng: np.random.Generator, side: int) -> np.ndarray:
    """A part of a picture, (3, side, side)."""
    from PIL.Image import Transpose

    whole = picture.decode(row.blob)
    share, slant = rng.uniform(_SMALLEST, 1), np.exp(rng.uniform(-_SLANT, _SLANT))
    wide, high = min(1.0, np.sqrt(share) * slant), min(1.0, np.sqrt(share) / slant)
    left, top = rng.uniform(0, 1 - wide) * whole.width, rng.uniform(0, 1 - high) * whole.height
    part = whole.crop((int(left), int(top), int(left + wide * whole.width), int(top + high * whole.height)))
    if row.kind == "photo" and rng.random() < 0.5:
        part = part.transpose(Transpose.FLIP_LEFT_RIGHT)
    return lite0.scaled(part, side)


def _halves(one: Callable[[int], np.ndarray], at: Sequence[int]) -> np.ndarray:
    return np.stack([one(i) for i in at]).astype(np.float16)


def _kept(words: str, rows: Sequence[Row], one: Callable[[int], np.ndarray], folder: Path) -> np.ndarray:
    """Rows of features, block by block, from the folder where they were computed before."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for start in range(0, len(rows), _BLOCK):
        at = range(start, min(start + _BLOCK, len(rows)))
        digest = hashlib.blake2b(words.encode(), digest_size=12)
        for i in at:
            digest.update(hashlib.blake2b(rows[i].blob.read(), digest_size=12).digest())
        path = folder / f"{digest.hexdigest()}.npy"
        made.append(kept(path, partial(_halves, one, at)).astype(np.float32))
    return np.concatenate(made)
