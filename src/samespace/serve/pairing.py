"""Which rows of two sides belong together: by number, by key, by text, or as a file says.

Imports numpy, and pyarrow where a table is read. Letters: n rows.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from samespace.serve.sides import ModelSide, Side

__all__ = ["WAYS", "paired"]

WAYS = ("rows", "ids", "texts")
_FEWEST = 2


def paired(source: Side, target: Side, how: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that are pairs, the same of both sides in the same order.

    Args:
        source: of the sides.
        target: of the sides.
        how: "rows" (number i with number i), "ids", "texts" (equal ones), or a file of two columns; None = what is
            certain: texts that a model embeds for it, equal ids, equal texts.

    Raises:
        ValueError: no pairs, or it is not clear which.
    """
    if how == "rows" or (how is None and _same_texts(source, target)):
        if len(source) != len(target):
            raise ValueError(
                f"{len(source):,} rows of {source.name} but {len(target):,} of {target.name}\n"
                "Row i of both must be one item; else give --pairs FILE, or --pairs ids"
            )
        return np.arange(len(source)), np.arange(len(source))
    if how in WAYS or how is None:
        for way in (how,) if how else ("ids", "texts"):
            found = _equal(source, target, way)
            if len(found[0]) >= _FEWEST:
                return found
        told = f"no equal {how}" if how else "no equal ids and no equal texts"
        raise ValueError(
            f"{told} in {source.name} and {target.name}, so no pairs are known\n"
            "Say --pairs rows if row i of both is one item, --pairs FILE, or --unpaired for a translation without pairs"
        )
    left, right = _columns(Path(how))
    return _places(source, left, how), _places(target, right, how)


def _same_texts(source: Side, target: Side) -> bool:
    """Whether a model embeds the very texts of the other side."""
    models = isinstance(source, ModelSide) or isinstance(target, ModelSide)
    return models and source.texts() is not None and source.texts() == target.texts()


def _equal(source: Side, target: Side, way: str) -> tuple[np.ndarray, np.ndarray]:
    sides = [side.ids() if way == "ids" else side.texts() for side in (source, target)]
    if sides[0] is None or sides[1] is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place = _first(sides[1])
    rows = [(i, place[key]) for key, i in _first(sides[0]).items() if key and key in place]
    made = np.array(rows, np.int64).reshape(-1, 2)
    return made[:, 0], made[:, 1]


def _first(keys: Sequence[str]) -> dict[str, int]:
    """Key → the first row that has it."""
    return {key: i for i, key in reversed(list(enumerate(keys)))}


def _places(side: Side, keys: Sequence[str], file: str) -> np.ndarray:
    """Row numbers of what a file names: ids, else texts, else numbers."""
    for known in (side.ids(), side.texts()):
        if known is not None:
            place = _first(known)
            if all(key in place for key in keys):
                return np.array([place[key] for key in keys], np.int64)
    if all(key.isdecimal() and int(key) < len(side) for key in keys):
        return np.array([int(key) for key in keys], np.int64)
    wrong = next((key for key in keys if not (key.isdecimal() and int(key) < len(side))), "")
    raise ValueError(
        f"{file}: {wrong[:60]!r} is no id, text or row number (below {len(side):,}) of {side.name}\n"
        "Give two columns, source and target, of ids, row numbers from 0, or texts"
    )


def _columns(path: Path) -> tuple[list[str], list[str]]:
    """The first two columns of a file, or `source` and `target` if they have names; one column is for both sides."""
    rows = _read(path)
    if rows and [name.lower() for name in rows[0][:2]] == ["source", "target"]:
        rows = rows[1:]
    if not rows or not all(rows):
        raise ValueError(f"{path} holds no pairs\nGive two columns, source and target, one pair a line")
    left = [row[0] for row in rows]
    right = [row[1] if len(row) > 1 else row[0] for row in rows]
    return left, right


def _read(path: Path) -> list[list[str]]:
    try:
        head = path.read_bytes()[:6]
        if head.startswith((b"PAR1", b"ARROW1")):
            import pyarrow.feather
            import pyarrow.parquet

            read = pyarrow.parquet.read_table if head.startswith(b"PAR1") else pyarrow.feather.read_table
            table = read(path)
            names = ["source", "target"] if {"source", "target"} <= set(table.schema.names) else table.schema.names[:2]
            return [[str(value) for value in row.values()] for row in table.select(names).to_pylist()]
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            objects = [json.loads(line) for line in text.splitlines() if line.strip()]
            return [[str(one["source"]), str(one["target"])] for one in objects]
        mark = "\t" if path.suffix.lower() == ".tsv" else ","
        return [row for row in csv.reader(text.splitlines(), delimiter=mark) if row]
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file\nGive --pairs FILE, or one of: {', '.join(WAYS)}") from None
    except (UnicodeDecodeError, KeyError, TypeError, csv.Error, json.JSONDecodeError) as err:
        raise ValueError(f"{path} holds no pairs ({err!r:.80})\nGive .csv, .tsv, .jsonl, .parquet or .arrow") from err
