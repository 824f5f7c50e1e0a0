"""Bulk runs for the command line: which executor, where the journal is, and the encoder of a worker.

Imports lance, ray and a model where they are used.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from samespace.encode.protocol import Encoder

if TYPE_CHECKING:
    from samespace.index.executor import Executor
    from samespace.index.ingest import Counts, Progress
    from samespace.index.lance import LanceIndex
    from samespace.read.protocol import Options

__all__ = ["LOADER", "encoder_at", "executor", "in_stores", "is_bulk", "run_bulk"]

LOADER: Final = "samespace.serve.bulk:encoder_at"
"""Names `encoder_at` to workers, which are told by name what to load."""


def encoder_at(uri: str) -> Encoder:
    """The encoder of the index at a place."""
    from samespace.serve.session import encoder_of, open_index

    return encoder_of(open_index(uri))


def in_stores(folders: Sequence[str]) -> bool:
    """Whether any of what is to be indexed is in an object store."""
    return any("://" in name and not name.startswith("file://") for name in folders)


def is_bulk(folders: Sequence[str], flags: Mapping[str, Any]) -> bool:
    """Whether a command asks for a bulk run. Raises UsageError where its options contradict each other."""
    if flags["processes"] and flags["ray"]:
        raise click.UsageError("--processes and --ray: one of them. A Ray cluster has its own number of processes.")
    asked = bool(flags["processes"] or flags["ray"] or in_stores(folders))
    if asked and flags["watch"]:
        raise click.UsageError(
            "--watch follows folders as they change: not with --processes, --ray or an object store."
        )
    if flags["journal"] and not asked:
        raise click.UsageError("--journal is for a bulk run: with --processes, --ray or an object store.")
    return asked


@contextmanager
def executor(processes: int | None, ray: str | None) -> "Iterator[Executor]":
    """Who does the parts: a Ray cluster if one is named, else processes of this machine."""
    if ray is not None:
        from samespace.index.cluster import Cluster

        with Cluster(ray) as cluster:
            yield cluster
    else:
        from samespace.index.executor import Spawned

        yield Spawned(processes or 1)


def run_bulk(
    index: "LanceIndex",
    encoder: Encoder,
    roots: Sequence[str | Path],
    options: "Options",
    flags: Mapping[str, Any],
    stop: threading.Event,
    progress: "Callable[[Progress], None]",
) -> "Counts":
    """One bulk run, as the options of `samespace index` say."""
    from samespace.index.bulk import bulk
    from samespace.index.fragment import Order

    order = Order(
        uri=index.uri if "://" in index.uri else str(Path(index.uri).absolute()),
        loader=LOADER,
        options=replace(options, wants=encoder.modalities),
        readers=flags["workers"] or 1,
        retry_failed=flags["retry_failed"],
    )
    with executor(flags["processes"], flags["ray"]) as made:
        return bulk(
            index, order, roots, executor=made, journal=flags["journal"] or _journal(order.uri), progress=progress,
            stop=stop, forget=flags["forget"], wait=flags["wait"],
        )  # fmt: skip


def _journal(uri: str) -> Path | None:
    """In the index's folder; for an index on an object store, among this user's own files."""
    if "://" not in uri or uri.startswith("file://"):
        return None
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "samespace" / f"bulk-{blake2b(uri.encode(), digest_size=8).hexdigest()}.journal"
