"""samespace encode: the vectors of a file's passages, as JSON lines.

Imports click; the reader and the model when the command runs.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.cli import index_option

if TYPE_CHECKING:
    from samespace.encode.protocol import Encoder
    from samespace.read.protocol import Passage

__all__ = ["encode"]


@click.command()
@click.argument("file")
@click.option("--model", metavar="NAME", help="Which model; the one of the index at --index if there is one.")
@click.option("--role", type=click.Choice(["document", "query"]), default="document", show_default=True)
@index_option
def encode(file: str, model: str | None, role: str, uri: str) -> None:
    """Print one JSON line a passage of FILE: where it stands, its space, its vector. "-" reads text from stdin."""
    from samespace.encode.load import DEFAULT_MODEL, load
    from samespace.index.lance import LanceIndex
    from samespace.serve.session import encoder_of

    if model is None and LanceIndex.exists(uri):
        encoder = encoder_of(LanceIndex.open(uri))
    else:
        encoder = load(model or DEFAULT_MODEL)
    for passage in _passages(file, encoder):
        row = encoder.encode([passage.item], role=role)  # type: ignore[arg-type]  # click.Choice
        click.echo(json.dumps(_object(file, passage, row), ensure_ascii=False))


def _object(file: str, passage: "Passage", row: Any) -> dict[str, Any]:
    from samespace.index.scan import encode_path

    return {
        "path": encode_path(file),
        "kind": passage.kind,
        "origin": passage.origin,
        "locator": passage.item.locator.to_dict(),
        "text": getattr(passage.item, "text", ""),
        "space": row.space.to_dict(),
        "vector": [round(float(x), 8) for x in row.data[0]],
    }


def _passages(file: str, encoder: "Encoder") -> "Iterator[Passage]":
    from samespace.errors import ReadError
    from samespace.items import Text
    from samespace.read.pool import ReaderPool
    from samespace.read.protocol import Failed, Options, Passage, Some

    if file == "-":
        yield Passage(Text(sys.stdin.read()), "text", "body")
        return
    path = Path(os.path.realpath(file))
    with ReaderPool(Options(wants=encoder.modalities), workers=1) as pool:
        for event in pool.read([path]):
            if isinstance(event, Failed):
                raise ReadError(event.failure, f"{path}: {event.reason}", event.mend)
            if isinstance(event, Some):
                yield from (p for p in event.passages if p.item.modality in encoder.modalities)
