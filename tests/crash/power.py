"""A power cut, played: what may be on the disk after one, from the record of what a process did (recorder.c).

The promise of a disk is small: what was synced before the cut is there. A file's bytes are promised by fsync of the
file, its name by fsync of the folder. Of everything else any part may be there, in any order. `after` builds one such
folder; `HOWS` says by which choice, the ones that have hurt people among them.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_HEAD = struct.Struct("<IIIIQq")
_ADDS, _REMOVES = "CRLM", "UD"


@dataclass(frozen=True)
class Event:
    """A thing done: Create, Write, Truncate, Rename, Link, Unlink, rmDir, Mkdir, File synced, folder Synced, A mark."""

    op: str
    path: str
    other: str
    inode: int
    at: int
    data: bytes


def recorder(folder: Path) -> Path:
    """Build the recorder; skips where that cannot be."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the recorder of writes is for Linux on x86-64")
    if not shutil.which("gcc"):
        pytest.skip("gcc is not here: the recorder of writes cannot be built")
    built = folder / "recorder.so"
    source = Path(__file__).parent / "recorder.c"
    subprocess.run(["gcc", "-O1", "-fPIC", "-shared", source, "-o", built], check=True)
    return built


def read_journal(path: Path) -> list[Event]:
    """All events; one that was cut short by a kill is left out."""
    raw, at, events = path.read_bytes(), 0, []
    while at + _HEAD.size <= len(raw):
        op, name, other, size, inode, place = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        parts = [raw[at : at + name], raw[at + name : at + name + other], raw[at + name + other :][:size]]
        at += name + other + size
        if at > len(raw):
            break
        event = Event(chr(op), os.fsdecode(parts[0]), os.fsdecode(parts[1]), inode, place, parts[2])
        assert event.op != "X", f"the recorder cannot follow this: {event}"
        events.append(event)
    return events


@dataclass(eq=False)
class Node:
    """A file's writes and truncations, the first `safe` of which are on the disk."""

    ops: list[tuple[int, bytes | None]] = field(default_factory=list)  # None = truncated to `at`
    safe: int = 0

    def content(self, kept: list[tuple[int, bytes | None]]) -> bytes:
        made = bytearray()
        for at, data in kept:
            if data is None:
                made = made[:at] + bytes(max(0, at - len(made)))
            else:
                made += bytes(max(0, at - len(made)))
                made[at : at + len(data)] = data
        return bytes(made)


@dataclass(frozen=True)
class Change:
    """One change of the names in a folder; None as node: the name goes."""

    sets: tuple[tuple[str, "Node | Folder | None"], ...]


@dataclass(eq=False)
class Folder:
    """Changes of names, the first `safe` of which are on the disk."""

    changes: list[Change] = field(default_factory=list)
    safe: int = 0


class Disk:
    """What was done up to a cut, and what of it is promised."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folders: dict[str, Folder] = {root: Folder()}
        self.nodes: dict[int, Node] = {}
        self.names: dict[str, Node | Folder] = {}

    def do(self, event: Event) -> None:
        op, path = event.op, event.path
        if op == "C":
            self.nodes[event.inode] = Node()
            self._change((path, self.nodes[event.inode]))
        elif op in "WT":
            self.nodes[event.inode].ops.append((event.at, event.data if op == "W" else None))
        elif op == "F":
            node = self.nodes[event.inode]
            node.safe = len(node.ops)
        elif op == "S" and path in self.folders:
            self.folders[path].safe = len(self.folders[path].changes)
        elif op == "M":
            if path == self.root:
                return
            self.folders[path] = Folder()
            self._change((path, self.folders[path]))
        elif op == "L":
            self._change((event.other, self.names[path]))
        elif op == "R":
            assert Path(path).parent == Path(event.other).parent, "a rename across folders is not played yet"
            self._change((event.other, self.names[path]), (path, None))
            for table in (self.folders, self.names) if event.at else ():  # what is below a folder goes with it
                for name in [name for name in table if name.startswith(path + "/")]:
                    table[event.other + name.removeprefix(path)] = table.pop(name)
            if event.at:
                self.folders[event.other] = self.folders.pop(path)
        elif op in "UD":
            self._change((path, None))

    def _change(self, *sets: tuple[str, "Node | Folder | None"]) -> None:
        folder = self.folders[str(Path(sets[0][0]).parent)]
        folder.changes.append(Change(tuple((Path(name).name, what) for name, what in sets)))
        for name, what in sets:
            if what is None:
                self.names.pop(name, None)
            else:
                self.names[name] = what

    def loose(self) -> int:
        """How many things are not promised."""
        names = sum(len(f.changes) - f.safe for f in self.folders.values())
        return names + sum(len(n.ops) - n.safe for n in self.nodes.values())


@dataclass(frozen=True)
class How:
    """Which of the changes that were not synced are there: of names, and of a file's bytes."""

    name: str
    names: Callable[[random.Random, list[Change]], list[Change]]
    data: Callable[[random.Random, Node], bytes]


