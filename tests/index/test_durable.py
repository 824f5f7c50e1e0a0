"""What commit returned from is on the disk: each new file was synced, data before the version that names them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lance
import made_rows as rows
import pytest

from samespace import Space
from samespace.index.durable import Durable
from samespace.index.lance import LanceIndex


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """Every path given to fsync, in order."""
    seen: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        seen.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def below(folder: Path) -> set[str]:
    return {str(p) for p in folder.rglob("*") if p.name not in ("writer.lock", "latest_version_hint.json")}


def test_each_new_file_and_the_folders_that_name_it_once(tmp_path, synced):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "old").write_text("x")
    durable = Durable(tmp_path, clean=["a"])
    (tmp_path / "a" / "b" / "new").write_text("x")
    assert durable.sync("a") == 1
    assert synced == [str(tmp_path / "a" / "b" / "new"), str(tmp_path / "a" / "b")]
    synced.clear()
    assert durable.sync("a") == 0 and not synced
    (tmp_path / "a" / "c").mkdir()
    durable.sync("a")
    assert synced == [str(tmp_path / "a" / "c"), str(tmp_path / "a")]


def test_a_part_that_is_new_itself_is_named_by_a_folder_that_is_synced(tmp_path, synced):
    (tmp_path / "a").mkdir()
    durable = Durable(tmp_path, clean=["a"])
    (tmp_path / "a" / "b").mkdir()
    (tmp_path / "a" / "b" / "new").write_text("four")
    assert (durable.sync("a/b", "a/none"), durable.written) == (1, 4)
    assert synced == [str(tmp_path / "a" / "b" / "new"), str(tmp_path / "a" / "b"), str(tmp_path / "a")]
    synced.clear()
    (tmp_path / "a" / "b" / "more").write_text("x")
    durable.sync("a/b")
    assert synced == [str(tmp_path / "a" / "b" / "more"), str(tmp_path / "a" / "b")]


def test_what_was_deleted_is_forgotten_and_synced_when_it_comes_back(tmp_path, synced):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text("x")
    durable = Durable(tmp_path, clean=["a"])
    (tmp_path / "a" / "one").unlink()
    durable.forget("a")
    (tmp_path / "a" / "one").write_text("again")
    assert durable.sync("a") == 1 and durable.sizes("") == {"a/one": 5}
    assert durable.tail("a/one", 3) == b"ain"


def test_all_is_synced_when_create_and_commit_return(tmp_path, red: Space, synced):
    folder = tmp_path / "i"
    index = LanceIndex.create(folder, red, "m")
    assert below(folder) | {str(folder), str(tmp_path)} <= set(synced)
    with index.writer() as writer:
        for f in range(4):
            before = below(folder)
            key = index.previews.put(b"picture %d" % f)
            writer.commit([], rows.items(f, 2), [r.digest for r in rows.items(f, 2)], rows.vectors(red, 2, f))
            writer.commit([rows.file(f, preview=key)], [], [], red.empty())
            new = below(folder) - before
            assert new and not {p for p in new if Path(p).is_file() and not p.endswith(".webp")} - set(synced)
            assert {str(Path(p).parent) for p in new} <= set(synced[-60:])
        writer.remove(["/files/0.txt"])
        assert not below(folder) - set(synced) - {p for p in below(folder) if p.endswith(".webp")}
        writer.maintain()
        assert not below(folder) - set(synced) - {p for p in below(folder) if p.endswith(".webp")}


def test_a_version_is_written_after_the_data_it_names(tmp_path, red: Space, synced, monkeypatch):
    index = LanceIndex.create(tmp_path / "i", red, "m")
    real, at_commit = lance.LanceDataset.commit, []

    def commit(table, *args, **how):
        data = {p for p in below(tmp_path / "i") if "/data/" in p or "/_deletions/" in p}
        others = {p for p in below(tmp_path / "i") if Path(p).is_file() and str(table.uri).strip("/") not in p}
        at_commit.append((table.uri, (data | others) - set(synced)))
        return real(table, *args, **how)

    monkeypatch.setattr(lance.LanceDataset, "commit", commit)
    with index.writer() as writer:
        rows.commit(writer, red, 1)
        rows.commit(writer, red, 2)
        writer.commit([rows.file(1, 2)], [], [], red.empty())
        writer.remove(["/files/1.txt"])
    names = [Path(uri).stem.split("_")[0] for uri, _ in at_commit]
    assert names == ["vec", "items", "files"] * 2 + ["files", "files"]
    assert not any(unsynced for _, unsynced in at_commit)


def test_after_a_crash_all_is_synced_before_anything_is_relied_on(tmp_path, red: Space, synced):
    folder = tmp_path / "i"
    index = LanceIndex.create(folder, red, "m")
    with pytest.raises(RuntimeError), index.writer() as writer:
        rows.commit(writer, red, 1)
        raise RuntimeError
    synced.clear()
    with index.writer():
        assert {p for p in below(folder) if Path(p).is_file()} <= set(synced)
    synced.clear()
    with index.writer():
        assert synced == [str(folder / "writer.lock"), str(folder)]  # who writes, and nothing else


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_system_sees_it(tmp_path, red: Space):
    """Without our hooks: count fsync calls of a process that commits once, by strace."""
    LanceIndex.create(tmp_path / "i", red, "m")
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); import made_rows as rows\n"
        "from samespace.index.lance import LanceIndex\n"
        "index = LanceIndex.open(sys.argv[1])\n"
        "with index.writer() as writer: rows.commit(writer, index.space, 1)\n"
    )
    log = tmp_path / "log"
    subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", log, sys.executable, "-c", code, tmp_path / "i",
         Path(__file__).parent], check=True, capture_output=True,
    )  # fmt: skip
    lines = log.read_text().splitlines()
    for part in (
        "/vec_aaaaaaaaaaaa.lance/data/",
        "/items.lance/data/",
        "/files.lance/data/",
        "/files.lance/_versions/",
    ):
        assert any(part in line for line in lines), part


def test_a_draft_that_goes_while_files_are_synced_is_no_trouble(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    for name in ("cache/draft", "kept", "last"):
        (tmp_path / name).write_bytes(b"12345")
    real = os.fsync

    def fsync(handle: int) -> None:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    durable = Durable(tmp_path)
    durable.sync()  # what lies deeper comes last
    assert durable.written == 10
