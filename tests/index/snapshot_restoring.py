"""A process that restores a snapshot and is killed at a given system-visible step; run by test_versions.py."""

import os
import signal
import sys

from samespace.index import versions
from samespace.index.durable import Durable

uri, name, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
real = Durable.sync


def sync(self: Durable, *parts: str) -> int:
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return real(self, *parts)


Durable.sync = sync  # type: ignore[method-assign]
versions.restore(uri, name)
print("done", flush=True)
