"""The store of a function that only reads: a second refusal, behind the one of each request that would write.

Such a function creates objects below a few prefixes only. No other write reaches the store, and no deletion. A write
that arrives here is a bug of the code above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lambda_handlers.store.protocol import CopyOf, ObjectInfo, ObjectStore, Refused


class ReadingStore:
    def __init__(self, store: ObjectStore, may_create_below: tuple[str, ...]) -> None:
        self._store = store
        self._may_create_below = may_create_below

    def get(self, key: str) -> bytes:
        return self._store.get(key)

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        return self._store.get_with_tag(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._store.get_range(key, start, length)

    def size(self, key: str) -> int:
        return self._store.size(key)

    def info(self, key: str) -> ObjectInfo:
        return self._store.info(key)

    def chunks(self, key: str) -> Iterator[bytes]:
        return self._store.chunks(key)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        return self._store.list_objects(prefix, after)

    def list_directories(self, prefix: str) -> list[str]:
        return self._store.list_directories(prefix)

    def create(self, key: str, body: bytes) -> str:
        self._check(key)
        return self._store.create(key, body)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        self._check(key)
        self._store.create_from(key, chunks)

    def assemble(self, key: str, _parts: Sequence[bytes | CopyOf]) -> str:
        raise _refusal(key)

    def put(self, key: str, _body: bytes) -> str:
        raise _refusal(key)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        if method != "GET":
            raise _refusal(keys[0] if keys else "")
        return self._store.presign(method, keys, seconds)

    def replace(self, key: str, _body: bytes, _etag: str) -> str:
        raise _refusal(key)

    def delete(self, key: str) -> None:
        raise _refusal(key)

    def delete_version(self, key: str, _etag: str) -> bool:
        raise _refusal(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        raise _refusal(keys[0] if keys else "")

    def close(self) -> None:
        self._store.close()

    def _check(self, key: str) -> None:
        if not key.startswith(self._may_create_below):
            raise _refusal(key)


def _refusal(key: str) -> Refused:
    refused = Refused(key, "a function that only reads may not write it")
    refused.is_unmade = True
    refused.hint = "report it: the request should have been refused before"
    return refused
