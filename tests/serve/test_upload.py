"""Query files: private, short-lived, and gone at the end."""

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator

import pytest

from samespace.errors import QueryError
from samespace.serve.upload import QueryFile, QueryFiles


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(clock: Clock) -> Iterator[QueryFiles]:
    made = QueryFiles(lifetime=600, most=3, clock=clock)
    yield made
    made.close()


def keep(files: QueryFiles, data: bytes, name: str = "photo.PNG") -> QueryFile:
    async def chunks() -> AsyncIterator[bytes]:
        for i in range(0, len(data), 3):
            yield data[i : i + 3]

    return asyncio.run(files.keep(chunks(), name))


def test_a_file_is_kept_under_the_hash_of_its_bytes(files: QueryFiles) -> None:
    kept = keep(files, b"some bytes")
    assert kept.path.read_bytes() == b"some bytes"
    assert kept.path.name == kept.id + ".png"
    assert kept.size == 10
    assert keep(files, b"some bytes").id == kept.id
    assert keep(files, b"other bytes").id != kept.id
    assert files.find(kept.id).path == kept.path


def test_nobody_else_can_look(files: QueryFiles) -> None:
    kept = keep(files, b"secret")
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/../../b.txt/", "x." + "y" * 99, "n\x00ul.p\x00g", "..", ".\n"]
)
def test_a_name_leads_nowhere(files: QueryFiles, name: str) -> None:
    kept = keep(files, b"x", name)
    assert kept.path.parent == files.folder
    assert kept.path.name.startswith(kept.id)
    assert len(kept.path.name) <= 32 + 9


def test_it_goes_after_its_time(files: QueryFiles, clock: Clock) -> None:
    kept = keep(files, b"one")
    clock.now = 590
    assert files.find(kept.id) == kept, "and use begins its time anew"
    clock.now = 1180
    assert files.find(kept.id) == kept
    clock.now = 1781
    with pytest.raises(QueryError, match="Drop it on the page again"):
        files.find(kept.id)
    assert not list(files.folder.iterdir())


def test_the_one_unused_longest_makes_room(files: QueryFiles) -> None:
    first, second, third = (keep(files, data) for data in (b"1", b"2", b"3"))
    files.find(first.id)
    keep(files, b"4")
    assert not second.path.exists()
    assert first.path.exists()
    assert third.path.exists()


def test_the_same_bytes_under_another_name_leave_one_file(files: QueryFiles) -> None:
    keep(files, b"1", "a.csv")
    kept = keep(files, b"1", "a.txt")
    assert [p.name for p in files.folder.iterdir()] == [kept.path.name]


def test_an_empty_file_and_a_broken_upload_leave_nothing(files: QueryFiles) -> None:
    with pytest.raises(QueryError, match="empty"):
        keep(files, b"")

    async def breaks() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        asyncio.run(files.keep(breaks(), "a.png"))
    assert not list(files.folder.iterdir())


def test_all_of_it_goes_at_the_end(clock: Clock) -> None:
    made = QueryFiles(clock=clock)
    keep(made, b"1")
    made.close()
    assert not made.folder.exists()
