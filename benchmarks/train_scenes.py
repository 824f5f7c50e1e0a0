"""Rendered scenes and commands that change them: a composed query (picture + words → picture) whose answer is known.

A scene has 2 or 3 of four shapes, each once, in 6 colours on a 3 x 3 grid, drawn with jitter of place, size and colour.
A command changes it: 24 say "make the circle green", 36 "move the star to the top left", 4 "remove the square". Beside
the answer stand near misses that only a reader of both picture and words tells from it.

Imports Pillow. Letters: n rows.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["COMMANDS", "MISSES", "Edit", "Row", "draw", "rows", "write"]

SHAPES = ("circle", "square", "triangle", "star")
COLOURS = {
    "red": (214, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 210),
    "yellow": (236, 200, 30), "purple": (140, 50, 170), "orange": (240, 130, 30),
}  # fmt: skip
CELLS = ("top left", "top middle", "top right", "middle left", "middle", "middle right", "bottom left",
         "bottom middle", "bottom right")  # fmt: skip
MISSES = ("unchanged", "another object", "wrong value", "another edit")
SIDE = 96  # pixels
_GRAIN = 3  # times finer while it is drawn, so that edges are smooth

Thing = tuple[str, int]
"""Colour, and cell 0 to 8."""
Scene = dict[str, Thing]
"""Shape → its Thing."""


@dataclass(frozen=True)
class Edit:
    """A command. `value` is a colour, a cell's name, or "" for removal."""

    verb: str
    shape: str
    value: str = ""

    def __str__(self) -> str:
        words = {
            "make": f"make the {self.shape} {self.value}",
            "move": f"move the {self.shape} to the {self.value}",
            "remove": f"remove the {self.shape}",
        }
        return words[self.verb]

    def fits(self, scene: Scene) -> bool:
        """Whether it changes the scene, and leaves something in it."""
        if self.shape not in scene:
            return False
        if self.verb == "make":
            return scene[self.shape][0] != self.value
        if self.verb == "move":
            return CELLS.index(self.value) not in {cell for _, cell in scene.values()}
        return len(scene) > 1

    def on(self, scene: Scene) -> Scene:
        """The scene it makes."""
        colour, cell = scene[self.shape]
        if self.verb == "remove":
            return {shape: thing for shape, thing in scene.items() if shape != self.shape}
        changed = (self.value, cell) if self.verb == "make" else (colour, CELLS.index(self.value))
        return {**scene, self.shape: changed}


COMMANDS = (
    *(Edit("make", shape, colour) for shape in SHAPES for colour in COLOURS),
    *(Edit("move", shape, cell) for shape in SHAPES for cell in CELLS),
    *(Edit("remove", shape) for shape in SHAPES),
)


@dataclass(frozen=True)
class Row:
    """A query and its five candidates, as PNG: the answer, then one near miss of each of MISSES."""

    picture: bytes
    words: str
    answer: bytes
    misses: tuple[bytes, bytes, bytes, bytes]


def rows(count: int, seed: int) -> list[Row]:
    """Draw n rows; all of them come from the seed. Training and test take other seeds."""
    rng = np.random.default_rng(seed)
    return [_row(rng) for _ in range(count)]


def write(made: list[Row], path: Path) -> None:
    """As rows of training data: anchor (picture and text), positive, negatives."""
    table = {
        "anchor": [{"text": row.words, "image": row.picture} for row in made],
        "positive": [row.answer for row in made],
        "negatives": [list(row.misses) for row in made],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


def draw(scene: Scene, rng: np.random.Generator) -> bytes:
    """A scene as PNG, SIDE x SIDE; no two drawings of one scene are alike."""
    from PIL import Image, ImageDraw

    ground = tuple(int(c) for c in rng.integers(225, 250) + rng.integers(-4, 5, 3))
    picture = Image.new("RGB", (SIDE * _GRAIN, SIDE * _GRAIN), ground)
    pen, step = ImageDraw.Draw(picture), SIDE * _GRAIN / 3
    for shape in sorted(scene):
        colour, cell = scene[shape]
        middle = (np.array([cell % 3, cell // 3]) + 0.5 + rng.uniform(-0.1, 0.1, 2)) * step
        radius = step * rng.uniform(0.28, 0.38)
        fill = tuple(int(c) for c in np.clip(np.array(COLOURS[colour]) + rng.integers(-14, 15, 3), 0, 255))
        _put(pen, shape, middle, radius, fill)
    stream = io.BytesIO()
    picture.resize((SIDE, SIDE), Image.Resampling.BOX).save(stream, "PNG")
    return stream.getvalue()


def _put(pen: Any, shape: str, middle: np.ndarray, radius: float, fill: tuple[int, ...]) -> None:
    (x, y), r = middle, radius
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif shape == "square":
        pen.rectangle((x - 0.85 * r, y - 0.85 * r, x + 0.85 * r, y + 0.85 * r), fill=fill)
    else:
        corners = 3 if shape == "triangle" else 10
        far = [r * (1 if corners == 3 or i % 2 == 0 else 0.42) for i in range(corners)]
        turn = [2 * np.pi * i / corners - np.pi / 2 for i in range(corners)]
        pen.polygon([(x + d * np.cos(t), y + d * np.sin(t)) for d, t in zip(far, turn, strict=True)], fill=fill)


def _row(rng: np.random.Generator) -> Row:
    scene = _scene(rng)
    fitting = [edit for edit in COMMANDS if edit.fits(scene)]
    verbs = [verb for verb in ("make", "move", "remove") if any(e.verb == verb for e in fitting)]
    verb = verbs[int(rng.choice(len(verbs), p=_chances(verbs)))]
    edit = _any([e for e in fitting if e.verb == verb], rng)
    others = [e for e in fitting if e != edit and e.on(scene) != edit.on(scene)]
    choices = (
        [e for e in others if (e.verb, e.value) == (edit.verb, edit.value)],
        [e for e in others if (e.verb, e.shape) == (edit.verb, edit.shape)],
        [e for e in others if e.verb != edit.verb],
    )
    misses = [_any(some or others, rng) for some in choices]
    made = [draw(each, rng) for each in (scene, edit.on(scene), scene, *(m.on(scene) for m in misses))]
    return Row(made[0], str(edit), made[1], (made[2], made[3], made[4], made[5]))


def _scene(rng: np.random.Generator) -> Scene:
    shapes = rng.permutation(SHAPES)[: rng.integers(2, 4)]
    cells, colours = rng.permutation(9), rng.choice(list(COLOURS), 3)
    return {str(shape): (str(colours[i]), int(cells[i])) for i, shape in enumerate(shapes)}


def _chances(verbs: list[str]) -> np.ndarray:
    """Of each kind of command: about as many as there are of it, removals twice."""
    weights = np.array([{"make": 3.0, "move": 4.0, "remove": 1.0}[verb] for verb in verbs])
    shares: np.ndarray = weights / weights.sum()
    return shares


def _any(edits: list[Edit], rng: np.random.Generator) -> Edit:
    return edits[int(rng.integers(len(edits)))]
