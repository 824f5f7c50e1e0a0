"""The lock of an index on an object store."""

import threading
import time

import obstore
import pytest

from samespace import errors
from samespace.index.lease import hold_lease, store_at


def test_one_at_a_time(bucket: str):
    with hold_lease(bucket) as (in_order, lease):
        assert in_order
        lease.require()
        with pytest.raises(errors.IndexLockedError, match=r"process \d+ on"), hold_lease(bucket):
            pass
    with hold_lease(bucket) as (in_order, _):
        assert in_order


def test_the_second_waits(bucket: str):
    took: list[float] = []
    with hold_lease(bucket):

        def second() -> None:
            with hold_lease(bucket, wait=20) as (in_order, _):
                took.append(in_order)

        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        assert not took
    thread.join(20)
    assert took == [True]


@pytest.mark.slow
def test_an_owner_that_died_is_followed_after_the_time_is_over(bucket: str):
    store = store_at(bucket)
    obstore.put(store, "writer.lock", b'{"owner": "process 1 on mars", "nonce": "0"}')
    with pytest.raises(errors.IndexLockedError, match="process 1 on mars"), hold_lease(bucket, ttl=3):
        pass
    with hold_lease(bucket, ttl=3, wait=20) as (in_order, _):
        assert not in_order


@pytest.mark.slow
def test_a_lease_is_renewed_while_it_is_held(bucket: str):
    with hold_lease(bucket, ttl=4) as (_, lease):
        time.sleep(6)
        lease.require()
        with pytest.raises(errors.IndexLockedError), hold_lease(bucket, ttl=4):
            pass


def test_one_who_lost_it_may_not_commit_nor_free_it(bucket: str):
    store = store_at(bucket)
    with hold_lease(bucket, ttl=1) as (_, lease):
        obstore.put(store, "writer.lock", b'{"owner": "process 2 on mars", "nonce": "1"}')
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                lease.require()
            except errors.StoreError as err:
                assert "Index again" in str(err)
                break
            time.sleep(0.1)
        else:
            pytest.fail("it was never told")
    assert b"process 2" in bytes(obstore.get(store, "writer.lock").bytes())


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"owner": 7}', b"\xff\xfe"])
def test_strange_content_is_somebody(bucket: str, content: bytes):
    obstore.put(store_at(bucket), "writer.lock", content)
    with pytest.raises(errors.IndexLockedError), hold_lease(bucket):
        pass


def test_of_many_who_try_at_once_one_gets_it(bucket: str):
    got, start = [], threading.Barrier(8)

    def attempt() -> None:
        start.wait()
        try:
            with hold_lease(bucket):
                got.append(1)
                time.sleep(1.0)
        except errors.IndexLockedError:
            got.append(0)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [0] * 7 + [1]


@pytest.mark.slow
def test_a_store_that_is_not_there_or_not_known(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(errors.StoreError, match=r"gopher.*\n.*s3://"):
        store_at("gopher://hole/x")
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x",
                        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.StoreError, match="lock cannot be written"), hold_lease("s3://shelf/x"):
        pass
