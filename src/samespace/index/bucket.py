"""An index on an object store: what it took is there, so nothing is synced; a lease says who may write.

Small pictures lie beside the tables, as in a folder. Whether this writer still has its lease is asked before each
version is named: one that slept too long commits nothing more.

Knows nothing of tables. Imports obstore (extra `s3`).
"""

from collections.abc import Container
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

from samespace.errors import MissingExtraError
from samespace.index.lease import Lease, store_at
from samespace.index.previews import Previews

__all__ = ["Bucket", "FarPreviews", "Listing"]

_SENDERS = 8
_PENDING = 64  # pictures on their way before the next one waits


class Listing:
    """What is there, for those who only read.

    Args:
        store: of obstore.
    """

    def __init__(self, store: Any) -> None:
        self.store = store

    def sizes(self, part: str) -> dict[str, int]:
        """Bytes of each object below a part, by its path below that part."""
        return sizes(self.store, part)


class Bucket(Listing):
    """A Medium.

    Args:
        store: of obstore.
        lease: of the one who writes.
    """

    def __init__(self, store: Any, lease: Lease) -> None:
        super().__init__(store)
        self._lease = lease
        self.written = 0  # not counted: listing after every commit would cost more than it tells

    def sync(self, *parts: str) -> int:
        """Return if this is still the writer. Raises StoreError if it may not be."""
        self._lease.require()
        return 0

    def tail(self, path: str, count: int) -> bytes:
        """The last bytes of an object; fewer if it has no more."""
        size = self.store.head(path)["size"]
        start = max(0, size - count)
        return bytes(self.store.get_range(path, start=start, end=size)) if size else b""

    def forget(self, part: str) -> None:
        """There is nothing to forget."""


def sizes(store: Any, part: str) -> dict[str, int]:
    """Bytes of each object below a part of a store, by its path below that part."""
    top = part.rstrip("/") + "/" if part else ""
    return {one["path"][len(top) :]: one["size"] for chunk in store.list(top or None) for one in chunk}


class FarPreviews(Previews):
    """A store of WebP pictures on an object store.

    Args:
        uri: of the index.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(None)
        self._uri = uri
        self._made: Any = None
        self._there: set[str] = set()
        self._senders: ThreadPoolExecutor | None = None
        self._sent: list[Future[Any]] = []

    @property
    def _store(self) -> Any:
        if self._made is None:
            self._made = store_at(f"{self._uri.rstrip('/')}/previews")
        return self._made

    def put(self, data: bytes) -> str:
        """Send a picture off and return its key. It is there after `sync`."""
        key = blake2b(data, digest_size=16).hexdigest()
        if key not in self._there:
            self._there.add(key)
            self._senders = self._senders or ThreadPoolExecutor(_SENDERS, thread_name_prefix="samespace-preview")
            self._sent.append(self._senders.submit(self._store.put, _place(key), data))
            if len(self._sent) > _PENDING:
                self.sync()
        return key

    def get(self, key: str) -> bytes | None:
        """The picture of a key; None if there is none, or if it is no key."""
        if not self.is_key(key):
            return None
        try:
            return bytes(self._store.get(_place(key)).bytes())
        except (FileNotFoundError, MissingExtraError):
            return None

    def sync(self) -> None:
        """Wait until all pictures are there. Raises OSError if one could not be sent."""
        sent, self._sent = self._sent, []
        try:
            for one in sent:
                one.result()
        except Exception as err:
            self._there.clear()
            raise OSError(f"a preview could not be sent: {(str(err).splitlines() or [''])[0][:200]}") from err

    def keep(self, keys: Container[str]) -> int:
        """Delete all others. Returns how many went."""
        there = [path for path in sizes(self._store, "") if path.rpartition("/")[2].removesuffix(".webp") not in keys]
        if there:
            self._store.delete(there)
        self._there.clear()
        return len(there)


def _place(key: str) -> str:
    return f"{key[:2]}/{key}.webp"
