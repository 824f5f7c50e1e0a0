"""samespace audit: what do these vectors give away to somebody who holds nothing else?

Imports click; the sides, a model and the audit when the command runs.
"""

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.terminal import Line, bold, count, printable

if TYPE_CHECKING:
    from samespace.probe.audit import Audit

__all__ = ["audit"]

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_HEAD = ("", "own text first", "in first ten", "mean rank", "own text like it", "label right")


@click.command()
@click.argument("source", metavar="INDEX|VECTORS")
@click.option("--own", required=True, metavar="MODEL", help="The attacker's model: not the one of the index.")
@click.option("--texts", required=True, type=_FILE, metavar="FILE", help="The attacker's texts, one a line.")
@click.option("--items", type=_FILE, metavar="FILE", help="Texts of the rows, one a line, where VECTORS has none.")
@click.option("--labels", type=_FILE, metavar="FILE", help="Descriptions of labels, one a line: is the label told?")
@click.option("--pairs", type=click.IntRange(0), multiple=True, default=(0, 100), show_default=True,
              help="Pairs that leaked; 0 = none. Can be given again.")  # fmt: skip
@click.option("--defence", metavar="KIND:STRENGTH", help="Behind it: noise:0.5, bits:1, cut:96, rotation.")
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="Of the attack without pairs.")
@click.option("--rows", type=click.IntRange(2), default=8000, show_default=True, help="Of a side at most.")
@click.option("--space", metavar="NAME", help="Space of VECTORS, where the file does not say so.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw it, too.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress.")
def audit(source: str, own: str, texts: Path, **flags: Any) -> None:
    """What do the vectors of an index, or of a file, give away to somebody who holds nothing else?

    The attacker has a model and texts of their own. Without pairs, and with some that leaked, they carry the vectors
    into their model's space and read them there. You have the items, so all of it is scored, beside what chance finds
    and what the attacker's model finds in the items themselves. No vector and no text is shown.

    \b
    samespace audit my.index --own multilingual-e5-small --texts public.txt
    samespace audit vectors.parquet --own all-MiniLM-L6-v2 --texts public.txt --defence noise:1
    """  # noqa: D301 - click wants the character
    from samespace.probe.audit import audit as attacked
    from samespace.probe.audit_picture import svg
    from samespace.serve.auditing import behind, gather, possible, says
    from samespace.serve.outfile import require_folder

    require_folder(flags["svg"])
    line = Line(quiet=flags["quiet"] or flags["as_json"])
    gathered = gather(
        source, own, texts, items=flags["items"], labels=flags["labels"], space=flags["space"],
        rows=flags["rows"], seed=flags["seed"], tell=line.show,
    )  # fmt: skip
    case, kept = gathered.case, None
    possible(case, flags["pairs"])
    if flags["defence"]:
        case, kept = behind(case, flags["defence"], secrets.token_bytes(32))
    line.show("attacking")
    made = attacked(case, pairs=flags["pairs"], seed=flags["seed"], runs=flags["runs"])
    line.clear()
    left_out = {"wordless": gathered.wordless, "known_to_both": gathered.known}
    if flags["svg"]:
        flags["svg"].write_text(svg(made), "utf-8")
    if flags["as_json"]:
        facts = {"defence": flags["defence"], "neighbours_kept": kept, "left_out": left_out, "says": says(made)}
        click.echo(json.dumps({**made.to_dict(), **facts}, ensure_ascii=False))
        return
    _show(made, kept, left_out)
    click.echo("\n".join(says(made)))


def _show(made: "Audit", kept: float | None, left_out: dict[str, int]) -> None:
    facts = made.facts
    click.echo(bold(printable(f"{facts['held']}, read by {facts['own']}")))
    click.echo(f"{count(facts['rows'][0], 'row')} held, {count(facts['rows'][1], 'text')} of the attacker's")
    if any(left_out.values()):
        click.echo(
            "left out: {wordless:,} rows without a text, {known_to_both:,} texts that are held".format(**left_out)
        )
    if kept is not None:
        click.echo(f"behind the defence, {kept:.1%} of each row's ten nearest neighbours stay")
    click.echo(f"{_HEAD[0]:14}" + "".join(f"{name:>18}" for name in _HEAD[1:]))
    for name, one in made.found.items():
        label = "-" if one.attribute is None else f"{one.attribute:.1%}"
        cells = (f"{one.top1:.2%}", f"{one.top10:.2%}", f"{one.rank:,.1f}", f"{one.likeness:.3f}", label)
        click.echo(f"{name:14}" + "".join(f"{cell:>18}" for cell in cells))
    if facts.get("verdict"):
        click.echo(f"the attacker's own verdict, without pairs: {facts['verdict']['level']}")
