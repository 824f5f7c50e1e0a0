"""How much of its time a file has used up, so that slow reading (text in pictures, speech) ends early and says so.

A worker that runs out of time is killed and everything read so far is void; stopping a little before keeps it.

Knows nothing of formats. Imports the standard library only.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from samespace.read.protocol import Limits

__all__ = ["Budget"]

T = TypeVar("T")


@dataclass
class Budget:
    """Started when a file is; `spent()` from the moment that slow work should stop.

    Attributes:
        limits: what one file may cost.
        share: of it that may be used; the rest is for what must still be done, and for handing the results over.
    """

    limits: Limits
    share: float = 0.8
    _away: float = 0.0
    _cpu: float = field(default_factory=time.process_time)
    _wall: float = field(default_factory=time.monotonic)

    def watch(self, stream: Iterator[T]) -> Iterator[T]:
        """Hand out a stream; the time that the taker lets pass between two is not counted."""
        for made in stream:
            left = time.monotonic()
            yield made
            self._away += time.monotonic() - left

    def spent(self) -> bool:
        """True once the share of the file's processor or wall-clock time has gone."""
        return (
            time.process_time() - self._cpu >= self.share * self.limits.cpu_seconds
            or time.monotonic() - self._wall - self._away >= self.share * self.limits.wall_seconds
        )
