"""A file as a query: by its words where it says something, else by what it shows."""

from dataclasses import dataclass, field

import pytest
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from samespace import Space
from samespace.encode.hashing import load
from samespace.index.compose import _taken
from samespace.items import Image, Text
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Options


@dataclass
class Both:
    """Takes texts and pictures."""

    space: Space = field(default_factory=lambda: load("32").space)
    modalities: frozenset[str] = frozenset({"text", "image"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("The lamp of the harbour is lit\nevery evening at the same hour", {Text}),
        ("EXIT", {Text, Image}),
        ("", {Image}),
    ],
)
def test_a_picture_is_asked_by_its_words_if_it_says_something(tmp_path, words, kinds):
    shown = Pillow.new("RGB", (700, 300), (250, 250, 240))
    ImageDraw.Draw(shown).multiline_text((40, 80), words, (10, 10, 10), ImageFont.load_default(size=40))
    shown.save(tmp_path / "a.png")
    with ReaderPool(Options(wants=frozenset({"text", "image"})), workers=1) as pool:
        assert {type(item) for item in _taken(tmp_path / "a.png", pool, Both())} == kinds
