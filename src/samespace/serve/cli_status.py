"""samespace status: what an index holds, and what could not be read.

Imports click; the index when the command runs.
"""

import json
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.cli import index_option
from samespace.serve.terminal import bold, count, printable

if TYPE_CHECKING:
    from samespace.index.protocol import FileRow, Status

__all__ = ["status"]


@click.command()
@click.argument("place", metavar="[INDEX]", required=False)
@click.option("--failed", is_flag=True, help="List the files that could not be read, why, and what to do.")
@click.option(
    "--notes", is_flag=True, help="List the files of which something was left out, or that only a name finds."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: one object, or one a file.")
@index_option
def status(place: str | None, uri: str, failed: bool, notes: bool, as_json: bool) -> None:
    """What an index holds: its model and space, files by state, items by kind, size on disk."""
    from samespace.serve.session import open_index

    opened = open_index(place or uri)
    if failed or notes:
        every = [row for _, row in sorted(opened.files().items())]
        rows = [row for row in every if (failed and row.failure) or (notes and row.notes)]
        for row in rows:
            click.echo(json.dumps(_failure(row), ensure_ascii=False) if as_json else _failure_text(row))
        if not rows:
            click.echo("no such file", err=True)
        return
    now = opened.status()
    click.echo(json.dumps(_object(now), ensure_ascii=False) if as_json else _text(now))


def _object(now: "Status") -> dict[str, Any]:
    made = {name: value for name, value in vars(now).items() if name not in ("space", "roots")}
    return made | {"space": now.space.to_dict(), "roots": list(now.roots)}


def _text(now: "Status") -> str:
    lines = [
        bold(printable(now.uri)),
        f"  model     {printable(now.model)}",
        f"  space     {now.space} ({now.space.dim} wide, {now.space.metric})",
        f"  files     {_tally(now.files)}",
        f"  items     {now.items:,}: {_tally(now.kinds)}",
        f"  vectors   {now.vectors:,}",
        f"  on disk   {_size(now)}, {count(now.fragments, 'fragment')}, {count(now.versions, 'version')}",
        *(f"  folder    {printable(root)}" for root in now.roots),
    ]
    if now.moving:
        how = f"to {printable(now.moving)}; how far: samespace migrate {printable(now.uri)} --status"
        lines.insert(3, f"  moving    {how}")
    if now.failures:
        lines.append(f"  failed    {_tally(now.failures)}; why: samespace status --failed --index {printable(now.uri)}")
    return "\n".join(lines)


def _size(now: "Status") -> str:
    """Bytes, and what of them is in use; less than a tenth of a megabyte of the rest is passed over."""
    parts = [f"{now.bytes / 1e6:,.1f} MB"]
    waste = now.bytes - now.live - now.kept
    if now.kept or waste >= 1e5:
        parts.append(f"{now.live / 1e6:,.1f} live")
    if now.kept:
        parts.append(f"{now.kept / 1e6:,.1f} for snapshots")
    if waste >= 1e5:
        parts.append(f"{waste / 1e6:,.1f} to be cleaned up")
    return parts[0] if len(parts) == 1 else f"{parts[0]} ({', '.join(parts[1:])})"


def _tally(counts: Any) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items()) or "none"


def _failure(row: "FileRow") -> dict[str, Any]:
    return {
        "path": row.path,
        "status": row.status,
        "failure": row.failure,
        "reason": row.reason,
        "mend": row.mend,
        "notes": list(row.notes),
    }


def _failure_text(row: "FileRow") -> str:
    lines = [bold(printable(row.path))]
    if row.failure:
        lines += [f"  {row.failure}: {printable(row.reason)}", f"  {printable(row.mend)}"]
    return "\n".join([*lines, *(f"  note: {printable(note)}" for note in row.notes)])
