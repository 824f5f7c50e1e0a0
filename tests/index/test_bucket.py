"""What an index on an object store stands on."""

import pytest

from samespace import errors
from samespace.index.bucket import Bucket, FarPreviews, sizes
from samespace.index.lease import hold_lease, store_at


def test_previews_are_kept_by_their_bytes_and_the_rest_goes(bucket: str):
    pictures = FarPreviews(bucket)
    keys = [pictures.put(bytes([i]) * 50) for i in range(70)]
    assert pictures.put(b"\x03" * 50) == keys[3]
    pictures.sync()
    again = FarPreviews(bucket)
    assert again.get(keys[3]) == b"\x03" * 50 and again.get(keys[69]) == bytes([69]) * 50
    assert again.get("0" * 32) is None and again.get("../../writer.lock") is None
    assert again.keep({keys[3], keys[4]}) == 68
    assert again.get(keys[3]) and again.get(keys[5]) is None
    assert again.put(bytes([5]) * 50) == keys[5]
    again.sync()
    assert FarPreviews(bucket).get(keys[5])


def test_a_preview_that_cannot_be_sent_is_no_commit(bucket: str, monkeypatch: pytest.MonkeyPatch):
    pictures = FarPreviews(bucket.replace("shelf", "nosuchbucket"))
    pictures.put(b"one")
    with pytest.raises(OSError, match="preview could not be sent"):
        pictures.sync()


def test_sizes_and_tails(bucket: str):
    store = store_at(bucket)
    store.put("a.lance/data/x", b"12345")
    store.put("a.lance/y", b"")
    store.put("ab.lance/z", b"1")
    assert sizes(store, "a.lance") == {"data/x": 5, "y": 0}
    with hold_lease(bucket) as (_, lease):
        medium = Bucket(store, lease)
        assert medium.sizes("a.lance") == {"data/x": 5, "y": 0}
        assert medium.tail("a.lance/data/x", 2) == b"45"
        assert medium.tail("a.lance/data/x", 99) == b"12345"
        assert medium.tail("a.lance/y", 9) == b""
        assert medium.sync("a.lance") == 0
        lease._renewed -= 1000
        with pytest.raises(errors.StoreError, match="lost its lease"):
            medium.sync("a.lance")
