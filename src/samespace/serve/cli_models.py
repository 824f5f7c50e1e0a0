"""samespace models: what there is to encode with.

Imports click; the catalogue when the command runs.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.terminal import bold, printable

if TYPE_CHECKING:
    from samespace.encode.catalog import Entry

__all__ = ["models"]


@click.command()
@click.argument("names", metavar="[NAME…]", nargs=-1)
@click.option("--here", is_flag=True, help="Only those whose weights are on this machine.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
def models(names: tuple[str, ...], here: bool, as_json: bool) -> None:
    """List the models of the catalogue: licence, width, languages, kinds, size, where their weights are.

    checked: ran here with its real weights. shape-checked: its code and recipe ran with a tiny model of the same
    architecture. listed: facts only.
    """
    from samespace.encode import catalog

    for entry in [catalog.get(name) for name in names] or list(catalog.entries().values()):
        found = entry.found()
        if found or not here:
            made = _model(entry, found)
            click.echo(json.dumps(made, ensure_ascii=False) if as_json else _model_text(made))


def _model(entry: "Entry", found: Path | None) -> dict[str, Any]:
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "maker": entry.maker,
        "status": entry.status,
        "checked_with": entry.checked_with,
        "runs": bool(entry.scheme),
        "licence": entry.licence,
        "dim": entry.recipe.dim,
        "matryoshka": list(entry.recipe.matryoshka),
        "modalities": sorted(entry.recipe.modalities),
        "languages": entry.languages,
        "parameters": entry.parameters,
        "bytes": entry.bytes,
        "weights": str(found) if found else None,
        "get": None if found else entry.mend(),
        "limits": entry.limits,
    }


def _model_text(made: dict[str, Any]) -> str:
    size = f", {made['bytes'] / 1e6:,.0f} MB" if made["bytes"] else ""
    parts = [str(made["dim"]), " ".join(made["modalities"]), made["languages"], made["parameters"] + size]
    lines = [
        f"{bold(made['name'])}  {made['status']}" + ("" if made["runs"] else ", not runnable yet"),
        "  " + " · ".join(part for part in (*parts, made["licence"] or "licence: ask its maker") if part),
        f"  here: {made['weights']}" if made["weights"] else f"  not here. {made['get']}",
    ]
    lines += [f"  checked with {made['checked_with']}"] if made["checked_with"] else []
    lines += [f"  mind: {made['limits']}"] if made["limits"] else []
    return "\n".join(printable(line, keep="\n\x1b") for line in lines)
