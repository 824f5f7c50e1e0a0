"""samespace search: words and files, plus and minus, to a list of places.

The grammar of a query is index/query_text.py. Imports click; the index and the model when the command runs.
"""

import json
import os
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.cli import index_option
from samespace.serve.terminal import bold, count, dim, printable

if TYPE_CHECKING:
    from samespace.encode.protocol import Encoder
    from samespace.index.protocol import Hit, Hits
    from samespace.index.query import Query
    from samespace.read.pool import ReaderPool

__all__ = ["search"]

_MARK = "\x00"  # no argument from a shell can have it
_NUMBER = re.compile(r"-k-?\d+")
_LONG = re.compile(r"--[a-z]")  # `--jsno` is a misspelt option and click says so; `-people` is a part


class _Search(click.Command):
    """A command whose parts may start with a minus: only what is an option, letter by letter, is one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        params = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        known = {name for param in params for name in param.opts}
        valued = {name for param in params if not param.is_flag for name in param.opts}
        rest: list[str] = []
        value = False  # of the option before
        for position, arg in enumerate(args):
            if arg == "--":
                rest += args[position:]
                break
            option = value or arg.partition("=")[0] in known or bool(_NUMBER.fullmatch(arg))
            rest.append(arg if option or not arg.startswith("-") or _LONG.match(arg) else _MARK + arg)
            value = not value and arg in valued
        return super().parse_args(ctx, rest)


@click.command(cls=_Search)
@click.argument("parts", metavar="PART…", nargs=-1, required=True)
@click.option("--where", metavar="CONDITION", help="A condition: 'kind = image and date >= 2024'.")
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many files at most.")
@click.option("--model", metavar="NAME", help="By the model that the index is moving to (samespace migrate).")
@click.option(
    "--depth", type=click.IntRange(0), metavar="N", help="While it moves: rows to embed for this search, 200."
)
@click.option("--no-hybrid", is_flag=True, help="By meaning only, without full-text search.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a hit.")
@click.option("--paths0", is_flag=True, help="The raw paths only, each ended by a NUL byte: for xargs -0.")
@index_option
def search(
    parts: tuple[str, ...],
    uri: str,
    where: str | None,
    k: int,
    model: str | None,
    depth: int | None,
    no_hybrid: bool,
    as_json: bool,
    paths0: bool,
) -> None:
    """Find by words and files of any kind, with plus, minus and weights.

    \b
    samespace search red bag                          words
    samespace search "red bag" + photo.jpg            words and a picture
    samespace search holiday.jpg - people 2:"at night"
    samespace search invoice --where "kind = page and date >= 2024-01" -k 5

    A thing that is the name of a file here is that file; text:NAME is the words. With nothing that is nearer than
    chance it says "no confident match" and lists what came nearest; the exit code is 0.
    """  # noqa: D301 - click wants the character
    from samespace.serve.session import searched, without_pandas

    with without_pandas():
        from samespace.index.migrate_order import note
        from samespace.index.query import parse
        from samespace.index.search import Searcher

    query = parse([part.removeprefix(_MARK) for part in parts])
    collection, encoder = searched(uri, model, depth)
    with _reader(query, encoder) as pool:
        hits = Searcher(collection, encoder, pool).search(query, k=k, where=where, hybrid=not no_hybrid)
    note(uri, (hit.id for hit in hits))
    if paths0:
        _raw_paths(hits)
    else:
        for rank, hit in enumerate(hits, 1):
            click.echo(json.dumps(_object(hit), ensure_ascii=False) if as_json else _text(rank, hit))
    sys.stdout.flush()
    _remarks((*query.explain(), *hits.notes), hits)


def _reader(query: "Query", encoder: "Encoder") -> "AbstractContextManager[ReaderPool | None]":
    """What reads the files of a query; nothing if it has none, and nothing is imported for it."""
    from samespace.index.query import File

    if not any(isinstance(part.source, File) for part in query.parts()):
        return nullcontext()
    from samespace.read.pool import ReaderPool
    from samespace.read.protocol import Options

    return ReaderPool(Options(wants=encoder.modalities), workers=1)


def _raw_paths(hits: "Hits") -> None:
    """Paths as the file system has them."""
    from samespace.index.scan import decode_path

    for path in dict.fromkeys(hit.path for hit in hits):
        sys.stdout.buffer.write(os.fsencode(decode_path(path)) + b"\0")


def _object(hit: "Hit") -> dict[str, Any]:
    """A hit as plain data."""
    made = {
        "path": hit.path,
        "kind": hit.kind,
        "locator": hit.locator.to_dict(),
        "place": str(hit.locator),
        "score": round(float(hit.score), 6),
        "percentile": round(float(hit.percentile), 6),
        "confident": bool(hit.confident),
        "match": hit.match,
        "snippet": hit.snippet,
        "origin": hit.origin,
        "title": hit.title,
        "mime": hit.mime,
        "by": list(hit.by),
        "id": hit.id,
        "duplicates": list(hit.duplicates),
    }
    return made | ({"others": [_object(other) for other in hit.others]} if hit.others else {})


def _text(rank: int, hit: "Hit") -> str:
    """A hit for people: rank, strength, name and place; the words; the folder."""
    path = Path(hit.path)
    place = "  ".join(part for part in (str(hit.locator), _places(hit)) if part)
    lines = [f"{rank:>2}. {hit.match:<6}  {bold(printable(path.name))}  {hit.kind}  {place}".rstrip()]
    if hit.snippet:
        lines.append(f"      {printable(' '.join(hit.snippet.split()))}")
    lines.append(dim(f"      {printable(str(path.parent))}/"))
    if hit.duplicates:
        lines.append(dim(f"      and {count(len(hit.duplicates), 'copy', 'copies')}: {printable(hit.duplicates[0])}"))
    return "\n".join(lines)


def _places(hit: "Hit") -> str:
    """Further places in the same file."""
    more = dict.fromkeys(str(other.locator) for other in hit.others)
    more.pop(str(hit.locator), None)
    shown = [place for place in more if place][:4]
    return f"({', '.join(shown)})" if shown else ""


def _remarks(notes: tuple[str, ...], hits: "Hits") -> None:
    """What a person should know about the answer, on stderr."""
    for note in notes:
        click.echo(dim(printable(note)), err=True)
    if not len(hits):
        click.echo("nothing found", err=True)
    elif not hits.confident and "no confident match" not in notes:
        click.echo("no confident match", err=True)
