"""LanceIndex: what it is, what it refuses, and that a Snapshot is one view and a cheap one."""

from pathlib import Path
from shutil import copytree

import lance
import made_rows as rows
import numpy as np
import pytest

from samespace import Space, errors
from samespace.index import schema
from samespace.index.disk import Disk
from samespace.index.lance import LanceIndex
from samespace.index.protocol import FileRow
from samespace.index.ram import Ram


@pytest.fixture
def index(tmp_path: Path, red: Space) -> LanceIndex:
    made = LanceIndex.create(tmp_path / "i", red, "hashing:8", {"pooling": "none", "名": 1})
    rows.fill(made, 4)
    return made


def test_what_it_is_is_kept(index, red):
    again = LanceIndex.open(index.uri)
    assert (again.space, again.model, dict(again.card.recipe)) == (red, "hashing:8", {"pooling": "none", "名": 1})
    assert len(again) == 12
    assert LanceIndex.exists(index.uri) and not LanceIndex.exists(Path(index.uri) / "none")
    assert sorted(p.name for p in Path(index.uri).glob("*.lance")) == [
        "files.lance", "items.lance", f"vec_{red.fingerprint[:12]}.lance",
    ]  # fmt: skip


def test_every_table_says_its_space_and_its_key(index, red):
    for name, key in ((f"vec_{red.fingerprint[:12]}", "digest"), ("items", "id"), ("files", "path")):
        table = lance.dataset(str(Path(index.uri) / f"{name}.lance")).schema
        assert Space.from_json(table.metadata[b"samespace:space"].decode()) == red
        assert table.field(key).metadata == {b"lance-schema:unenforced-primary-key": b"true"}
        assert not table.field(key).nullable


def test_create_opens_what_is_there_and_refuses_another_space(index, red, blue):
    assert len(LanceIndex.create(index.uri, red, "hashing:8")) == 12
    for make in (lambda: LanceIndex.create(index.uri, blue, "m"), lambda: LanceIndex.open(index.uri, blue)):
        with pytest.raises(errors.SpaceMismatchError, match=r"red@1.*\nEncode with the model"):
            make()


def test_a_space_without_fingerprint_has_a_table_of_its_own(tmp_path):
    one, two = Space("a/b@1", 4), Space("a/c@1", 4)
    assert schema.Card(one, "").vector_table != schema.Card(two, "").vector_table
    assert len(LanceIndex.create(tmp_path / "x", one, "m")) == 0


def test_no_index(tmp_path, red):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    for place in (tmp_path, tmp_path / "none", tmp_path / "photo.jpg"):
        with pytest.raises(errors.IndexNotFoundError, match="Make one: samespace index"):
            LanceIndex.open(place)
    with pytest.raises(errors.StoreError, match=r"photo\.jpg.*\nName an empty or new folder"):
        LanceIndex.create(tmp_path, red, "m")
    with pytest.raises(errors.StoreError, match="Name another folder"):
        LanceIndex.create(tmp_path / "photo.jpg", red, "m")
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_newer_format_is_not_touched(index):
    table = lance.dataset(str(Path(index.uri) / "files.lance"))
    table.update_schema_metadata({"samespace:format": str(schema.FORMAT + 1)})
    before = table.latest_version
    with pytest.raises(errors.IndexVersionError, match="pip install --upgrade"):
        LanceIndex.open(index.uri)
    assert table.latest_version == before


