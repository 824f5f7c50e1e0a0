"""The lock of an index on an object store: one writer, any number of readers.

No operating system holds a lock there, so it is a lease: an object that its owner rewrites every few seconds and that
counts as free when nobody has for TTL seconds, by the store's own clock. Each write is conditional on what the object
was before, so that of two who find it free one gets it. An owner that could not renew in time (it slept, the network
was gone) is told so at its next commit, and commits nothing.

Knows nothing of what is written. Imports obstore (extra `s3`).
"""

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final

from samespace.errors import IndexLockedError, MissingExtraError, StoreError
from samespace.index.lock import NAME, owner

__all__ = ["TTL", "Lease", "hold_lease", "store_at"]

TTL = 60.0
"""Seconds without a renewal after which a lease is free."""

_CLOCK = "writer.clock"  # written to learn what time it is over there
_PAUSE = 0.5  # seconds between two tries
_RETRY: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}


def store_at(uri: str) -> Any:
    """The object store at a URL, with credentials and endpoint from the environment.

    Raises:
        MissingExtraError: obstore is not installed.
        StoreError: no such kind of store.
    """
    try:
        from obstore.store import from_url
    except ImportError as err:
        raise MissingExtraError("an index on an object store", "obstore", "s3") from err
    try:
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
        options: Any = {"timeout": "15s", "allow_http": plain}  # options hide what the environment says of them
        return from_url(uri.rstrip("/"), client_options=options, retry_config=_RETRY)
    except Exception as err:  # obstore's own errors, ValueError, and panics of the Rust below
        raise StoreError(
            uri, f"the store cannot be used ({_first(err)})", "Name a bucket: --index s3://bucket/folder"
        ) from err


class Lease:
    """A lease that is held, and is renewed in the background until it is released.

    Args:
        store: of obstore.
        uri: for messages.
        tag: the e_tag of the object as this owner wrote it.
        ttl: seconds.
    """

    def __init__(self, store: Any, uri: str, tag: str, ttl: float) -> None:
        self._store, self._uri, self._tag, self._ttl = store, uri, tag, ttl
        self._renewed = time.monotonic()
        self._lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="samespace-lease", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Raise StoreError if it may be somebody else's by now."""
        if self._lost or time.monotonic() - self._renewed > 0.75 * self._ttl:
            raise StoreError(
                self._uri, f"this writer lost its lease: for {0.75 * self._ttl:g} seconds it could not renew it",
                "Index again: it goes on from the last commit",
            )  # fmt: skip

    def release(self) -> None:
        """Stop renewing, and free the lock if it is still ours."""
        self._over.set()
        self._thread.join()
        if not self._lost:
            with suppress(Exception):  # if it cannot be freed now, it is when its time is over
                _put(self._store, b"", self._tag)

    def _renew(self) -> None:
        from obstore.exceptions import NotFoundError, PreconditionError

        while not self._over.wait(self._ttl / 6):
            began = time.monotonic()
            try:
                self._tag = _put(self._store, _mine(), self._tag)
                self._renewed = began
            except (PreconditionError, NotFoundError):
                self._lost = True
                return
            except Exception:  # noqa: S112 - the network may come back before the time is over
                continue


@contextmanager
def hold_lease(uri: str, *, wait: float = 0.0, ttl: float | None = None) -> Iterator[tuple[bool, Lease]]:
    """Hold the lock of an index on an object store.

    Args:
        uri: of the index.
        wait: seconds to wait for another owner to end.
        ttl: seconds without a renewal after which the lock is free; None = TTL.

    Yields:
        whether the last owner ended in order, and the lease.

    Raises:
        IndexLockedError: somebody else has it; says who.
        StoreError: the store cannot be reached or written to.
    """
    store, ttl = store_at(uri), TTL if ttl is None else ttl
    in_order, tag = _take(store, uri, time.monotonic() + wait, ttl)
    lease = Lease(store, uri, tag, ttl)
    try:
        yield in_order, lease
    finally:
        lease.release()


def _take(store: Any, uri: str, until: float, ttl: float) -> tuple[bool, str]:
    """Become the owner: (whether the last one ended in order, e_tag)."""
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    while True:
        try:
            holder, tag, age = _look(store, ttl)
            if tag is None or not holder or age > ttl:
                return not holder, _put(store, _mine(), tag)
        except (AlreadyExistsError, PreconditionError):
            holder = "its name is not written yet"  # another one was faster
        except Exception as err:
            raise StoreError(
                uri, f"the lock cannot be written ({_first(err)})",
                "Look for the bucket's name, its credentials (AWS_ACCESS_KEY_ID, …) and the right to write there",
            ) from err  # fmt: skip
        if time.monotonic() >= until:
            raise IndexLockedError(uri, holder)
        time.sleep(min(_PAUSE, max(0.0, until - time.monotonic())))


def _look(store: Any, ttl: float) -> tuple[str, str | None, float]:
    """Owner ("" = free), e_tag (None = no object) and seconds since the last renewal, by the store's clock."""
    import obstore
    from obstore.exceptions import NotFoundError

    try:
        found = obstore.get(store, NAME)
        content, meta = bytes(found.bytes()), found.meta
    except (NotFoundError, FileNotFoundError):
        return "", None, 0.0
    holder = _name(content)
    if not holder:
        return "", meta["e_tag"], 0.0
    obstore.put(store, _CLOCK, secrets.token_bytes(8))
    now: datetime = obstore.head(store, _CLOCK)["last_modified"]
    return holder, meta["e_tag"], (now - meta["last_modified"]).total_seconds()


def _put(store: Any, content: bytes, tag: str | None) -> str:
    """Write the lock if it still is what it was; its new e_tag."""
    import obstore

    made = obstore.put(store, NAME, content, mode="create" if tag is None else {"e_tag": tag})
    return str(made["e_tag"])


def _mine() -> bytes:
    """Content that no other has, so that no two e_tags are equal."""
    return json.dumps({"owner": owner(), "nonce": secrets.token_hex(8)}).encode()


def _name(content: bytes) -> str:
    """Who wrote it; "" = nobody holds it."""
    if not content:
        return ""
    try:
        return str(json.loads(content)["owner"])[:500]
    except (ValueError, KeyError, TypeError):
        return "somebody who wrote something else there"


def _first(err: BaseException) -> str:
    """The first line of an error, without the store's address and headers."""
    return (str(err).splitlines() or [type(err).__name__])[0][:200]
