"""The command line: which commands there are, and what becomes of errors.

Each command is in a file of its own that is imported when it is called: `samespace --help` stays light. Exit codes:
0 done, also with nothing found · 1 an error of ours, said in two lines: the fact, the mend · 2 wrong usage ·
128 + number of the signal that ended it (130 Ctrl-C) · 141 whoever read the output went away.

No logic of its own. Imports click.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from samespace.errors import SamespaceError

__all__ = ["main"]

_COMMANDS = {
    "index": ("cli_index", "Bring an index up to date with folders."),
    "search": ("cli_search", "Find by words and files, with plus and minus."),
    "serve": ("cli_serve", "Serve the page of an index to a browser."),
    "status": ("cli_status", "What an index holds, and what could not be read."),
    "snapshot": ("cli_snapshot", "Keep an index as it is now under a name; list and remove what is kept."),
    "migrate": ("cli_migrate", "Move an index to another model while it is searched, and back."),
    "restore": ("cli_snapshot", "Bring an index back to a snapshot."),
    "doctor": ("cli_doctor", "Does a model give right vectors? Does an index find everything?"),
    "models": ("cli_models", "Models: licence, size, what they take in, where their weights are."),
    "spaces": ("cli_spaces", "The spaces of indexes and of an atlas, and the ways between them."),
    "translate": ("cli_translate", "Carry vectors from one model's space to another's."),
    "encode": ("cli_encode", "Print the vectors of a file's passages."),
    "think": ("cli_think", "What a model's latent steps say about a query."),
    "train": ("cli_train", "Run a training plan: bind, fine-tune, distil, fuse, graft or merge models."),
    "audit": ("cli_audit", "What do vectors give away to somebody who holds nothing else?"),
}


class _Commands(click.Group):
    """Commands by name, imported when called; and the one place where errors become exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"samespace.serve.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from samespace.errors import did_you_mean

            hint = did_you_mean(args[0], _COMMANDS)
            ctx.fail(f"no command {args[0]!r}. {hint} See: samespace --help")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader that went away is noticed here and not at the very end
            return result
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(141)
        except KeyboardInterrupt:
            _complain("stopped", "What was committed stays; the same command goes on from there.")
            ctx.exit(130)
        except SamespaceError as err:
            _told(err)
            ctx.exit(1)
        except (OSError, ValueError) as err:
            if os.environ.get("SAMESPACE_DEBUG") or (isinstance(err, ValueError) and "\n" not in str(err)):
                raise  # a fault of ours: with the place where it happened
            _told(err)
            ctx.exit(1)


def _told(err: Exception) -> None:
    if os.environ.get("SAMESPACE_DEBUG"):
        raise err
    fact, _, mend = str(err).partition("\n")
    _complain(f"error: {fact or type(err).__name__}", mend)


def _complain(*lines: str) -> None:
    from samespace.serve.terminal import printable

    for line in lines:
        if line:
            click.echo(printable(line, keep="\n"), err=True)


@click.group("samespace", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="samespace", prog_name="samespace")
def main() -> None:
    """Find anything in your folders by meaning: words, pictures, pages, recordings, films.

    \b
    samespace index ~/Documents
    samespace search "the letter about the heating"
    samespace serve
    """  # noqa: D301 - click wants the character


def index_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--index DIR`, for every command."""
    return click.option(
        "--index",
        "uri",
        metavar="DIR",
        envvar="SAMESPACE_INDEX",
        default=".samespace",
        show_default="$SAMESPACE_INDEX, else ./.samespace",
        help="The folder of the index.",
    )(function)
