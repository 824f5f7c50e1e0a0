"""samespace spaces: where vectors live, and the translations from one space to another, as a list or a drawing.

Imports click; indexes and the atlas when the command runs.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samespace.serve.cli import index_option
from samespace.serve.terminal import bold, count, dim, printable

if TYPE_CHECKING:
    from samespace.space import Space
    from samespace.translate.atlas import Atlas
    from samespace.translate.protocol import Translator

__all__ = ["spaces"]


@click.command()
@click.argument("places", metavar="[INDEX…]", nargs=-1)
@click.option(
    "--atlas", type=click.Path(path_type=Path), metavar="DIR", help="Show the translations of this atlas, too."
)
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw it all as an SVG.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an index and a translation.")
@index_option
def spaces(places: tuple[str, ...], uri: str, atlas: Path | None, svg: Path | None, as_json: bool) -> None:
    """Show the space of each index, and the ways between spaces.

    Vectors of two indexes compare only if their fingerprints are equal, or where a translation leads from one to the
    other.
    """
    from samespace.index.lance import LanceIndex
    from samespace.serve.outfile import require_folder
    from samespace.serve.session import open_index
    from samespace.translate.atlas import Atlas
    from samespace.translate.atlas_files import open_atlas

    require_folder(svg)
    known = open_atlas(atlas) if atlas else Atlas()
    wanted = places or ((uri,) if not atlas or LanceIndex.exists(uri) else ())
    opened = [(place, open_index(place)) for place in wanted]
    known = Atlas(known.entries, [*known.spaces, *(index.space for _, index in opened)])
    for place, index in opened:
        if as_json:
            made = {"index": place, "model": index.model, "vectors": len(index), "space": index.space.to_dict()}
            click.echo(json.dumps(made, ensure_ascii=False))
        else:
            click.echo(f"{bold(printable(place))}  {len(index):,} vectors by {printable(index.model)}")
            click.echo("\n".join(_chain(index.space)))
    if as_json:
        for translator in known.translators:
            click.echo(json.dumps(_object(translator), ensure_ascii=False))
    elif atlas:
        click.echo("\n".join(_tree(known)))
    if svg is not None:
        from samespace.serve.atlas_drawing import drawing

        held = {index.space: f"{count(len(index), 'vector')} in {Path(place).name or place}" for place, index in opened}
        svg.write_text(drawing(known, held), "utf-8")


def _chain(space: "Space | None") -> list[str]:
    """A space and those it was derived from."""
    lines: list[str] = []
    while space is not None:
        lead = "  from " if lines else "  "
        lines.append(f"{lead}{space.name}  {space.dim} wide, {space.metric}, fingerprint {space.fingerprint or 'none'}")
        space = space.parent
    return lines


def _object(translator: "Translator") -> dict[str, object]:
    from samespace.translate.atlas import level

    return {
        "source": translator.source.to_dict(),
        "target": translator.target.to_dict(),
        "fidelity": translator.fidelity,
        "verdict": level(translator) or None,
    }


def _tree(atlas: "Atlas") -> list[str]:
    """Each space, and below it the ways that lead out of it."""
    lines = []
    for space in atlas.spaces:
        lines.append(f"{bold(printable(str(space)))}  {space.dim} wide, {space.metric}")
        out = [t for t in atlas.translators if t.source == space]
        for i, translator in enumerate(out):
            lead = "└─" if i + 1 == len(out) else "├─"
            lines.append(f"  {lead} {printable(str(translator.target))}  {dim(_kept(translator))}")
    return lines or ["no space yet"]


def _kept(translator: "Translator") -> str:
    from samespace.serve.atlas_drawing import label

    return label(translator)
