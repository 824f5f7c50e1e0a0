"""A real small task without real weights: pictures of one colour, and texts that name it; an encoder for each."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COLOURS = {
    f"{shade} {name}": tuple(int(c * light) for c in rgb)
    for name, rgb in {
        "red": (250, 20, 20), "green": (20, 230, 20), "blue": (30, 30, 250), "yellow": (240, 240, 20),
        "pink": (250, 120, 190), "brown": (140, 80, 30), "grey": (130, 130, 130), "violet": (150, 20, 220),
    }.items()
    for shade, light in {"bright": 1.0, "plain": 0.8, "dull": 0.6, "dark": 0.4, "deep": 0.25}.items()
}  # fmt: skip


def picture(rgb: tuple[int, int, int], rng: np.random.Generator) -> bytes:
    pixels = np.clip(np.array(rgb) + rng.normal(0, 12, (12, 12, 3)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def rows(path, per: int = 4, *, bad: bool = False):
    """Write them; the text tells the picture's number too, so that all texts differ."""
    rng = np.random.default_rng(0)
    made = [(f"{words} {i}", picture(rgb, rng)) for i in range(per) for words, rgb in COLOURS.items()]
    if bad:
        made[3:3] = [("broken", made[0][1][:50]), ("", made[1][1])]
    pq.write_table(pa.table({"anchor": [t for t, _ in made], "positive": [p for _, p in made]}), path)
    return path