@pytest.mark.parametrize("table", ["files", "items", "vec_aaaaaaaaaaaa"])
@pytest.mark.parametrize("part", ["data", "_versions"])
@pytest.mark.parametrize("how", ["half", "zeros", "gone"])
def test_a_damaged_folder_says_so(index, table, part, how):
    path = min((Path(index.uri) / f"{table}.lance" / part).glob("*.lance" if part == "data" else "*.manifest"))
    data = path.read_bytes()
    path.unlink() if how == "gone" else path.write_bytes(data[: len(data) // 2] if how == "half" else bytes(len(data)))
    if (part, how) == ("_versions", "gone"):  # Lance opens the version before it: what that lacks is read again
        with LanceIndex.open(index.uri).writer() as writer:
            assert not any(file.content for file in writer.files().values())
            for f in range(4):
                assert f"reading-{f}" not in writer.readings()
                rows.commit(writer, index.space, f)
        assert len(LanceIndex.open(index.uri)) == 12
        return
    with pytest.raises(errors.IndexDamagedError, match="Restore the index from a copy"):
        len(LanceIndex.open(index.uri))


def test_rows_without_a_files_table_are_not_overwritten(index, red):
    for path in sorted((Path(index.uri) / "files.lance").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (Path(index.uri) / "files.lance").rmdir()
    for make in (lambda: LanceIndex.open(index.uri), lambda: LanceIndex.create(index.uri, red, "m")):
        with pytest.raises(errors.IndexDamagedError, match="'files' is gone"):
            make()
    assert lance.dataset(str(Path(index.uri) / "items.lance")).count_rows() == 12


def test_a_killed_create_is_finished_by_the_next(tmp_path, red):
    half = LanceIndex.create(tmp_path / "half", red, "m")
    (tmp_path / "i").mkdir()
    copytree(Path(half.uri) / "items.lance", tmp_path / "i" / "items.lance")
    (tmp_path / "i" / "vec_aaaaaaaaaaaa.lance" / "data").mkdir(parents=True)
    with pytest.raises(errors.IndexNotFoundError):
        LanceIndex.open(tmp_path / "i")
    made = LanceIndex.create(tmp_path / "i", red, "m")
    rows.fill(made, 1)
    assert len(made) == 3


def test_an_object_store_is_searched(index, red):
    """Through Lance's object-store layer, with a local folder behind it."""
    uri = f"file-object-store://{index.uri}"
    there = LanceIndex.open(uri)
    query = rows.vectors(red, 1, 9)
    assert there.nearest(query, 5)[0].rows.tolist() == index.nearest(query, 5)[0].rows.tolist()
    assert LanceIndex.exists(uri) and not LanceIndex.exists(uri + "x")
    with pytest.raises(errors.StoreError, match=r"store cannot be used.*\n.*s3://"), there.writer():
        pass


def test_a_snapshot_stays_and_the_next_sees_what_is_new(index, red):
    other = LanceIndex.open(index.uri)
    before = other.snapshot()
    assert other.snapshot() is before
    with index.writer() as writer:
        rows.commit(writer, red, 50, 2)
        assert other.snapshot() is not before and len(other) == 14
        writer.remove(["/files/0.txt"])
    assert len(other) == 11
    assert len(before) == 12 and before.items.num_rows == 12
    assert before.nearest(rows.vectors(red, 1), 20)[0].rows.tolist() != []


def test_only_new_vectors_are_read_again(index, red, monkeypatch):
    index.snapshot()
    read = []
    real = lance.LanceDataset.take
    monkeypatch.setattr(lance.LanceDataset, "take", lambda s, at, **how: read.append(len(at)) or real(s, at, **how))
    with index.writer() as writer:
        rows.commit(writer, red, 50, 2)
    view = index.snapshot()
    assert read == [2]
    at = view.digests.to_pylist().index(rows.digest("50-1"))
    assert np.array_equal(view.vectors(np.array([at])).data[0], rows.vectors(red, 2, 50).data[1])


def test_rows_and_their_vectors_belong_together_whatever_happened(index, red):
    """In the demo that this grew from one bad file shifted every later result by one."""
    with index.writer() as writer:
        rows.commit(writer, red, 60, 4)
        writer.commit([rows.file("bad", status="failed", failure="decode")], [], [], red.empty())
        writer.remove(["/files/1.txt", "/files/2.txt"])
        rows.commit(writer, red, 61, 4)
        writer.maintain()
        rows.commit(writer, red, 62, 4)
    for again in (index, LanceIndex.open(index.uri)):
        view = again.snapshot()
        for f in (60, 61, 62):
            for j, vector in enumerate(rows.vectors(red, 4, f)):
                row = view.nearest(vector, 1)[0].rows[0]
                (item,) = view.items_of(int(row))
                assert view.items["id"][int(item)].as_py() == f"{f}-{j}"
                assert view.items["path"][int(item)].as_py() == f"/files/{f}.txt"


def test_above_the_limit_the_rows_stay_on_disk(index, red):
    index.ram_rows = 11
    assert isinstance(index.snapshot().finder, Disk)
    assert isinstance(LanceIndex.open(index.uri).snapshot().finder, Ram)


def test_a_search_of_another_space_is_refused(index, blue):
    with pytest.raises(errors.SpaceMismatchError, match="translate them first"):
        index.nearest(rows.vectors(blue, 1), 3)


def test_strange_names_and_texts_come_back(index, red):
    path = "/files/new\nline ‮ 'quote\" %ED%A0%80.txt"
    file = FileRow(path, "/files", 0, 0.0, "", "strange", "indexed", meta={"a'b": 'c"d', "n": 2**53, "f": 1e-300})
    with index.writer() as writer:
        writer.commit(
            [file], [rows.items("s", 1, "null \x00 lone \ud800 end")[0]], [rows.digest("s-0")], rows.vectors(red, 1)
        )
        assert writer.remove([path]) == 1
        writer.commit([file], [], [], red.empty())
    with LanceIndex.open(index.uri).writer() as writer:
        assert writer.files()[path] == file
    table = lance.dataset(str(Path(index.uri) / "items.lance")).to_table(filter="id = 's-0'")
    assert table["text"].to_pylist() == ["null \x00 lone ? end"]


def test_a_writer_ends_with_its_lock(index, red):
    with index.writer() as writer:
        pass
    for act in (lambda: rows.commit(writer, red, 1), lambda: writer.remove(["x"]), writer.maintain):
        with pytest.raises(ValueError, match="Open another"):
            act()


def test_status(index, red):
    with index.writer() as writer:
        writer.commit([rows.file("bad", status="failed", failure="decode", root="/b")], [], [], red.empty())
    status = index.status()
    assert (status.files, status.failures, status.kinds) == ({"indexed": 4, "failed": 1}, {"decode": 1}, {"text": 12})
    assert (status.items, status.vectors, status.space, status.model) == (12, 12, red, "hashing:8")
    assert status.bytes == sum(p.stat().st_size for p in Path(index.uri).rglob("*") if p.is_file())
    assert status.versions == 3 and status.fragments >= 4
