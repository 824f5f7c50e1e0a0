"""samespace train: run a training plan, its settings as flags or from a TOML file.

Imports click; the plan when it runs.
"""

import errno
from collections.abc import Mapping
from pathlib import Path

import click

from samespace.errors import PlanError, SamespaceError

__all__ = ["train"]

_UNWRITABLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST,
    errno.EISDIR, errno.ENAMETOOLONG,
)  # fmt: skip


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="PLAN [--SETTING VALUE]... [--config FILE.toml]")
@click.pass_context
def train(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Run a training PLAN; the same command goes on where it was stopped. `samespace train PLAN -h`: its settings."""
    from samespace.train import plan

    names = [word for word in words if not word.startswith("-")][:1]
    if {"-h", "--help"} & set(words) or not words:
        click.echo(ctx.get_usage())
        click.echo(f"\n{train.help}\n")
        with_settings = plan.described(names[0]) if names else list(plan.PLANS.items())
        formatter = ctx.make_formatter()
        formatter.write_dl(with_settings)
        click.echo(formatter.getvalue(), nl=False)
        return
    config = plan.config(words[0], plan.settings(words[0], words[1:]))
    try:
        out: Path = plan.module(words[0]).run(config, _tell)
    except SamespaceError:
        raise
    except OSError as err:
        if err.errno not in _UNWRITABLE:
            raise
        mend = "Free some space, or name another folder: --out FOLDER; the same command goes on from the last state"
        raise PlanError(words[0], f"{err.filename or config.out}: {err.strerror}", mend) from err
    curves = out / "page.html"
    click.echo(f"{curves} shows the curves" if curves.is_file() else f"{out} is made")


def _tell(point: Mapping[str, float]) -> None:
    """One line a point."""
    rest = "  ".join(f"{k} {v:.4g}" for k, v in point.items() if k != "step" and not k.startswith("chance"))
    click.echo(f"step {point['step']:.0f}  {rest}")
