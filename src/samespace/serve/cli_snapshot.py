"""samespace snapshot, samespace restore: an index as it was, kept under a name.

Imports click; the index when the command runs.
"""

import json

import click

from samespace.serve.cli import index_option
from samespace.serve.terminal import bold, count, printable

__all__ = ["restore", "snapshot"]

_WAIT = click.option("--wait", type=float, default=0.0, metavar="S", help="Seconds to wait for another writer.")


@click.command()
@click.argument("name", required=False)
@click.option("--remove", metavar="NAME", help="Remove a snapshot; what only it needs goes at the next clean-up.")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON: one object a snapshot.")
@_WAIT
@index_option
def snapshot(name: str | None, remove: str | None, as_json: bool, wait: float, uri: str) -> None:
    """Keep an index as it is now under NAME; without NAME list what is kept."""
    from samespace.index.versions import drop, save, saved

    if name and remove:
        raise click.UsageError("NAME makes a snapshot and --remove takes one away: give one of them.")
    if remove:
        drop(uri, remove, wait=wait)
    elif name:
        save(uri, name, wait=wait)
    if name or remove:
        return
    made = saved(uri)
    for one in made:
        facts = {"name": one.name, "created": one.created.isoformat(), "files": one.files}
        when = one.created.astimezone().isoformat(sep=" ", timespec="seconds")
        text = f"{bold(one.name)}  {when}, {count(one.files, 'file')}"
        click.echo(json.dumps(facts) if as_json else text)
    if not made:
        click.echo(f"no snapshot yet\nMake one: samespace snapshot NAME --index {printable(uri)}", err=True)


@click.command()
@click.argument("name")
@_WAIT
@index_option
def restore(name: str, wait: float, uri: str) -> None:
    """Bring an index back to the snapshot NAME, which stays. Files on your disk are not touched.

    The next `samespace index` follows the folders again: what changed since is read again.
    """
    from samespace.index.versions import restore

    restore(uri, name, wait=wait)
