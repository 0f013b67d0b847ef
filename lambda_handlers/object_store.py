"""The verbs that the engine uses on an object store.

Keys are relative to the store's prefix and use `/`. Objects are immutable but for `replace`, which only the S3 lock
uses. `create` and `replace` are conditional: they never overwrite what the caller has not seen.

An answer to `create` or `replace` may be wrong about this very call: obstore sends a lost request again and then
meets its own object (AlreadyExists), and a time-out leaves it open (Unavailable). Callers resolve both by reading
the key back; see `storage.replica` for commits and `locks.s3` for locks.

S3 stands behind them in s3_store.py, a directory in directory_store.py; stores.py opens the one that is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 1 << 20


class StoreError(Exception):
    """Something about one key; the text names it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key


class NotFound(StoreError):
    """There is no such object."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "no such object")


class AlreadyExists(StoreError):
    """`create` found an object at the key: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "exists already")


class PreconditionFailed(StoreError):
    """`replace` found another version than the caller's: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "was changed by somebody else")


class Refused(StoreError):
    """The store answered that this may not be done (no permission, no such bucket): nothing was applied."""


class Unavailable(StoreError):
    """The store failed or did not answer; whether a write was applied is not known."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int  # bytes
    modified_at: float  # unix seconds, by the store's clock


class ObjectStore(Protocol):
    """Every verb raises Refused, or Unavailable where the store does not answer after bounded retries."""

    def get(self, key: str) -> bytes:
        """The whole object; raises NotFound."""

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        """The whole object and its ETag, which `replace` needs; raises NotFound."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer where the object ends; raises NotFound."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """The object piece by piece, for what should not be in memory whole; raises NotFound at the first piece."""

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose key begins with `prefix` (which ends with `/` or is empty), in order of their keys."""

    def list_directories(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have objects below them, in order."""

    def create(self, key: str, body: bytes) -> str:
        """Write an object that does not exist and return its ETag; raises AlreadyExists."""

    def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write over the version with this ETag and return the new one; raises PreconditionFailed or NotFound."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""


class MeteredStore:
    """A store that counts what is asked of it: requests, and bytes of bodies in and out."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.requests = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def get(self, key: str) -> bytes:
        self.requests += 1
        return self._count_in(self._store.get(key))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        self.requests += 1
        body, etag = self._store.get_with_tag(key)
        return self._count_in(body), etag

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.requests += 1
        return self._count_in(self._store.get_range(key, start, length))

    def chunks(self, key: str) -> Iterator[bytes]:
        self.requests += 1
        for chunk in self._store.chunks(key):
            yield self._count_in(chunk)

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        self.requests += 1
        for number, info in enumerate(self._store.list_objects(prefix), start=1):
            yield info
            if number % 1000 == 0:  # S3's page
                self.requests += 1

    def list_directories(self, prefix: str) -> list[str]:
        self.requests += 1
        return self._store.list_directories(prefix)

    def create(self, key: str, body: bytes) -> str:
        self.requests += 1
        self.bytes_out += len(body)
        return self._store.create(key, body)

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self.requests += 1
        self.bytes_out += len(body)
        return self._store.replace(key, body, etag)

    def delete(self, key: str) -> None:
        self.requests += 1
        self._store.delete(key)

    def _count_in(self, body: bytes) -> bytes:
        self.bytes_in += len(body)
        return body
