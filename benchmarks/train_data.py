"""What training is measured on: textbook photographs with their alt texts, emoji with their names; features of both.

Vectors are kept under benchmarks/out/train by Space and content, so that the second run encodes nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from samespace.encode import lite0
from samespace.encode.load import load
from samespace.items import Blob, Image, Text
from samespace.space import Vectors
from samespace.train.starter_rows import LETTERS, TEST_BOOKS
from samespace.train.vectors import encoded

__all__ = ["Pairs", "emoji", "photos", "table"]

OUT = Path(__file__).resolve().parent / "out" / "train"
_CACHE: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Texts and pictures that belong together, row by row; `test` rows were never trained on.

    Attributes:
        texts: by language.
        pictures: raw features of the trunk.
        test: (n) bool.
        groups: (n) which book or kind, for batches.
    """

    texts: dict[str, Vectors]
    pictures: Vectors
    test: np.ndarray
    groups: list[str]


def table(data: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a set."""
    return list(pq.read_table(data / name / "manifest.parquet").to_pylist())


def photos(data: Path) -> Pairs:
    """The photographs of 12 textbooks; three whole books are the test."""
    rows = [r for r in table(data, "openstax_figures") if r["kind"] == "photo"]
    texts = [Text(" ".join(r["alt"].split())[:LETTERS]) for r in rows]
    books = [str(r["label"]) for r in rows]
    test = np.array([any(name in book for name in TEST_BOOKS) for book in books])
    return Pairs({"en": _texts(texts)}, _pictures([Image(Blob(data=r["bytes"])) for r in rows]), test, books)


def emoji(data: Path) -> Pairs:
    """Emoji and their names in three languages; every fifth in the order of the set is the test."""
    rows = table(data, "emoji_names")
    names = [json.loads(r["names"]) if isinstance(r["names"], str) else r["names"] for r in rows]
    kept = [i for i, n in enumerate(names) if all(n.get(code) for code in ("en", "de", "fr"))]
    texts = {code: _texts([Text(names[i][code]) for i in kept]) for code in ("en", "de", "fr")}
    pictures = _pictures([Image(Blob(data=rows[i]["image"])) for i in kept])
    return Pairs(texts, pictures, np.arange(len(kept)) % 5 == 0, ["emoji"] * len(kept))


def _texts(items: list[Text]) -> Vectors:
    return encoded(_encoder("multilingual-e5-small"), items, "query", OUT)


def _pictures(items: list[Image]) -> Vectors:
    return encoded(_encoder("lite0:192"), items, "document", OUT)


def _encoder(name: str) -> Any:
    if name not in _CACHE:
        _CACHE[name] = lite0.load(name.removeprefix("lite0:")) if name.startswith("lite0:") else load(name)
    return _CACHE[name]
