"""A version that has its name and not its bytes: what a power cut leaves between the two."""

from pathlib import Path

import lance
import made_rows as rows
import pytest

from samespace import Space, errors
from samespace.index import versions
from samespace.index.lance import LanceIndex
from samespace.index.torn import before_torn, repair

PARTS = ("files.lance", "items.lance", "vec_aaaaaaaaaaaa.lance")


def newest(folder: Path, part: str) -> Path:
    return min((folder / part / "_versions").glob("*.manifest"))


def tear(path: Path, how: str) -> None:
    whole = path.read_bytes()
    half = len(whole) // 2
    torn = {"empty": b"", "cut": whole[:half], "zeros": bytes(len(whole)), "hole": bytes(half) + whole[half:]}
    path.write_bytes(torn[how])


def made(folder: Path, space: Space) -> LanceIndex:
    """Two commits and a third that comes to no end: its versions are there, and the lock says that it was begun."""
    index = LanceIndex.create(folder, space, "m")
    with pytest.raises(RuntimeError), index.writer() as writer:
        for f in (1, 2, 3):
            rows.commit(writer, space, f)
        raise RuntimeError
    return index


@pytest.mark.parametrize("how", ["empty", "cut", "zeros", "hole"])
@pytest.mark.parametrize("part", PARTS)
def test_the_version_before_is_read_and_the_next_writer_mends(tmp_path, red: Space, part: str, how: str):
    folder = tmp_path / "i"
    made(folder, red)
    tear(newest(folder, part), how)
    index = LanceIndex.open(folder)
    assert set(index.files()) == {f"/files/{f}.txt" for f in ((1, 2) if part == "files.lance" else (1, 2, 3))}
    assert newest(folder, part).exists()  # a reader changes nothing
    torn = newest(folder, part)
    with index.writer() as writer:
        assert not torn.exists()
        lost = rows.file(3).path
        assert lost not in writer.files() or not writer.files()[lost].content
        rows.commit(writer, red, 3)
        writer.maintain()
    view = LanceIndex.open(folder).snapshot()
    assert sorted(view.items["path"].to_pylist()) == sorted(f"/files/{f}.txt" for f in (1, 2, 3) for _ in range(3))


def test_without_an_interrupted_writer_it_is_damage(tmp_path, red: Space):
    folder = tmp_path / "i"
    index = LanceIndex.create(folder, red, "m")
    with index.writer() as writer:
        rows.commit(writer, red, 1)
    tear(newest(folder, "files.lance"), "empty")
    assert before_torn(folder / "files.lance") is None
    with pytest.raises(errors.IndexDamagedError, match=r"'files' does not open.*\n.*index again"):
        LanceIndex.open(folder)


def test_two_torn_versions_in_a_row_and_one_below_a_whole_one(tmp_path, red: Space):
    folder = tmp_path / "i"
    made(folder, red)
    names = sorted((folder / "items.lance" / "_versions").glob("*.manifest"))
    tear(names[0], "empty")
    tear(names[1], "cut")
    assert before_torn(folder / "items.lance").version == 2
    assert repair(folder, PARTS) == [f"items.lance/{names[0].name}", f"items.lance/{names[1].name}"]
    names = sorted((folder / "files.lance" / "_versions").glob("*.manifest"))
    tear(names[1], "empty")
    assert before_torn(folder / "files.lance").version == 4
    assert repair(folder, PARTS) == [f"files.lance/{names[1].name}"] and repair(folder, PARTS) == []


def test_where_nothing_is_whole_nothing_is_deleted(tmp_path, red: Space):
    folder = tmp_path / "i"
    made(folder, red)
    for path in (folder / "files.lance" / "_versions").glob("*.manifest"):
        tear(path, "empty")
    assert repair(folder, PARTS) == []
    assert len(list((folder / "files.lance" / "_versions").glob("*.manifest"))) == 4
    with pytest.raises(errors.IndexDamagedError):
        LanceIndex.open(folder)


@pytest.mark.parametrize("part", PARTS)
def test_a_broken_tag_where_no_writer_was_interrupted_is_damage(tmp_path, red: Space, part: str):
    folder = tmp_path / "i"
    index = LanceIndex.create(folder, red, "m")
    with index.writer() as writer:
        rows.commit(writer, red, 1)
    versions.save(str(folder), "whole")
    tear(folder / part / "_refs" / "tags" / "whole.json", "empty")
    with pytest.raises(errors.IndexDamagedError, match="tag of"):
        LanceIndex.open(folder).status()
    if part == "files.lance":
        with pytest.raises(errors.IndexDamagedError, match="tag of"):
            versions.saved(str(folder))


@pytest.mark.parametrize("how", ["empty", "cut", "zeros"])
def test_readers_see_the_other_tags_while_the_writer_of_one_is_gone(tmp_path, red: Space, how: str):
    folder = tmp_path / "i"
    index = made(folder, red)
    versions.save(str(folder), "whole")
    with pytest.raises(RuntimeError), index.writer() as writer:
        rows.commit(writer, red, 4)
        raise RuntimeError
    for part in PARTS:
        lance.dataset(str(folder / part)).tags.create("torn", 1)
        tear(folder / part / "_refs" / "tags" / "torn.json", how)
    (saved,) = versions.saved(str(folder))
    assert (saved.name, saved.files) == ("whole", 3) and saved.created.tzinfo is not None
    assert LanceIndex.open(folder).status().files
    with index.writer() as writer:
        assert not list(folder.glob("*/_refs/tags/torn.json"))
        writer.maintain()
    assert [one.name for one in versions.saved(str(folder))] == ["whole"]
