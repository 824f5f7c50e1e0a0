"""Walking folders: names of every sort, links, and what is passed over."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace.errors import QueryError
from samespace.index.scan import Found, Ignored, Unreadable, decode_path, encode_path, is_taken, resolve, scan


def names(root: Path, **settings) -> list[str]:
    return [encode_path(e.path.relative_to(root)) for e in scan(root, **settings) if isinstance(e, Found)]


def ignored(root: Path, **settings) -> dict[str, str]:
    return {encode_path(e.path.relative_to(root)): e.reason for e in scan(root, **settings) if isinstance(e, Ignored)}


@given(st.binary(max_size=40).filter(lambda b: b"\0" not in b))
def test_any_bytes_of_a_name_come_back(raw: bytes) -> None:
    path = os.fsdecode(b"/a/" + raw)
    text = encode_path(path)
    text.encode("utf-8")  # clean: no surrogates left
    assert os.fsencode(str(decode_path(text))) == os.fsencode(str(Path(path)))


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_two_names_never_become_one(pair: list[bytes]) -> None:
    one, other = (encode_path(os.fsdecode(raw)) for raw in pair)
    assert one != other


def test_a_percent_sign_stays_readable_unless_it_could_be_mistaken() -> None:
    assert encode_path("/a/100%.txt") == "/a/100%.txt"
    assert encode_path("/a/%20%C3%25") == "/a/%20%25C3%2525"


def test_names_that_break_naive_programs(tmp_path: Path) -> None:
    odd = [b"two\nlines.txt", "right\u202eto\u202cleft.txt".encode(), b"caf\xe9.txt", "日本語.txt".encode(), b" .txt"]
    for raw in odd:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw)).write_text("x")
    found = [e for e in scan(tmp_path) if isinstance(e, Found)]
    assert {os.fsencode(e.path.name) for e in found} == set(odd)
    assert [os.fsencode(decode_path(encode_path(e.path))) for e in found] == [os.fsencode(e.path) for e in found]


def test_same_tree_same_order(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/1", "c", "B"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(tmp_path) == ["B", "c", "a/1", "b/1", "b/2"]


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    os.utime(tmp_path / "a", ns=(0, 1_600_000_000_123_456_789))
    (found,) = scan(tmp_path)
    assert (found.size, found.modified, found.root) == (5, 1_600_000_000.123456, tmp_path)


def test_hidden_generated_and_indexes_are_passed_over_and_said(tmp_path: Path) -> None:
    for folder in (
        ".git",
        ".samespace",
        "node_modules/x",
        "__pycache__",
        "my.index/files.lance/_versions",
        "own",
        "ok",
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "f.txt").write_text("x")
    (tmp_path / ".secret").write_text("x")
    assert names(tmp_path, exclude=tmp_path / "own") == ["ok/f.txt"]
    assert ignored(tmp_path, exclude=tmp_path / "own") == {
        ".git": "hidden",
        ".samespace": "hidden",
        ".secret": "hidden",
        "__pycache__": "generated",
        "my.index": "an index",
        "node_modules": "generated",
        "own": "an index",
    }


def test_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside.txt"
    (root / "sub").mkdir(parents=True)
    (root / ".store").mkdir()
    outside.write_text("x")
    (root / "real.txt").write_text("x")
    (root / ".store/blob").write_text("x")
    (root / "sub/loop").symlink_to(root)
    (root / "out").symlink_to(outside)
    (root / "again").symlink_to(root / "real.txt")
    (root / "gone").symlink_to(root / "nothing")
    (root / "self").symlink_to(root / "self")
    (root / "stored").symlink_to(root / ".store/blob")
    (root / "stored2").symlink_to(root / ".store/blob")
    assert names(root) == ["real.txt", "stored"]
    assert ignored(root) == {
        ".store": "hidden",
        "again": "link to a file that is indexed already",
        "gone": "broken link",
        "out": "link out of the folder",
        "self": "broken link",
        "stored2": "link to a file that is indexed already",
        "sub/loop": "link to a folder",
    }


def test_sockets_and_pipes_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as plug:
        os.chdir(tmp_path)  # a socket's path must be short
        try:
            plug.bind("plug")
        finally:
            os.chdir(here)
        assert ignored(tmp_path) == {"pipe": "not a regular file", "plug": "not a regular file"}


def test_a_folder_without_permission_is_reported_and_the_rest_is_walked() -> None:
    root = Path(tempfile.mkdtemp())
    try:
        (root / "closed").mkdir()
        (root / "closed/f").write_text("x")
        (root / "open.txt").write_text("x")
        root.chmod(0o755)
        (root / "closed").chmod(0)
        superuser = os.geteuid() == 0
        if superuser:
            os.seteuid(65534)  # the superuser may read everything
        try:
            entries = list(scan(root))
        finally:
            if superuser:
                os.seteuid(0)
        (bad,) = [e for e in entries if isinstance(e, Unreadable)]
        assert (bad.path, bad.failure) == (root / "closed", "permission")
        assert [e.path.name for e in entries if isinstance(e, Found)] == ["open.txt"]
    finally:
        (root / "closed").chmod(0o755)
        shutil.rmtree(root)


def test_a_root_may_be_one_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("x")
    (found,) = scan(file)
    assert (found.path, found.root) == (file, tmp_path), "named outright, it is taken although it is hidden"


def test_a_very_deep_tree_is_walked(tmp_path: Path) -> None:
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(300):
            Path("d").mkdir()
            os.chdir("d")
        Path("f").write_text("x")
    finally:
        os.chdir(here)
    assert sum(isinstance(e, Found) for e in scan(tmp_path)) == 1


def test_roots_are_made_absolute_and_each_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    assert resolve(["a", "link", "a/b", str(tmp_path / "a")]) == [tmp_path / "a"]


def test_a_root_that_is_not_there_is_an_error_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"no such file or folder\n.*--forget"):
        resolve([tmp_path / "nothing"])
    assert resolve([tmp_path / "nothing"], forget=True) == [tmp_path / "nothing"]
    with pytest.raises(QueryError, match="samespace index FOLDER"):
        resolve([])


def test_what_a_walk_takes_can_be_told_from_the_name(tmp_path: Path) -> None:
    assert is_taken(tmp_path / "a/b.txt", tmp_path, None)
    assert not is_taken(tmp_path / "a/.b/c.txt", tmp_path, None)
    assert not is_taken(tmp_path / "own/c.txt", tmp_path, tmp_path / "own")
    assert not is_taken(tmp_path.parent / "c.txt", tmp_path, None)
