"""samespace think: what a model's latent steps say about a query, step by step.

Imports click; the model, and an index if one is asked, when the command runs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samespace.serve.terminal import dim, printable

if TYPE_CHECKING:
    from samespace.encode.hf_trace import Step

__all__ = ["think"]


@click.command()
@click.argument("query")
@click.option("--model", metavar="NAME", default="SmolLM2-135M", show_default=True, help="A causal model, run by hf:.")
@click.option("--steps", type=click.IntRange(1), default=8, show_default=True, help="How many latent steps.")
@click.option("--index", "uri", metavar="DIR", help="Name the nearest items of this index, which is of that model.")
@click.option("--trace", "drawn", metavar="FILE", type=click.Path(dir_okay=False), help="Draw it: an HTML page.")
def think(query: str, model: str, steps: int, uri: str | None, drawn: str | None) -> None:
    """Think about QUERY and print, for each step, what the model would say next and how far it moved.

    A model that was not trained to think moves, too: whether the steps are of use is for an ablation to say.
    """
    from samespace.encode.hf_model import HfEncoder
    from samespace.encode.hf_trace import trace
    from samespace.encode.load import load
    from samespace.errors import RecipeError
    from samespace.items import Text

    encoder = load(model, accelerate=False)
    if not isinstance(encoder, HfEncoder):
        raise RecipeError(encoder.space.name, "it is not run by hf:", "Name a causal model: --model SmolLM2-135M")
    made = trace(encoder, Text(query), steps)
    near = [_near(uri, encoder, step) for step in made] if uri else []
    for i, step in enumerate(made):
        click.echo(_line(step) + (f"  {printable('; '.join(near[i]))}" if near else ""))
    if drawn:
        from samespace.serve.think_drawing import page

        Path(drawn).write_text(page(query, encoder.space.name, made, near), "utf-8")
        click.echo(dim(f"drawn: {printable(drawn)}"), err=True)


def _line(step: "Step") -> str:
    words = "  ".join(f"{printable(repr(word)[1:-1])} {share:.2f}" for word, share in step.words[:4])
    kl = "" if step.moved is None else f"  KL {step.moved:.4f}"
    return f"{step.number:>2}  turned {step.turned:.4f}{kl}  {words}"


def _near(uri: str, encoder: object, step: "Step") -> Sequence[str]:
    """Names of the three nearest items."""
    from samespace.encode.protocol import Encoder
    from samespace.index.query import Query
    from samespace.index.search import Searcher
    from samespace.serve.session import open_index

    assert isinstance(encoder, Encoder)
    hits = Searcher(open_index(uri), encoder).search(Query.vectors(step.vector), k=3, hybrid=False)
    return [Path(hit.path).name for hit in hits]
