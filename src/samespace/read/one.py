"""Read one file in this process: sniff, find the Reader, hand out its Passages in handfuls, turn every fault to Failed.

The worker process calls this; so may tests. Knows nothing of processes. Imports readers and sniff.
"""

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from samespace.errors import FailureClass, MissingExtraError, ReadError
from samespace.items import weight
from samespace.read import readers
from samespace.read.charset import clean
from samespace.read.opening import as_read_error
from samespace.read.protocol import Done, Event, Facts, Failed, Limits, Options, Passage, Some
from samespace.read.sniff import sniff

__all__ = ["failed", "out_of_memory", "read_file"]

_OUT_OF_MEMORY = "MiB of memory"  # in the reason of a file that a worker's memory was not enough for

_HANDFUL = 64  # Passages in one Some
_HANDFUL_BYTES = 1 << 20
_HANDFUL_SECONDS = 2.0  # speech comes slowly: who encodes it shall not wait for sixty sentences


Lasting = Callable[[float, Limits], None]


def read_file(path: Path, options: Options, lasting: Lasting = lambda seconds, limits: None) -> Iterator[Event]:
    """Yield Some*, then Done or Failed. Raises nothing that the file is to blame for.

    Args:
        path: the file.
        options: how to read.
        lasting: is told how many seconds a recording lasts, and the limits it is therefore read within.
    """
    try:
        yield from _read(path, options, lasting)
    except Exception as err:
        yield failed(path, err, options)


def _read(path: Path, options: Options, lasting: Lasting) -> Iterator[Event]:
    mime = sniff(path)
    size = path.stat().st_size
    if size > options.limits.file_bytes:
        raise ReadError(
            "too_big", f"{size:,} bytes, the limit is {options.limits.file_bytes:,}", "Raise the limit of file_bytes"
        )
    if mime.startswith(("audio/", "video/")) and (seconds := _seconds(path, options.limits)):
        options = replace(options, limits=options.limits.lasting(seconds, size))
        lasting(seconds, options.limits)
    facts: list[Facts] = []
    count = 0
    for handful in _handfuls(readers.find(mime).read(path, mime, options), facts):
        count += len(handful)
        if count > options.limits.passages:
            raise ReadError(
                "too_big",
                f"more than {options.limits.passages:,} passages",
                "Cut it into parts, or raise the limit of passages",
            )
        yield Some(path, handful)
    if len(facts) != 1:
        raise RuntimeError(f"the reader of {mime} gave {len(facts)} Facts instead of one")
    yield Done(path, facts[0])


def _seconds(path: Path, limits: Limits) -> float | None:
    """How long a recording says it lasts; None if it does not say, or cannot be opened: its Reader tells why."""
    try:
        from samespace.read import media

        with media.opened(path, limits) as container:
            return media.tracks(container, limits).seconds
    except (ReadError, ImportError):
        return None


def _handfuls(stream: Iterable[Passage | Facts], facts: list[Facts]) -> Iterator[tuple[Passage, ...]]:
    """Gather Passages, so that neither each costs a message nor many pictures stand in memory. Facts go aside."""
    held: list[Passage] = []
    size, since = 0, time.monotonic()
    for made in stream:
        if isinstance(made, Facts):
            facts.append(made)
            continue
        held.append(made)
        size += len(made.preview or b"") + weight(made.item)
        if len(held) >= _HANDFUL or size >= _HANDFUL_BYTES or time.monotonic() - since > _HANDFUL_SECONDS:
            yield tuple(held)
            held, size, since = [], 0, time.monotonic()
    if held:
        yield tuple(held)


def failed(path: Path, err: Exception, options: Options) -> Failed:
    """Say what became of a file, whatever was raised."""
    failure, reason, mend = _explain(err, options)
    return Failed(path, failure, clean(reason), clean(mend))


def out_of_memory(event: Event) -> bool:
    """Whether a file failed for want of memory: its worker may have been left little by others."""
    return isinstance(event, Failed) and event.failure == "too_big" and _OUT_OF_MEMORY in event.reason


def _explain(err: Exception, options: Options) -> tuple[FailureClass, str, str]:
    if isinstance(err, ReadError):
        return err.failure, err.reason, err.mend
    if isinstance(err, MissingExtraError):
        fact, _, mend = str(err).partition("\n")
        return "unsupported", fact, mend
    if isinstance(err, ImportError):
        why = "" if isinstance(err, ModuleNotFoundError) else f", which is broken here ({_brief(err)})"
        needs = f"reading this needs the package {err.name}{why}"
        return "unsupported", needs, "Install it: pip install 'samespace[read]'"
    if isinstance(err, MemoryError):
        mebi = options.limits.memory_bytes >> 20
        return "too_big", f"reading it needs more than {mebi:,} {_OUT_OF_MEMORY}", "Raise the limit of memory_bytes"
    if isinstance(err, PermissionError) and err.errno == errno.EPERM and err.filename is None:  # the sandbox
        why = f"its reader tried what a reader may not: {_brief(err)}"
        return "unsupported", why, "Readers have no network and run no programs: convert it with another program"
    if isinstance(err, OSError) and err.errno is not None:
        told = as_read_error(err)
        return told.failure, told.reason, told.mend
    if isinstance(err, RecursionError):
        return "decode", "nested too deeply", "Open and save it with the program that made it"
    return "decode", _brief(err), "It is damaged or of a rare kind: open and save it with the program that made it"


def _brief(err: Exception) -> str:
    """Type and first line of an exception, short enough for a list."""
    lines = str(err).splitlines()
    return f"{type(err).__name__}: {lines[0][:300]}" if lines else type(err).__name__
