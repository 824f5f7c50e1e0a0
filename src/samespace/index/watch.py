"""Watch folders and bring the index up to date when something changes.

The system tells of changes through the package watchfiles (extra `watch`); without it the folders are looked at every
few seconds. What counts as a change is what the scan would take in: nothing hidden, generated, or of the index itself.

Knows nothing of models or stores: what is to be done at a change is a function that is given.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from samespace.errors import IndexLockedError, QueryError, SamespaceError
from samespace.index.scan import Found, is_taken, scan

__all__ = ["changes", "follow"]

_DEBOUNCE = 1.6  # seconds of peace before a change is told
_POLL = 5.0  # seconds between looks without watchfiles


def follow(
    update: Callable[[bool], None],
    roots: Sequence[Path],
    *,
    own: Path | None,
    stop: threading.Event,
    tell: Callable[[SamespaceError], None],
    tidy_every: int = 20,
) -> None:
    """Call `update` after every change under the roots, until stopped.

    Args:
        update: brings the index up to date; is told whether it should also tidy up.
        roots: absolute, without links (`scan.resolve`).
        own: the index's folder.
        stop: ends it.
        tell: is told of an error that time may mend: a drive that went away, another writer.
        tidy_every: updates between two tidyings.
    """
    for number, _ in enumerate(changes(roots, own=own, stop=stop), 1):
        try:
            update(number % tidy_every == 0)
        except (QueryError, IndexLockedError) as err:
            tell(err)


def changes(
    roots: Sequence[Path],
    *,
    own: Path | None,
    stop: threading.Event,
    poll: bool | None = None,
    debounce: float = _DEBOUNCE,
) -> Iterator[set[Path]]:
    """Yield the paths that changed, gathered until there is peace.

    Args:
        roots: absolute, without links.
        own: the index's folder.
        stop: ends it.
        poll: look at the folders instead of being told; None = if watchfiles is not installed.
        debounce: seconds of peace that end a set of changes.
    """
    if poll or (poll is None and not find_spec("watchfiles")):
        yield from _polled(roots, own, stop, max(debounce, 0.05) if debounce != _DEBOUNCE else _POLL)
        return
    from watchfiles import watch

    watched = [root for root in roots if root.exists()]
    for batch in watch(
        *watched,
        watch_filter=lambda _, path: any(is_taken(Path(path), root, own) for root in roots),
        debounce=int(debounce * 1000),
        stop_event=stop,
        raise_interrupt=False,
        ignore_permission_denied=True,
    ):
        yield {Path(path) for _, path in batch}


def _polled(roots: Sequence[Path], own: Path | None, stop: threading.Event, pause: float) -> Iterator[set[Path]]:
    before = _stamps(roots, own)
    while not stop.wait(pause):
        now = _stamps(roots, own)
        if changed := {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}:
            before = now
            yield changed


def _stamps(roots: Sequence[Path], own: Path | None) -> dict[Path, tuple[int, float]]:
    """What a change would show in."""
    return {
        entry.path: (entry.size, entry.modified)
        for root in roots
        for entry in scan(root, exclude=own)
        if isinstance(entry, Found)
    }
