"""Read one file in this process: sniff, find the Reader, hand out its Passages in handfuls, turn every fault to Failed.

The worker process calls this; so may tests. Knows nothing of processes. Imports readers and sniff.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from samespace.errors import FailureClass, MissingExtraError, ReadError
from samespace.items import Document, Item, Mixed, Text
from samespace.read import readers
from samespace.read.opening import as_read_error
from samespace.read.protocol import Done, Event, Facts, Failed, Options, Passage, Some
from samespace.read.sniff import sniff

__all__ = ["failed", "read_file"]

_HANDFUL = 64  # Passages in one Some
_HANDFUL_BYTES = 1 << 20
_HANDFUL_SECONDS = 2.0  # speech comes slowly: who encodes it shall not wait for sixty sentences


def read_file(path: Path, options: Options) -> Iterator[Event]:
    """Yield Some*, then Done or Failed. Raises nothing that the file is to blame for."""
    try:
        yield from _read(path, options)
    except Exception as err:
        yield failed(path, err, options)


def _read(path: Path, options: Options) -> Iterator[Event]:
    mime = sniff(path)
    size = path.stat().st_size
    if size > options.limits.file_bytes:
        raise ReadError(
            "too_big", f"{size:,} bytes, the limit is {options.limits.file_bytes:,}", "Raise the limit of file_bytes"
        )
    facts: list[Facts] = []
    for handful in _handfuls(readers.find(mime).read(path, mime, options), facts):
        yield Some(path, handful)
    if len(facts) != 1:
        raise RuntimeError(f"the reader of {mime} gave {len(facts)} Facts instead of one")
    yield Done(path, facts[0])


def _handfuls(stream: Iterable[Passage | Facts], facts: list[Facts]) -> Iterator[tuple[Passage, ...]]:
    """Gather Passages, so that neither each costs a message nor many pictures stand in memory. Facts go aside."""
    held: list[Passage] = []
    weight, since = 0, time.monotonic()
    for made in stream:
        if isinstance(made, Facts):
            facts.append(made)
            continue
        held.append(made)
        weight += len(made.preview or b"") + _weight(made.item)
        if len(held) >= _HANDFUL or weight >= _HANDFUL_BYTES or time.monotonic() - since > _HANDFUL_SECONDS:
            yield tuple(held)
            held, weight, since = [], 0, time.monotonic()
    if held:
        yield tuple(held)


def _weight(item: Item) -> int:
    """About how many bytes an Item is in a message."""
    if isinstance(item, Text):
        return len(item.text)
    if isinstance(item, Mixed):
        return sum(_weight(part) for part in item.parts)
    blob = item.picture if isinstance(item, Document) else item.blob
    return len(blob.data or b"")


def failed(path: Path, err: Exception, options: Options) -> Failed:
    """Say what became of a file, whatever was raised."""
    failure, reason, mend = _explain(err, options)
    return Failed(path, failure, reason, mend)


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
        return "too_big", f"reading it needs more than {mebi:,} MiB of memory", "Raise the limit of memory_bytes"
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
