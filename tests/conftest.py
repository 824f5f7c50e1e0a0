"""What all tests share: where the data are, and the Spaces and Encoder that need no model."""

import os
import signal
from pathlib import Path

import pytest

from samespace import Space
from samespace.encode import hashing

ROOT = Path(__file__).resolve().parent.parent

# A shell's background job ignores Ctrl-C, and its children would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared real data; skips where they are absent."""
    for place in (os.environ.get("SAMESPACE_DATA"), ROOT.parent / "shared" / "data"):
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("the shared data are not here: set SAMESPACE_DATA to their folder")


@pytest.fixture
def red() -> Space:
    return Space("test/red@1", 8, fingerprint="aa" * 16)


@pytest.fixture
def blue() -> Space:
    """As wide as red, and not red."""
    return Space("test/blue@1", 8, fingerprint="bb" * 16)


@pytest.fixture(scope="session")
def encoder() -> hashing.Hashing:
    """A real encoder without a model."""
    return hashing.load("256")
