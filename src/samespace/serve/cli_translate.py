"""samespace translate: fit a translation between two spaces, look at it, apply it to a file of vectors.

Imports click; the sides, the fits and a model when a command runs.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.terminal import Line, bold, count, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from samespace.serve.sides import ModelName, Side
    from samespace.translate.files import Saved

__all__ = ["translate"]

_METRIC = click.option("--metric", type=click.Choice(["cosine", "dot", "euclidean"]), default="cosine",
                       show_default=True, help="How vectors of a file compare whose space is only named.")  # fmt: skip
_COLUMN = click.option("--column", metavar="NAME", help="Column with the vectors, where it is not clear.")
_DROP = click.option("--drop-bad", is_flag=True, help="Leave out rows that are not finite or have no length.")
_QUIET = click.option("--quiet", is_flag=True, help="No progress.")


@click.group()
def translate() -> None:
    """Carry vectors from one model's space to another's, and say whether to trust it.

    \b
    samespace translate fit old.parquet multilingual-e5-small --out old-to-e5
    samespace translate report old-to-e5
    samespace translate apply old-to-e5 old.parquet new.parquet
    """  # noqa: D301 - click wants the character


@translate.command()
@click.argument("source")
@click.argument("target")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the translation is kept.")
@click.option(
    "--atlas", type=click.Path(path_type=Path), metavar="DIR", help="Keep it in this atlas (instead of --out, or too)."
)
@click.option("--pairs", metavar="FILE", help="Which rows are one item: rows, ids, texts, or a file of two columns.")
@click.option("--unpaired", is_flag=True, help="Without pairs; with --pairs: few pairs and the rest of the rows.")
@click.option("--method", default="auto", show_default=True, help="Of the fit on pairs.")
@click.option("--role", type=click.Choice(["document", "query"]), default="document", show_default=True,
              help="What is translated: rows of a collection, or queries to one of TARGET.")  # fmt: skip
@click.option("--texts", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help="What a model embeds: a text a line, or a column `text`. Else the other side's own.")  # fmt: skip
@click.option("--source-space", metavar="NAME", help="Space of the vectors of a SOURCE file that does not say so.")
@click.option("--target-space", metavar="NAME", help="The same for TARGET.")
@_METRIC
@_COLUMN
@click.option(
    "--sample",
    type=click.IntRange(2),
    metavar="N",
    help="Rows of a side at most: 10,000 pairs, 1,000 where a model embeds, 8,000 unpaired.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@_DROP
@click.option("--force", is_flag=True, help="Keep it though its verdict is: failed.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@_QUIET
@click.pass_context
def fit(ctx: click.Context, /, source: str, target: str, out: Path | None, atlas: Path | None, **flags: Any) -> None:
    """Fit a translation from SOURCE to TARGET: indexes, files of vectors (npy, Arrow, Parquet), or models.

    A model embeds the texts of --texts, or those of the other side. Pairs are then certain; between two files they are
    the rows with equal ids, or what --pairs says. What is not measured on held-out pairs, or found by two runs that
    agree, is not kept: a verdict of "failed" writes nothing and ends with 1, unless --force.

    \b
    samespace translate fit my.index multilingual-e5-small --out to-e5
    samespace translate fit old.npy new.npy --pairs rows --out old-to-new
    samespace translate fit old.parquet new.parquet --unpaired --out old-to-new
    """  # noqa: D301 - click wants the character
    from samespace.serve.translating import Wanted, fitted, told

    if out is None and atlas is None:
        raise click.UsageError("Say where it is kept: --out DIR, --atlas DIR, or both.")
    line = Line(quiet=flags["quiet"], every=5.0)
    sides = _sides(source, target, flags, line)
    wanted = Wanted(
        **{name: flags[name] for name in ("pairs", "unpaired", "method", "role", "sample", "drop_bad", "seed")}
    )
    made = fitted(*sides, wanted, line.show)
    line.clear()
    facts = told(made)
    failed = (facts["verdict"] or {}).get("level") == "failed"
    if not failed or flags["force"]:
        facts["mark"] = _keep(made, out, atlas)
    click.echo(json.dumps(facts, ensure_ascii=False) if flags["as_json"] else _report(facts))
    if failed and not flags["force"]:
        line.say("nothing was written: the verdict is failed. Give more or better pairs, or --force to keep it anyway")
        ctx.exit(1)


@translate.command()
@click.argument("folder", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def report(folder: str, as_json: bool) -> None:
    """What the translation in DIR is: method, fidelity with its pool, verdict and what that rests on."""
    from samespace.serve.translating import told
    from samespace.translate.files import open_saved

    facts = told(open_saved(folder))
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else _report(facts))


@translate.command()
@click.argument("folder", metavar="DIR")
@click.argument("given", metavar="IN")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--space", metavar="NAME", help="Space of the vectors of IN, where it does not say so itself.")
@_COLUMN
@click.option("--confidence", metavar="COLUMN", help="Add how far two fits agree on each row, in [0, 1].")
@_DROP
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there.")
@click.option(
    "--force", is_flag=True, help="Translate though the rows are of another domain, or the verdict is: failed."
)
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on stdout.")
@_QUIET
def apply(folder: str, given: str, out: Path, **flags: Any) -> None:
    """Translate the vectors of IN, a file or an index, and write OUT: .npy, .arrow, .feather or .parquet.

    The other columns go along. A sample of IN is looked at first: rows of another domain than those that the
    translation was fitted on are refused, unless --force. OUT is there when all is written, or not at all.
    """
    from samespace.serve.carrying import carry

    line = Line(quiet=flags["quiet"])
    done = carry(folder, given, out, flags, line)
    line.clear()
    if flags["as_json"]:
        click.echo(json.dumps(done, ensure_ascii=False))
    else:
        left = f", {done['left_out']:,} left out" if done["left_out"] else ""
        click.echo(f"{bold(printable(str(out)))}  {count(done['rows'], 'vector')} of {done['space']['name']}{left}")


def _sides(source: str, target: str, flags: dict[str, Any], line: Line) -> "tuple[Side, Side]":
    """Both sides; a model gets the texts of --texts or of the other side."""
    from samespace.serve.sides import ModelName, read_texts, side_of

    given = read_texts(flags["texts"]) if flags["texts"] else None
    common = {"metric": flags["metric"], "column": flags["column"]}
    a = side_of(source, space=flags["source_space"], **common)
    b = side_of(target, space=flags["target_space"], **common)
    if isinstance(a, ModelName) and isinstance(b, ModelName):
        if given is None:
            raise click.UsageError("two models need --texts FILE: what they are to embed.")
        return a.side(given, line.show), b.side(given, line.show)
    if isinstance(a, ModelName):
        assert not isinstance(b, ModelName)
        return a.side(given or _texts(b, a), line.show), b
    return a, b.side(given or _texts(a, b), line.show) if isinstance(b, ModelName) else b


def _texts(side: "Side", model: "ModelName") -> "Sequence[str]":
    """What a side embeds, for a model to embed it, too."""
    known = side.texts()
    if known is None:
        raise ValueError(
            f"{side.name} holds no texts for {model.name} to embed\n"
            "Give them: --texts FILE (and --pairs, if its lines are not the rows), or a column named `text`"
        )
    return known


def _keep(made: "Saved", out: Path | None, atlas: Path | None) -> str:
    from samespace.translate.atlas import Atlas
    from samespace.translate.atlas_files import open_atlas, save_atlas
    from samespace.translate.files import open_saved, save

    mark = ""
    if out is not None:
        mark = save(made.translator, out, domain=made.domain, second=made.second)
        made = open_saved(out)
    if atlas is not None:
        before = open_atlas(atlas) if (atlas / "atlas.json").exists() else Atlas()
        save_atlas(before.add(made), atlas)
        mark = open_atlas(atlas).entries[-1].mark
    return mark


def _report(facts: dict[str, Any]) -> str:
    """For people."""
    more, measured, verdict = facts["facts"], facts["fidelity"], facts["verdict"]
    of = [f"{more['pairs']:,} pairs"] if isinstance(more.get("pairs"), int) else []
    of += [" + ".join(f"{n:,}" for n in more["rows"]) + " rows without pairs"] if "rows" in more else []
    why = f"; {more['why']}" if more.get("why") else ""
    lines = [f"{bold(facts['source']['name'])} → {bold(facts['target']['name'])}",
             f"  {facts['method']}" + (f", fitted on {', '.join(of)}" if of else "") + why]  # fmt: skip
    if isinstance(measured, dict):
        corpus = f" of {measured['corpus']}" if measured.get("corpus") else ""
        lines.append(f"  measured on {count(measured['pairs'], 'held-out pair')}{corpus}, pool {measured['pool']:,}:")
        chance = measured["k"] / measured["pool"]
        lines.append(
            f"  {measured['kept']:.2f} of {measured['k']} neighbours kept (chance {chance:.3f}), "
            f"top-1 {measured['top1']:.2f}, mean rank {measured['rank']:.1f}, cosine {measured['cosine']:.2f}"
        )
    elif measured is not None:
        lines.append("  exact" if measured == 1 else f"  {measured:.2f} of the neighbours kept")
    else:
        lines.append("  not measured: no pairs are known")
    lines += [f"  verdict: {bold(verdict['level'])}. {verdict['why']}"] if verdict else []
    lines += [] if facts["domain"] else ["  its domain was not noted: too few rows"]
    return "\n".join(
        printable(line, keep="\x1b") for line in lines + ([f"  mark {facts['mark']}"] if facts["mark"] else [])
    )
