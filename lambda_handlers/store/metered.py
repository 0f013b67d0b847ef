"""The metered store: counts of requests and bytes, for the stats of a reply."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from lambda_handlers.store.protocol import PAGE_KEYS, PART_BYTES, CopyOf, ObjectInfo, ObjectStore
from lambda_handlers.store_clock import StoreClock


class MeteredStore:
    """A store that counts its requests, and the bytes of bodies in and out.

    S3's price list has two kinds of requests: writes and listings (`writes`), and the others.
    """

    def __init__(self, store: ObjectStore, clock: StoreClock | None = None) -> None:
        self._store = store
        self.clock = clock or StoreClock()
        self._counting = threading.Lock()
        self.requests = 0  # of both kinds
        self.writes = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def get(self, key: str) -> bytes:
        return self._count_body(lambda: self._store.get(key))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        self._count(others=1)
        body, etag = self._store.get_with_tag(key)
        self._count(bytes_in=len(body))
        return body, etag

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._count_body(lambda: self._store.get_range(key, start, length))

    def size(self, key: str) -> int:
        self._count(others=1)
        return self._store.size(key)

    def info(self, key: str) -> ObjectInfo:
        self._count(others=1)
        return self._store.info(key)

    def chunks(self, key: str) -> Iterator[bytes]:
        self._count(others=1)
        for chunk in self._store.chunks(key):
            self._count(bytes_in=len(chunk))
            yield chunk

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        self._count(writes=1)
        for number, info in enumerate(self._store.list_objects(prefix, after), start=1):
            yield info
            if number % PAGE_KEYS == 0:
                self._count(writes=1)

    def list_directories(self, prefix: str) -> list[str]:
        self._count(writes=1)
        return self._store.list_directories(prefix)

    def create(self, key: str, body: bytes) -> str:
        self._count(writes=1, bytes_out=len(body))
        return self._store.create(key, body)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        sent = 0

        def counted() -> Iterator[bytes]:
            nonlocal sent
            for chunk in chunks:
                sent += len(chunk)
                yield chunk

        try:
            self._store.create_from(key, counted())
        finally:
            parts = -(-sent // PART_BYTES)
            self._count(writes=1 if parts <= 1 else parts + 2, bytes_out=sent)

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        self._count(writes=len(parts) + 2, bytes_out=sum(len(part) for part in parts if isinstance(part, bytes)))
        return self._store.assemble(key, parts)

    def put(self, key: str, body: bytes) -> str:
        self._count(writes=1, bytes_out=len(body))
        return self._store.put(key, body)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        return self._store.presign(method, keys, seconds)

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self._count(writes=1, bytes_out=len(body))
        return self._store.replace(key, body, etag)

    def delete(self, key: str) -> None:
        self._count(others=1)
        self._store.delete(key)

    def delete_version(self, key: str, etag: str) -> bool:
        self._count(others=1)
        return self._store.delete_version(key, etag)

    def delete_many(self, keys: Sequence[str]) -> None:
        self._count(others=-(-len(keys) // PAGE_KEYS))
        self._store.delete_many(keys)

    @property
    def counters(self) -> dict[str, int]:
        """The requests and bytes so far, by their names in the statistics of a reply."""
        own = {"store_requests": self.requests, "store_writes": self.writes}
        return own | {"bytes_in": self.bytes_in, "bytes_out": self.bytes_out}

    def used_since(self, before: Mapping[str, int]) -> dict[str, int]:
        """Return the requests and bytes since the counters were those."""
        return {name: count - before[name] for name, count in self.counters.items()}

    def close(self) -> None:
        self._store.close()

    def _count_body(self, read: Callable[[], bytes]) -> bytes:
        self._count(others=1)
        body = read()
        self._count(bytes_in=len(body))
        return body

    def _count(self, *, writes: int = 0, others: int = 0, bytes_in: int = 0, bytes_out: int = 0) -> None:
        with self._counting:
            self.requests += writes + others
            self.writes += writes
            self.bytes_in += bytes_in
            self.bytes_out += bytes_out
