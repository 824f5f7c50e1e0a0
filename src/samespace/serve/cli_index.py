"""samespace index: folders into an index, with progress, until done, or for as long as one watches.

Imports click; the index and the model when the command runs.
"""

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samespace.serve.cli import index_option
from samespace.serve.stopping import stoppable
from samespace.serve.terminal import Line, count, duration, printable

if TYPE_CHECKING:
    from samespace.index.ingest import Counts, Progress

__all__ = ["index"]


@click.command()
@click.argument("folders", metavar="DIR…", nargs=-1, required=True)
@click.option("--model", metavar="NAME", help="Which model (samespace models). An index keeps the one it began with.")
@click.option("--watch", is_flag=True, help="Stay, and follow changes until Ctrl-C.")
@click.option("--no-ocr", is_flag=True, help="Don't read text in pictures and scanned pages.")
@click.option("--no-speech", is_flag=True, help="Don't turn speech into text.")
@click.option(
    "--speech-weights", metavar="DIR", help="Folder of a CTranslate2 Whisper model: other languages, or better."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Reading processes: 2; in a bulk run 1 beside each encoder."
)
@click.option("--processes", type=click.IntRange(1, 256), metavar="N", help="Bulk run in N processes of this machine.")
@click.option("--ray", metavar="ADDRESS", help="Bulk run on a Ray cluster; 'local' starts one here.")
@click.option("--journal", metavar="FILE", type=click.Path(path_type=Path), help="Where a bulk run notes what is done.")
@click.option("--retry-failed", is_flag=True, help="Try again what could not be read, though nothing changed.")
@click.option("--forget", is_flag=True, help="Forget what is known of folders that are missing or empty.")
@click.option("--wait", type=click.FloatRange(0), default=0.0, metavar="S", help="Wait for another writer to end.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object of counts on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@index_option
@click.pass_context
def index(ctx: click.Context, /, folders: tuple[str, ...], uri: str, **flags: Any) -> None:
    """Bring an index up to date with folders or files.

    Only what is new or changed is read, and only passages that were never seen are encoded. Files that are gone are
    forgotten. Ctrl-C stops in order: what is finished is kept, and the same command goes on from there.

    \b
    samespace index ~/Documents ~/Pictures
    samespace index . --index /data/my.index --model multilingual-e5-small --watch
    samespace index /data --processes 8
    samespace index s3://bucket/letters --index letters.index
    """  # noqa: D301 - click wants the character
    from samespace.index.heap import few_heaps
    from samespace.index.scan import resolve
    from samespace.read.protocol import Options
    from samespace.serve.bulk import in_stores, is_bulk, run_bulk
    from samespace.serve.session import open_or_create

    few_heaps()  # before threads begin
    line = Line(quiet=flags["quiet"])
    in_bulk = is_bulk(folders, flags)
    roots = [] if in_stores(folders) else resolve(folders, forget=flags["forget"])
    opened, encoder = open_or_create(uri, flags["model"])
    speech = False if flags["no_speech"] else None
    options = Options(ocr=not flags["no_ocr"], speech=speech, speech_weights=flags["speech_weights"])
    with stoppable(flags["quiet"]) as (stop, received):
        run = _Runner(opened, encoder, roots, options, stop, line, flags)
        if in_bulk:
            run.told(run_bulk(opened, encoder, roots or folders, options, flags, stop, run.show))
        else:
            run.update(retry_failed=flags["retry_failed"])
        if flags["watch"] and not stop.is_set():
            _watch(run, roots, uri, stop, line)
    if received:
        line.say("stopped: what was committed is in the index and stays; the same command goes on from there")
        ctx.exit(128 + received[0])


class _Runner:
    """One ingest after another, each with its counts."""

    def __init__(
        self, opened: Any, encoder: Any, roots: list[Path], options: Any, stop: threading.Event, line: Line, flags: Any
    ) -> None:
        self._opened, self._encoder, self._roots, self._options = opened, encoder, roots, options
        self._uri = str(opened.uri)
        self._stop, self._line, self._flags = stop, line, flags

    def update(self, *, retry_failed: bool = False, tidy: bool = True, wait: float | None = None) -> None:
        """Bring it up to date, and say what came of it."""
        from samespace.index.ingest import ingest
        from samespace.index.search import Searcher

        counts = ingest(
            self._opened,
            self._encoder,
            self._roots,
            options=self._options,
            workers=self._flags["workers"] or 2,
            progress=self.show,
            stop=self._stop,
            retry_failed=retry_failed,
            forget=self._flags["forget"],
            wait=self._flags["wait"] if wait is None else wait,
            tidy=tidy,
        )
        if tidy and not self._stop.is_set():
            Searcher(self._opened, self._encoder).prepare()
        self.told(counts)

    def show(self, now: "Progress") -> None:
        """Say how it stands."""
        self._line.show(_progress(now))

    def told(self, counts: "Counts") -> None:
        """Say what came of it."""
        self._line.clear()
        if self._flags["as_json"]:
            click.echo(json.dumps(counts.to_dict()))
        else:
            click.echo(_summary(counts, self._uri))


def _watch(run: _Runner, roots: list[Path], uri: str, stop: threading.Event, line: Line) -> None:
    from samespace.index.watch import follow

    line.say(f"watching {count(len(roots), 'folder')}; Ctrl-C ends it")
    follow(
        lambda tidy: run.update(tidy=tidy, wait=60.0),
        roots,
        own=Path(uri).resolve() if "://" not in uri else None,
        stop=stop,
        tell=lambda err: line.say("warning: " + printable(str(err).replace("\n", " · "))),
    )


def _progress(now: "Progress") -> str:
    """One line: '120/4,000 files · 12.3/s · 5 min 10 s left · 2 failed · name'."""
    if now.stage == "scan":
        return f"looking: {count(now.seen, 'file')}"
    if now.stage != "read":
        return "tidying up" if now.stage == "tidy" else "done"
    parts = [f"{now.files:,}/{count(now.total, 'file')}", f"{count(now.passages, 'passage')} encoded"]
    if now.rate:
        parts.append(f"{now.rate:.1f} files/s")
    if now.eta is not None:
        parts.append(f"{duration(now.eta)} left")
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    return " · ".join(parts) + (f" · {printable(Path(now.path).name)}" if now.path else "")


def _summary(counts: "Counts", uri: str) -> str:
    """What it came to, for people."""
    parts = [f"{count(counts.seen, 'file')} seen", f"{counts.encoded:,} encoded ({count(counts.passages, 'passage')})"]
    for number, word in (
        (counts.named, "by name only"),
        (counts.reused, "reused"),
        (counts.moved, "moved"),
        (counts.removed, "removed"),
        (counts.failed, "failed"),
        (counts.ignored, "ignored"),
    ):
        if number:
            parts.append(f"{number:,} {word}")
    text = ", ".join(parts) + f", in {duration(counts.seconds)}"
    if counts.failed:
        text += f"\nWhat failed, and what to do about it: samespace status --failed --index {printable(uri)}"
    return text
