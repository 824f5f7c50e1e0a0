"""samespace migrate: an index to another model, while it is searched, and back.

Imports click; the index and the model when the command runs.
"""

import json
import threading
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.cli import index_option
from samespace.serve.stopping import stoppable
from samespace.serve.terminal import Line, bold, count, duration, printable

if TYPE_CHECKING:
    from samespace.index.migrate_plan import Plan
    from samespace.index.migrate_run import Progress
    from samespace.index.migrate_switch import Standing

__all__ = ["migrate"]


@click.command()
@click.argument("place", metavar="[INDEX]", required=False)
@click.option("--to", "model", metavar="MODEL", help="The new model. A move that has begun remembers it.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would take, from a sample, and change nothing.")
@click.option("--sample", type=click.IntRange(20), metavar="N", help="Rows that the translation is learnt from: 1,000.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Embed at most so many rows now, beyond the sample.")
@click.option("--switch", "do_switch", is_flag=True, help="Make the new model the index's own, if enough is kept.")
@click.option(
    "--keep", type=click.FloatRange(0, 1), default=0.98, show_default=True,
    help="Share of the nearest that must be kept for --switch; what is not embedded then is translated and marked.",
)  # fmt: skip
@click.option("--rollback", "do_rollback", is_flag=True, help="After --switch: back to the old model. Before: give up.")
@click.option("--finish", "do_finish", is_flag=True, help="After --switch: remove the old vectors, and the way back.")
@click.option("--status", "only_status", is_flag=True, help="Say how it stands.")
@click.option("--wait", type=click.FloatRange(0), default=60.0, metavar="S", help="Wait for another writer: 60 s.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@index_option
@click.pass_context
def migrate(ctx: click.Context, /, place: str | None, uri: str, model: str | None, **flags: Any) -> None:
    """Move an index to another model while it is searched.

    A sample is embedded by the new model and a translation learnt from it; from then on `search --model MODEL` answers.
    The rest is embedded behind that, most searched first. Searches by the old model go on until --switch. Stop it
    whenever you like, also by force: the same command goes on from there.

    \b
    samespace migrate my.index --to multilingual-e5-small --plan
    samespace migrate my.index --to multilingual-e5-small
    samespace migrate my.index --switch
    samespace migrate my.index --finish
    """  # noqa: D301 - click wants the character
    asked = [name for name in ("only_plan", "only_status", "do_rollback", "do_finish") if flags[name]]
    if len(asked) > 1 or (asked and flags["do_switch"]) or (asked and asked != ["only_plan"] and model):
        raise click.UsageError("--plan, --status, --switch, --rollback, --finish: one of them; --to with --plan only.")
    where = (place or uri).rstrip("/")
    say = _Speaker(where, flags["as_json"])
    if flags["only_status"]:
        say.standing()
    elif flags["do_rollback"] or flags["do_finish"]:
        _decide(where, say, flags)
    elif flags["only_plan"]:
        _plan(where, say, model, flags)
    elif flags["do_switch"] and model is None:
        _switch(where, say, flags)
    else:
        with stoppable(flags["quiet"]) as (stop, received):
            _move(where, say, model, flags, stop)
        if received:
            ctx.exit(128 + received[0])


class _Speaker:
    """Says how an index stands, to people or programs."""

    def __init__(self, uri: str, as_json: bool) -> None:
        self.uri, self.as_json = uri, as_json

    def told(self, data: dict[str, Any], text: str) -> None:
        """One object, or its text."""
        click.echo(json.dumps({"index": self.uri, **data}, ensure_ascii=False) if self.as_json else text)

    def standing(self) -> None:
        """How the move stands."""
        from samespace.index.migrate_switch import standing
        from samespace.serve.session import open_index

        now = standing(self.uri)
        if now is None:
            opened = open_index(self.uri)
            text = f"{bold(printable(self.uri))} is at rest in the space of {printable(opened.model)}"
            self.told({"stage": "at rest", "model": opened.model}, text)
        else:
            self.told(now.to_dict(), _text(self.uri, now))


def _decide(uri: str, say: _Speaker, flags: dict[str, Any]) -> None:
    from samespace.index.migrate_switch import finish, rollback

    if flags["do_finish"]:
        finish(uri, wait=flags["wait"])
        say.told({"stage": "finished"}, "finished: the old vectors are removed")
        return
    how = rollback(uri, wait=flags["wait"])
    text = {
        "back": "the index is in its old space again; what was embedded by the new model stays for another --switch",
        "given up": "given up: what the new model had embedded is removed",
    }
    say.told({"stage": how}, text[how])


def _switch(uri: str, say: _Speaker, flags: dict[str, Any]) -> None:
    from samespace.index.migrate_switch import switch

    switch(uri, keep=flags["keep"], wait=flags["wait"])
    say.standing()


def _plan(uri: str, say: _Speaker, model: str | None, flags: dict[str, Any]) -> None:
    from samespace.index.migrate_plan import plan
    from samespace.serve.session import open_index, target_encoder

    opened = open_index(uri)
    _, encoder = target_encoder(uri, model)
    made = plan(opened, encoder, sample=flags["sample"] or 300)
    say.told(made.to_dict(), _plan_text(made))


def _move(uri: str, say: _Speaker, model: str | None, flags: dict[str, Any], stop: threading.Event) -> None:
    from samespace.index.migrate import SAMPLE, begin, move
    from samespace.index.migrate_plan import Plan, foreign, weight_of
    from samespace.index.migrate_switch import standing
    from samespace.serve.session import open_index, target_encoder

    line = Line(quiet=flags["quiet"])
    name, encoder = target_encoder(uri, model)
    show = lambda now: line.show(_progress(now))  # noqa: E731
    begin(uri, encoder, name, sample=flags["sample"] or SAMPLE, wait=flags["wait"], stop=stop, look=show)
    now = standing(uri)
    if now is not None and now.stage == "moving" and not stop.is_set():
        left = now.rows - now.embedded
        made = Plan(
            left, left * now.seconds, weight_of(now.rows, encoder.space), foreign(open_index(uri).snapshot(), encoder),
            now.measured,
        )  # fmt: skip
        line.say(_plan_text(made))
    if not stop.is_set():
        move(uri, encoder, limit=flags["limit"], wait=flags["wait"], stop=stop, look=show)
    line.clear()
    if flags["do_switch"] and not stop.is_set():
        _switch(uri, say, flags)
    else:
        say.standing()


def _progress(now: "Progress") -> str:
    """One line: '4,000/9,000 rows · 31.0/s · 2 min 40 s left · .93 kept if switched now'."""
    parts = [f"{now.embedded:,}/{count(now.rows, 'row')} embedded"]
    if now.rate:
        parts += [f"{now.rate:.1f}/s", f"{duration((now.rows - now.embedded) / now.rate)} left"]
    if now.kept is not None:
        parts.append(f"{now.kept:.2f} of the nearest kept if switched now")
    if now.failed:
        parts.append(f"{now.failed:,} without a source")
    return " · ".join(parts)


def _plan_text(made: "Plan") -> str:
    lines = [
        f"  to embed  {count(made.rows, 'row')}, about {duration(made.seconds)} at the pace of the sample",
        f"  disk      about {made.bytes / 1e6:,.1f} MB more, until it is finished",
        *(f"  {line}" for line in _quality(made.measured)),
    ]
    for modality, rows in made.foreign.items():
        lines.append(f"  kinds     {count(rows, 'row')} of kind {modality}: the new model does not take that in")
    return "\n".join(lines)


def _quality(measured: Any) -> list[str]:
    if "curve" not in measured:
        return ["meanwhile not measured: the sample is too small"]
    return [
        f"meanwhile translated rows alone keep {measured['curve'][0][1]:.2f} of the {measured['k']} nearest, "
        f"among {measured['pool']:,} held out",
        f"          the first {measured['depth']} by translation hold {measured['staged']:.2f} of the "
        f"{measured['of']} nearest; searches embed and rank the first 200",
    ]


def _text(uri: str, now: "Standing") -> str:
    share = now.embedded / now.rows if now.rows else 1.0
    kept = "not measured" if now.kept is None else f"{now.kept:.3f} of the nearest"
    lines = [
        bold(printable(uri)),
        f"  moving    from {printable(now.source)} to {printable(now.target)}: {now.stage}",
        f"  embedded  {now.embedded:,} of {count(now.rows, 'row')} ({share:.1%})",
        f"  kept      {kept}" + (" if switched now" if now.stage == "moving" else ""),
    ]
    if now.translated:
        lines.append(f"  marked    {count(now.translated, 'row')}, translated and not embedded")
    return "\n".join([*lines, f"  next      {_next(uri, now, share)}"])


def _next(uri: str, now: "Standing", share: float) -> str:
    command = f"samespace migrate {printable(uri)}"
    if now.stage == "switched":
        return f"{command} --finish, or back: --rollback"
    if share < 1:
        search = f"samespace search --index {printable(uri)} --model {printable(now.target)} WORDS"
        return f"{command}, until all is embedded; meanwhile: {search}"
    return f"{command} --switch"
