"""A composed task without real weights: four squares of colour, and commands that change one; an encoder of them."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image as Picture

from samespace import registry
from samespace.encode import hashing, picture
from samespace.items import Blob, Image

COLOURS = {"red": (230, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 230), "white": (240, 240, 240)}
CELLS = ("north west", "north east", "south west", "south east")


class Cells:
    """Pictures → red, green, blue and 1 in each of four cells: four tokens, 4 wide."""

    recipe = None
    modalities = frozenset({"image"})
    space = hashing.load("16").recipe.with_(dim=16).space("test/cells@1", "1")

    def encode(self, items, *, role="document"):
        made = []
        for position, item in enumerate(items):
            if not isinstance(item, Image):
                raise TypeError(f"item {position} is {item.modality}, but this takes image only")
            small = picture.decode(item.blob).resize((2, 2), Picture.Resampling.BOX)
            made.append(np.concatenate([np.asarray(small, float).reshape(4, 3) / 255, np.ones((4, 1))], axis=1).ravel())
        return self.space.vectors(np.array(made).reshape(-1, 16))


def given(monkeypatch) -> None:
    """`mosaic:` leads to the tower, as an entry point of a plugin would."""
    known = registry.load
    monkeypatch.setattr(
        registry, "load", lambda group, name: (lambda rest, **s: Cells()) if name == "mosaic" else known(group, name)
    )


def draw(names: list[str], rng: np.random.Generator) -> bytes:
    pixels = np.array([COLOURS[name] for name in names], float).reshape(2, 2, 3).repeat(4, axis=0).repeat(4, axis=1)
    stream = io.BytesIO()
    Picture.fromarray(np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def edits(path, count: int = 120, *, bad: bool = False):
    """Anchor = picture and command, negatives = unchanged, another cell, another colour."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(count):
        names = [str(n) for n in rng.choice(list(COLOURS), 4)]
        cell = int(rng.integers(4))
        colour, wrong = (str(c) for c in rng.permutation([c for c in COLOURS if c != names[cell]])[:2])
        other = (cell + int(rng.integers(1, 4))) % 4
        tell = {"text": f"make {CELLS[cell]} {colour}", "image": draw(names, rng)}
        misses = [names, _with(names, other, colour), _with(names, cell, wrong)]
        rows.append((tell, draw(_with(names, cell, colour), rng), [draw(some, rng) for some in misses]))
    if bad:
        rows[3:3] = [
            (rows[0][0], rows[0][1][:40], []),
            ({"text": "make it red", "image": b"no picture"}, rows[1][1], []),
        ]
    columns = ("anchor", "positive", "negatives")
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(columns)}), path)
    return path


def names(path, count: int = 60):
    """Anchor = what a picture shows, in words; positive = the picture."""
    rng, rows = np.random.default_rng(1), []
    for number in range(count):
        shown = [str(n) for n in rng.choice(list(COLOURS), 4)]
        rows.append((f"{' '.join(shown)} {number}", draw(shown, rng)))
    pq.write_table(pa.table({"anchor": [t for t, _ in rows], "positive": [p for _, p in rows]}), path)
    return path


def image(names: list[str], seed: int = 0) -> Image:
    return Image(Blob(data=draw(names, np.random.default_rng(seed))))


def _with(names: list[str], cell: int, colour: str) -> list[str]:
    return [colour if i == cell else name for i, name in enumerate(names)]
