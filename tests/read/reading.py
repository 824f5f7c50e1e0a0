"""Short ways to read one file, for the tests of formats."""

from pathlib import Path

from samespace.read.one import read_file
from samespace.read.protocol import Done, Event, Failed, Options, Passage, Some


def passages(path: Path, options: Options | None = None) -> list[Passage]:
    """All passages of a file that is read to its end."""
    events = list(read_file(path, options or Options()))
    assert isinstance(events[-1], Done), events[-1]
    return [p for e in events if isinstance(e, Some) for p in e.passages]


def texts(path: Path, options: Options | None = None) -> list[str]:
    """The texts of all passages of a file that is read to its end."""
    return [p.item.text for p in passages(path, options)]


def ending(path: Path, options: Options | None = None) -> Event:
    """How the reading of a file ended."""
    return list(read_file(path, options or Options()))[-1]


def failure(path: Path, options: Options | None = None) -> str:
    """The class of a file's failure."""
    end = ending(path, options)
    assert isinstance(end, Failed), end
    assert end.reason
    assert end.mend
    return end.failure
