"""Files of an object store: listed like a folder, fetched one at a time, kept by their URL."""

import time
from pathlib import Path

import obstore
import pytest
from bulking import fill, new, order, rows_of
from ingesting import words

from samespace.encode.hashing import load
from samespace.errors import QueryError
from samespace.index.bulk import bulk
from samespace.index.executor import Loop, Spawned
from samespace.index.ingest import ingest
from samespace.index.lease import store_at
from samespace.index.remote import Fetcher, in_store, is_store, listing, url_of
from samespace.index.scan import Found, Ignored
from samespace.index.survey import Survey
from samespace.read.protocol import Limits

ENCODER = load("64")


@pytest.mark.parametrize(
    ("text", "store"), [("s3://b/p", True), ("gs://b", True), ("file:///a", False), ("/a/b", False), ("a:b", False)]
)
def test_what_a_store_is(text, store):
    assert is_store(text) == store
    assert url_of(in_store(text)) == text


def put(bucket: str, **objects: str | bytes) -> None:
    for key, value in objects.items():
        obstore.put(store_at(bucket), key, value.encode() if isinstance(value, str) else value)


@pytest.fixture
def filled(bucket, tmp_path):
    """A prefix of a bucket that holds what a folder holds, and the folder."""
    folder = fill(tmp_path / "folder")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            obstore.put(store_at(bucket), str(path.relative_to(folder)), path.read_bytes())
    return bucket, folder


@pytest.mark.slow
class TestStores:
    def test_a_listing_is_a_walk(self, bucket):
        put(bucket, **{
            "a/b c.txt": "x", "z.txt": "yy", ".hidden/a.txt": "x", "a/.git": "x", "node_modules/a.js": "x",
            "old.index/files.lance/_versions/1.manifest": "x", "old.index/writer.lock": "x",
        })  # fmt: skip
        entries = list(listing(bucket, lambda: False))
        found = [(url_of(str(e.path)), url_of(str(e.root)), e.size) for e in entries if isinstance(e, Found)]
        assert found == [(f"{bucket}/a/b c.txt", bucket, 1), (f"{bucket}/z.txt", bucket, 2)]
        assert [e.reason for e in entries if isinstance(e, Ignored)] == [
            "hidden", "hidden", "generated", "an index", "an index"
        ]  # fmt: skip
        assert all(e.fresh and abs(e.modified - time.time()) < 60 for e in entries if isinstance(e, Found))

    def test_a_store_that_does_not_answer_says_what_to_check(self, bucket):
        with pytest.raises(QueryError, match=r"^s3://nowhere/x: it cannot be listed(.|\n)*AWS_ENDPOINT_URL"):
            list(listing("s3://nowhere/x", lambda: False))

    def test_the_same_rows_as_of_a_folder_under_other_names(self, filled, tmp_path):
        bucket, folder = filled
        ordinary, index = new(tmp_path / "ordinary", ENCODER), new(tmp_path / "bulk", ENCODER)
        ingest(ordinary, ENCODER, [folder])
        counts = bulk(index, order(index, ENCODER), [bucket], executor=Spawned(2))
        want, got = rows_of(ordinary), rows_of(index)
        for row in want["files"]:
            row["path"], row["root"] = row["path"].replace(str(folder), bucket), bucket
        want["files"].sort(key=lambda row: row["path"])
        assert got == want
        assert (counts.seen, counts.failed) == (45, 3)
        again = bulk(index, order(index, ENCODER), [bucket + "/"], executor=Loop())
        assert again.passages == 0

    def test_what_changed_and_went_in_the_store(self, filled, tmp_path):
        bucket, _ = filled
        index = new(tmp_path / "bulk", ENCODER)
        bulk(index, order(index, ENCODER), [bucket], executor=Loop())
        put(bucket, **{"0/000.txt": words(900)})
        store_at(bucket).delete(["1/007.txt"])
        store_at(bucket).rename("2/008.txt", "moved.txt")
        counts = bulk(index, order(index, ENCODER), [bucket], executor=Loop())
        assert (counts.passages, counts.removed, counts.moved) == (1, 1, 1)
        assert f"{bucket}/1/007.txt" not in index.files()
        assert index.files()[f"{bucket}/moved.txt"].root == bucket

    def test_an_empty_prefix_forgets_nothing_unless_told(self, filled, tmp_path):
        bucket, _ = filled
        index = new(tmp_path / "bulk", ENCODER)
        bulk(index, order(index, ENCODER), [bucket], executor=Loop())
        store_at(bucket).delete([e.path.relative_to(e.root).as_posix() for e in listing(bucket, lambda: False)])
        with pytest.raises(QueryError, match="is empty, but the index knows 45 files"):
            bulk(index, order(index, ENCODER), [bucket], executor=Loop())
        counts = bulk(index, order(index, ENCODER), [bucket], executor=Loop(), forget=True)
        assert counts.removed == 45
        assert index.files() == {}

    def test_one_file_at_a_time_and_none_stays(self, bucket, tmp_path, monkeypatch):
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)
        put(bucket, **{"a.txt": "one", "b.txt": "four"})
        one, two = (e for e in listing(bucket, lambda: False) if isinstance(e, Found))
        with Fetcher(Limits(file_bytes=3)) as fetcher:
            here, failed = fetcher.fetch(one)
            assert here.path.read_text() == "one"
            assert (failed, here.path.stat().st_mtime_ns // 1000 / 1e6) == (None, one.modified)
            fetcher.spent(here.path)
            assert here.path.exists()  # until what was read of it is encoded
            fetcher.sweep()
            assert not here.path.exists()
            big, failed = fetcher.fetch(two)
            assert failed is None
            assert not big.path.exists()  # over the limit: the planner says so
            store_at(bucket).delete(["a.txt"])
            _, failed = fetcher.fetch(one)
            assert failed.failure == "vanished"
            assert fetcher.lasting(failed).path == f"{bucket}/a.txt"
        assert list(tmp_path.iterdir()) == []


def test_what_is_in_a_store_is_not_gone_from_a_disk():
    assert Survey(roots=("/",)).gone(["s3://b/k.txt", "/a.txt"]) == ["/a.txt"]


def test_a_local_file_stays_where_it_is(tmp_path):
    found = Found(tmp_path / "a.txt", tmp_path, 1, 0.0)
    (tmp_path / "a.txt").write_text("a")
    with Fetcher(Limits()) as fetcher:
        assert fetcher.fetch(found) == (found, None)
        fetcher.spent(found.path)
        fetcher.sweep()
        assert fetcher.known({"/x": "row"}, [found]) == {"/x": "row"}
    assert Path(tmp_path / "a.txt").exists()
