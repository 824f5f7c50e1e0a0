"""What the C library keeps of memory that was let go: less of it, where that is glibc.

Lance works in as many threads as there are cores and more, and glibc gives each a heap of its own, which grows with the
largest piece of work that came its way: after 50,000 files a process held 140 MiB that nobody used. Two heaps hold 40.

Knows nothing of indexes. Imports ctypes.
"""

import ctypes
import os
from typing import Any

__all__ = ["few_heaps", "give_back"]

_M_ARENA_MAX = -8  # of mallopt; malloc.h
_HEAPS = 2


def few_heaps() -> bool:
    """Let all threads of this process share two heaps from now on; whether that was possible. For a whole program."""
    setting = _of_libc("mallopt")
    return bool(setting and setting(_M_ARENA_MAX, _HEAPS))


def give_back() -> None:
    """Return free memory to the system."""
    trim = _of_libc("malloc_trim")
    if trim:
        trim(0)


def _of_libc(name: str) -> Any:
    """A function of the C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
