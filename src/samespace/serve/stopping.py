"""Ending a long command in order: the first Ctrl-C lets it finish what it has in hand, the second ends it at once.

Imports the standard library only.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["stoppable"]


@contextmanager
def stoppable(quiet: bool) -> Iterator[tuple[threading.Event, list[int]]]:
    """Let the first Ctrl-C (or a request to end) stop in order, and the second at once.

    Yields:
        an event that is set when it is time to end, and the signals that were received.
    """
    stop, received = threading.Event(), list[int]()

    def hear(number: int, _: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        stop.set()
        if not quiet:  # not through Python's buffers, which may be in use right now
            os.write(2, b"\nstopping: what is in hand is finished (again: stop at once)\n")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