def _none(_: random.Random, loose: list[Change]) -> list[Change]:
    return []


def _all(_: random.Random, loose: list[Change]) -> list[Change]:
    return loose


def _some(chance: random.Random, loose: list[Change]) -> list[Change]:
    share = chance.random()
    return [change for change in loose if chance.random() < share]


def _first(chance: random.Random, loose: list[Change]) -> list[Change]:
    return loose[: chance.randint(0, len(loose))]


def _removals(_: random.Random, loose: list[Change]) -> list[Change]:
    return [change for change in loose if all(what is None for _, what in change.sets)]


def _synced(_: random.Random, node: Node) -> bytes:
    return node.content(node.ops[: node.safe])


def _whole(_: random.Random, node: Node) -> bytes:
    return node.content(node.ops)


def _torn(chance: random.Random, node: Node) -> bytes:
    """Cut off, or as long as it was with pages of zeros in it."""
    whole, kept = node.content(node.ops), node.content(node.ops[: node.safe])
    if node.safe == len(node.ops):
        return whole
    if chance.random() < 0.5:
        return whole[: chance.randint(min(len(kept), len(whole)), len(whole))]
    made, page = bytearray(whole), chance.choice([512, 4096])
    for at in range(0, len(made), page):
        if chance.random() < 0.5:
            old = kept[at : at + page]
            made[at : at + page] = old + bytes(len(made[at : at + page]) - len(old))
    return bytes(made)


HOWS = (
    How("nothing more", _none, _synced),
    How("names without bytes", _all, _synced),
    How("everything", _all, _whole),
    How("removals alone", _removals, _synced),
    How("some names, torn bytes", _some, _torn),
    How("names in order, torn bytes", _first, _torn),
    How("bytes without names", _none, _whole),
    How("some names, whole bytes", _some, _whole),
)


def after(disk: Disk, how: How, chance: random.Random, target: Path) -> None:
    """Write the folder as it may be after a cut."""
    bytes_of: dict[int, bytes] = {}

    def build(folder: Folder, place: Path) -> None:
        place.mkdir()
        there: dict[str, Node | Folder] = {}
        for change in folder.changes[: folder.safe] + how.names(chance, folder.changes[folder.safe :]):
            for name, what in change.sets:
                if what is None:
                    there.pop(name, None)
                else:
                    there[name] = what
        for name, what in there.items():
            if isinstance(what, Folder):
                build(what, place / name)
            else:
                if id(what) not in bytes_of:
                    bytes_of[id(what)] = how.data(chance, what)
                (place / name).write_bytes(bytes_of[id(what)])

    build(disk.folders[disk.root], target)


def cuts(events: list[Event], root: str, wanted: list[int]) -> Iterator[tuple[int, Disk, list[bytes]]]:
    """Play to each of the wanted points: its number, the disk, the marks that were made before it."""
    disk, marks, left = Disk(root), list[bytes](), sorted(set(wanted))
    for number, event in enumerate(events):
        while left and left[0] == number:
            yield left.pop(0), disk, marks
        if event.op == "A":
            marks.append(event.data)
        else:
            disk.do(event)
    if left:
        yield left[0], disk, marks
