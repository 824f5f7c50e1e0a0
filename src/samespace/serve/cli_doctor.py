"""samespace doctor: is a model used as it was trained, does an index find what it holds.

Imports click; the model or index when the command runs.
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from samespace.serve.cli import index_option
from samespace.serve.terminal import printable

if TYPE_CHECKING:
    from samespace.encode.check import Check

__all__ = ["doctor"]

_GOOD_RECALL = 0.95


@click.command()
@click.argument("subject", metavar="[MODEL|INDEX]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a check.")
@index_option
@click.pass_context
def doctor(ctx: click.Context, subject: str | None, uri: str, as_json: bool) -> None:
    """Examine a model (its name) or an index (its folder; the one of --index if nothing is named).

    Exit code 1 if a check fails.
    """
    from samespace.index.lance import LanceIndex

    place = subject or uri
    is_index = subject is None or LanceIndex.exists(place)
    checks = _of_index(place) if is_index else _of_model(place)
    for check in checks:
        click.echo(json.dumps(asdict(check), ensure_ascii=False) if as_json else printable(str(check), keep="\n"))
    if any(check.passed is False for check in checks):
        ctx.exit(1)


def _of_model(name: str) -> "tuple[Check, ...]":
    from samespace.encode.doctor import examine
    from samespace.encode.load import load

    return examine(load(name, check=False))


def _of_index(uri: str) -> "tuple[Check, ...]":
    """Does its model still give its Space; does searching find what an exact search finds."""
    from samespace.encode.check import Check
    from samespace.errors import SamespaceError
    from samespace.index.recall import recall_at_k
    from samespace.serve.session import encoder_of, open_index

    index = open_index(uri)
    try:
        encoder_of(index)
        model = Check("its model", True, None, None, f"{index.model} is here and gives this index's space")
    except SamespaceError as err:
        fact, _, mend = str(err).partition("\n")
        model = Check("its model", False, None, None, fact, mend)
    found = recall_at_k(index.snapshot())
    said = (
        f"of the true 10 nearest, over {found.queries} queries and {found.rows:,} rows; "
        f"{found.milliseconds:.2f} ms of CPU a query"
    )
    recall = Check(
        "recall@10", found.recall >= _GOOD_RECALL, found.recall, _GOOD_RECALL, said, "Index again to tidy up"
    )
    return model, recall
