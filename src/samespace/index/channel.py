"""A bounded queue from one thread to another: by number and by weight, so that neither many files nor big ones fill
the memory.

Knows nothing of what it carries. Imports the standard library only.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Channel"]

_T = TypeVar("_T")


class Channel(Generic[_T]):
    """Messages in order. `put` waits while it is full, `get` while it is empty.

    Args:
        most: messages it holds.
        heaviest: their weight together; a message that is heavier alone still goes through, by itself.
    """

    def __init__(self, most: int, heaviest: int) -> None:
        self._most, self._heaviest, self._weight = most, heaviest, 0
        self._held: deque[tuple[_T, int]] = deque()
        self._change = threading.Condition()
        self._closed = False

    def put(self, message: _T, weight: int = 0) -> None:
        """Hand a message over; after `close` it is dropped."""
        with self._change:
            self._change.wait_for(lambda: self._closed or not self._full(weight))
            if not self._closed:
                self._held.append((message, weight))
                self._weight += weight
                self._change.notify_all()

    def get(self, seconds: float) -> _T | None:
        """The next message; None if none came in time."""
        with self._change:
            if not self._change.wait_for(lambda: self._held, seconds):
                return None
            message, weight = self._held.popleft()
            self._weight -= weight
            self._change.notify_all()
            return message

    def close(self) -> None:
        """Nobody takes any more: whoever waits to put something goes on."""
        with self._change:
            self._closed = True
            self._held.clear()
            self._change.notify_all()

    def _full(self, weight: int) -> bool:
        return bool(self._held) and (len(self._held) >= self._most or self._weight + weight > self._heaviest)
