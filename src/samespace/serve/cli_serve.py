"""samespace serve: the page of an index, for a browser on this machine.

Imports click; the server when the command runs.
"""

import click

from samespace.serve.cli import index_option

__all__ = ["serve"]


@click.command()
@click.argument("place", metavar="[INDEX]", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=7700, show_default=True, help="0 = any that is free.")
@click.option("--token", help="What a visitor must know; made up if you give none.")
@click.option("--no-browser", is_flag=True, help="Don't open a browser.")
@click.option("--insecure", is_flag=True, help="Listen for other machines with a made-up token.")
@click.option("--name", "names", multiple=True, help="A further name by which this server may be called.")
@click.option("--model", help="The one that the index is on its way to (samespace migrate): ask by it already.")
@click.option("--hot", is_flag=True, help="For many visitors: a copy in RAM answers (about 95 % of the nearest).")
@index_option
def serve(
    place: str | None,
    uri: str,
    host: str,
    port: int,
    token: str | None,
    no_browser: bool,
    insecure: bool,
    names: tuple[str, ...],
    model: str | None,
    hot: bool,
) -> None:
    """Serve the page of an index until Ctrl-C. Only this machine can reach it unless you say otherwise."""
    from samespace.serve.http import run

    run(
        place or uri,
        host=host,
        port=port,
        token=token,
        open_browser=not no_browser,
        insecure=insecure,
        names=names,
        model=model,
        hot=hot,
    )
