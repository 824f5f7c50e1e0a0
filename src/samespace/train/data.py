"""Training data: rows of anchor, positive, negatives and instruction, each side any Item.

A row comes from parquet or from a dataset of the `datasets` library:

    column        what it holds
    anchor        an Item, as below; needed
    positive      an Item that belongs to it; needed
    negatives     a list of Items that do not; or negative, negative_1, negative_2, …
    instruction   what the anchor asks for, as text

    value                                              Item
    text                                               Text
    bytes, or {"bytes": …, "path": …}                  Image, Audio or Video by its first bytes
    {"text": …}, {"image": …}, {"audio": …}, {"video": …}   that one; several of them: Mixed, in that order

Knows nothing of models. Imports pyarrow where a file is read.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from samespace.errors import DataError, MissingExtraError
from samespace.items import Audio, Blob, Document, Image, Item, Mixed, Text, Video
from samespace.read import magic
from samespace.train.check import repeats, unusable
from samespace.train.example import Example, Problem

__all__ = ["left_out", "load", "peek", "rows"]

_LOG = logging.getLogger(__name__)
_TOLD, _LISTED = 3, 100  # of what is wrong with rows: in the log, and in the facts of a result

_KINDS: dict[str, type[Image] | type[Audio] | type[Video]] = {"image": Image, "audio": Audio, "video": Video}


def load(source: Path | str | Any, *, skip: bool = False) -> tuple[list[Example], list[Problem]]:
    """Read and check a dataset.

    Args:
        source: a parquet file, a folder of them, a Dataset, or any iterable of mappings.
        skip: leave rows out that cannot be trained on; False = the first such row is an error.

    Returns:
        the Examples in order, and all that was found, rows left out and repeats. What is left out is told in the log.

    Raises:
        DataError: a row that cannot be trained on (not with `skip`), no row that can, or a column that is missing.
    """
    examples, found = [], []
    for number, row in enumerate(rows(source)):
        try:
            made = _example(row, number)
        except DataError as err:
            found.append(Problem(number, err.column or "row", "form", err.reason, err.mend))
            continue
        own = list(unusable(made))
        found += own
        if not own:
            examples.append(made)
    if found and not (skip and examples):
        rest = f" ({len(found) - 1} more like it)" if len(found) > 1 else ""
        raise DataError(found[0].row, found[0].column, found[0].reason + rest, found[0].mend)
    if found:
        told = "; ".join(str(problem) for problem in found[:_TOLD]) + ("; …" if len(found) > _TOLD else "")
        out = len({problem.row for problem in found})
        _LOG.warning("%d of %d rows are left out: %s", out, out + len(examples), told)
    if not examples:
        raise DataError(
            None,
            "",
            f"no row of {source if isinstance(source, str | Path) else 'the dataset'} can be used",
            "Give rows with the columns anchor and positive (docs/train.md)",
        )
    return examples, found + list(repeats(examples))


def left_out(found: Iterable[Problem]) -> list[str]:
    """What a result says of the rows that it could not be trained on, at most 100 of them; repeats are trained on."""
    return [str(problem) for problem in found if problem.kind != "repeat"][:_LISTED]


def peek(source: Path) -> None:
    """See that a file is there and has the columns, before hours are spent on others. Raises DataError."""
    first = next(rows(source), None)
    if first is None:
        raise DataError(None, "", f"{source} holds no row", "Give rows with the columns anchor and positive")
    _columns(first, 0)


def rows(source: Path | str | Any) -> Iterator[Mapping[str, Any]]:
    """The raw rows of a source, one at a time. Raises DataError if there is no such file."""
    if isinstance(source, str | Path):
        yield from _parquet(Path(source))
        return
    features = getattr(source, "features", None)
    for name, feature in (features or {}).items():
        if type(feature).__name__ in ("Image", "Audio", "Video") and getattr(feature, "decode", False):
            source = source.cast_column(name, type(feature)(decode=False))
    yield from source


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as err:
        raise MissingExtraError("reading parquet", "pyarrow", "index") from err

    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise DataError(
            None, "", f"{path} is no parquet file and holds none", "Name a .parquet file or a folder of them"
        )
    for file in files:
        try:
            for batch in pq.ParquetFile(file).iter_batches(256):
                yield from batch.to_pylist()
        except (pa.ArrowInvalid, OSError) as err:
            raise DataError(None, "", f"{file} cannot be read as parquet ({err})", "Write it again") from err


def _columns(row: Mapping[str, Any], number: int) -> None:
    for name in ("anchor", "positive"):
        if name not in row:
            have = ", ".join(sorted(map(str, row)))
            raise DataError(
                number,
                name,
                f"the column is missing; there are: {have}",
                'Rename yours: dataset.rename_columns({"caption": "anchor", "picture": "positive"})',
            )


def _example(row: Mapping[str, Any], number: int) -> Example:
    _columns(row, number)
    instruction = row.get("instruction") or ""
    if not isinstance(instruction, str):
        raise DataError(number, "instruction", f"it is {type(instruction).__name__}, not text", "Give text or nothing")
    negatives = [_item(value, number, name) for name, value in _negatives(row, number)]
    anchor, positive = (_item(row[name], number, name) for name in ("anchor", "positive"))
    return Example(anchor, positive, tuple(negatives), instruction, number)


def _negatives(row: Mapping[str, Any], number: int) -> Iterator[tuple[str, Any]]:
    listed = row.get("negatives")
    if isinstance(listed, str | bytes | Mapping) or not isinstance(listed, Iterable | None):
        mend = "Give a list, or call the column negative if it holds one"
        raise DataError(number, "negatives", f"it is {type(listed).__name__}, not a list", mend)
    yield from (("negatives", value) for value in (listed if listed is not None else ()))
    yield from ((n, v) for n, v in row.items() if (n == "negative" or n.startswith("negative_")) and v is not None)


def _item(value: Any, number: int, column: str) -> Item:
    """A cell as an Item. Raises DataError naming what it is and what it could be."""
    if isinstance(value, Text | Image | Audio | Video | Document | Mixed):
        return value
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, bytes | bytearray):
        return _media(Blob(data=bytes(value)), number, column)
    if isinstance(value, Mapping):
        if "bytes" in value or "path" in value:
            return _media(_blob(value, number, column), number, column)
        named = [(k, value[k]) for k in ("text", *_KINDS) if value.get(k) is not None]
        parts = [Text(str(v)) if k == "text" else _KINDS[k](_blob(v, number, column)) for k, v in named]
        if parts:
            return parts[0] if len(parts) == 1 else Mixed(tuple(parts))
    what = "nothing" if value is None else type(value).__name__
    raise DataError(number, column, f"it holds {what}", 'Give text, bytes, or {"text": …, "image": …, "audio": …}')


def _blob(value: Any, number: int, column: str) -> Blob:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes | bytearray):
        return Blob(data=bytes(value))
    if isinstance(value, str | Path):
        return Blob(path=Path(value))
    raise DataError(number, column, f"its bytes are {type(value).__name__}", "Give bytes, or the path of a file")


def _media(blob: Blob, number: int, column: str) -> Item:
    """Picture, sound or film by its first bytes."""
    try:
        head = blob.read()[:4096] if blob.path is None else _head(blob.path)
    except OSError as err:
        raise DataError(
            number, column, f"its file cannot be read ({err})", "Mend the path, or put the bytes in"
        ) from err
    kind = (magic.match(head, blob.path.suffix if blob.path else "") or "").partition("/")[0]
    if kind not in _KINDS:
        raise DataError(
            number,
            column,
            f"its {len(head)} first bytes are of no picture, recording or film",
            'Say what it is: {"image": bytes}, {"audio": bytes}, {"video": bytes}',
        )
    return _KINDS[kind](blob)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4096)
