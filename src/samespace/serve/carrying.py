"""Applying a translation to a file of vectors or an index: looked at first, then batch by batch.

Imports numpy, and pyarrow where a table is read or written.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samespace.errors import SpaceMismatchError
from samespace.serve.outfile import require_folder
from samespace.serve.sides import FileSide, IndexSide, ModelName, checked, side_of
from samespace.serve.terminal import Line
from samespace.serve.translating import usable
from samespace.serve.vector_files import ROWS, Batch
from samespace.serve.vector_write import format_of, written
from samespace.space import Vectors
from samespace.translate.atlas import level
from samespace.translate.confidence import steadiness
from samespace.translate.files import Saved, open_saved

__all__ = ["carry"]

_LOOKED = 2000


def carry(folder: str, given: str, out: Path, flags: Mapping[str, Any], line: Line) -> dict[str, Any]:
    """Translate all rows of `given` into the file `out`.

    Returns:
        as plain data: "rows" written, "left_out", "space" they are in, "domain" (Look), "verdict", "translator" (mark).

    Raises:
        ValueError: `out` is there, nowhere, or of no known format, there are no rows, the translation has failed, or
            the rows are of another domain.
        SpaceMismatchError: the rows are of another Space than the translation is from.
    """
    saved = open_saved(folder)
    kind = format_of(out)
    require_folder(out)
    if out.exists() and not flags["overwrite"]:
        raise ValueError(f"{out} is there already\nName another file, or replace it: --overwrite")
    if flags["confidence"] and (saved.second is None or kind == ".npy"):
        fact = "npy has no room for it" if kind == ".npy" else "no second fit is kept with this translation"
        raise ValueError(f"no column {flags['confidence']!r} can be made: {fact}\nLeave --confidence away")
    side = _opened(given, saved, flags)
    look = _looked_at(side, saved, flags)
    rows, left = 0, 0
    with written(out, column=side.file.column if isinstance(side, FileSide) else None, mark=saved.mark) as writing:
        for batch in _batches(side):
            good = usable(batch.rows, side.space.metric) if flags["drop_bad"] else np.ones(len(batch.rows), bool)
            numbers = batch.start + np.flatnonzero(good)
            table = batch.table if batch.table is None or good.all() else batch.table.filter(_mask(good))
            vectors = checked(batch.rows[good], saved.translator.source, numbers)
            writing.write(saved.translator(vectors), table, _more(flags["confidence"], saved, vectors))
            rows, left = rows + len(vectors), left + int((~good).sum())
            line.show(f"{rows:,}/{len(side):,} vectors")
    return {
        "rows": rows, "left_out": left, "space": saved.translator.target.to_dict(), "domain": look,
        "verdict": level(saved.translator) or None, "translator": saved.mark,
    }  # fmt: skip


def _more(column: str | None, saved: Saved, vectors: Vectors) -> dict[str, np.ndarray]:
    """The column of confidence, if it is asked for."""
    if not column or saved.second is None:
        return {}
    return {column: steadiness(saved.translator, saved.second, vectors)}


def _opened(given: str, saved: Saved, flags: Mapping[str, Any]) -> FileSide | IndexSide:
    """The rows that are to be translated. Raises SpaceMismatchError where they are of another Space."""
    needed, name = saved.translator.source, flags["space"]
    said = needed.to_json() if name in (needed.name, str(needed)) else name
    side = side_of(given, space=said, metric=needed.metric, column=flags["column"])
    if isinstance(side, ModelName):
        raise ValueError(f"{given} is a model\nGive a file of vectors or an index: models embed, they hold no vectors")
    if side.space != needed:
        unknown = isinstance(side, FileSide) and not side.file.told
        mend = f"If its vectors are of that space, say so: --space {needed.name}" if unknown else None
        mend = mend or f"Fit one from there: samespace translate fit {given} TARGET --out DIR"
        raise SpaceMismatchError(str(side.space), str(needed), mend)
    if not len(side):
        raise ValueError(f"{given} holds no vectors\nGive a file with at least one row")
    return side


def _looked_at(side: FileSide | IndexSide, saved: Saved, flags: Mapping[str, Any]) -> dict[str, Any] | None:
    """Refuse what should not be translated by this, before anything is."""
    if level(saved.translator) == "failed" and not flags["force"]:
        raise ValueError("the verdict on this translation is: failed\nFit a better one; or --force, to apply it anyway")
    if saved.domain is None:
        return None
    numbers = np.unique(np.linspace(0, len(side) - 1, _LOOKED).astype(np.int64))
    data = side.file.take(numbers) if isinstance(side, FileSide) else side.vectors(numbers).data
    good = usable(data, side.space.metric)
    look = saved.domain.look(side.space.vectors(data[good]))
    if look.outside and not flags["force"]:
        raise ValueError(
            f"{side.name} is {look.why}\n"
            "Fit on pairs of its own, some hundreds are enough: samespace translate fit; or --force, to apply it anyway"
        )
    return look.to_dict()


def _batches(side: FileSide | IndexSide) -> Iterator[Batch]:
    if isinstance(side, FileSide):
        yield from side.file.batches()
        return
    import pyarrow as pa

    ids = side.ids()
    for start in range(0, len(side), ROWS):
        rows = np.arange(start, min(start + ROWS, len(side)))
        data = side.vectors(rows).data
        keys = pa.table({"digest": pa.array((ids or ())[start : start + ROWS]), "vector": pa.nulls(len(rows))})
        yield Batch(start, data, keys)


def _mask(good: np.ndarray) -> Any:
    import pyarrow as pa

    return pa.array(good)
