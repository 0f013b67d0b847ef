"""S3 as one container sees it: every request takes its time and may go wrong; what is applied is applied at one moment.

`Bucket` is the truth: objects by key, conditional writes, strongly consistent, with the time at which they were written
in whole seconds, as S3 tells it. `BucketStore` is what a container has: the verbs of `ObjectStore`, each of which is a
point where others run and faults happen. A LIST comes in small pages, so that it is no snapshot.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_handlers.object_store import (
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectInfo,
    PreconditionFailed,
    Refused,
    StoreError,
    Unavailable,
)
from tests.simulation.container import Container
from tests.simulation.faults import NOT_APPLIED, Fault
from tests.simulation.ledger import Ledger

LIST_PAGE_KEYS = 7
CHUNK_BYTES = 4096
LATEST_SECONDS = 840.0  # a request that is older than a quarter of an hour is refused for its signature


@dataclass(frozen=True, slots=True)
class Object:
    body: bytes
    modified_at: float

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()


class Bucket:
    def __init__(self, now: Callable[[], float], ledger: Ledger) -> None:
        self._now = now
        self.ledger = ledger
        self._keys: list[str] = []
        self.objects: dict[str, Object] = {}

    def get(self, key: str) -> Object:
        if key not in self.objects:
            raise NotFound(key)
        return self.objects[key]

    def create(self, key: str, body: bytes, by: Any) -> str:
        if key in self.objects:
            raise AlreadyExists(key)
        return self.put(key, body, by)

    def replace(self, key: str, body: bytes, etag: str, by: Any) -> str:
        if self.get(key).etag != etag:
            raise PreconditionFailed(key)
        return self.put(key, body, by)

    def put(self, key: str, body: bytes, by: Any) -> str:
        if key not in self.objects:
            insort(self._keys, key)
        self.objects[key] = Object(body, float(int(self._now())))
        self.ledger.written(key, body, by)
        return self.objects[key].etag

    def delete(self, key: str, by: Any) -> None:
        if self.objects.pop(key, None) is not None:
            self._keys.remove(key)
            self.ledger.deleted(key, by)

    def page(self, prefix: str, after: str | None) -> list[ObjectInfo]:
        start = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after or ""))
        keys = self._keys[start : start + LIST_PAGE_KEYS]
        found = [(key, self.objects[key]) for key in keys if key.startswith(prefix)]
        return [ObjectInfo(key, len(it.body), it.modified_at, it.etag) for key, it in found]

    def names(self) -> list[str]:
        return sorted({key.split("/", 1)[0] for key in self._keys})


class BucketStore:
    def __init__(self, bucket: Bucket, container: Container) -> None:
        self._bucket = bucket
        self._container = container

    def get(self, key: str) -> bytes:
        return self._read("get", key, lambda: self._bucket.get(key).body)

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        def read() -> tuple[bytes, str]:
            found = self._bucket.get(key)
            return found.body, found.etag

        return self._read("get", key, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._read("get", key, lambda: self._bucket.get(key).body[start : start + length])

    def size(self, key: str) -> int:
        return self._read("head", key, lambda: len(self._bucket.get(key).body))

    def chunks(self, key: str) -> Iterator[bytes]:
        body = self.get(key)
        yield body[:CHUNK_BYTES]
        for start in range(CHUNK_BYTES, len(body), CHUNK_BYTES):
            yield self._read("go on with", key, lambda start=start: body[start : start + CHUNK_BYTES])

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        while page := self._read("list", prefix, lambda after=after: self._bucket.page(prefix, after)):
            yield from page
            if len(page) < LIST_PAGE_KEYS:
                return
            after = page[-1].key

    def list_directories(self, prefix: str) -> list[str]:
        assert prefix == ""
        return self._read("list", "/", self._bucket.names)

    def create(self, key: str, body: bytes) -> str:
        by = self._container.context
        return self._write("create", key, lambda: self._bucket.create(key, body, by), AlreadyExists)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        self.create(key, b"".join(chunks))

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        def piece(part: bytes | CopyOf) -> bytes:
            if isinstance(part, bytes):
                return part
            return self._bucket.get(part.key).body[part.start : part.start + part.length]

        by = self._container.context
        return self._write(
            "assemble", key, lambda: self._bucket.create(key, b"".join(map(piece, parts)), by), AlreadyExists
        )

    def put(self, key: str, body: bytes) -> str:
        by = self._container.context
        return self._write("put", key, lambda: self._bucket.put(key, body, by), None)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        return None

    def replace(self, key: str, body: bytes, etag: str) -> str:
        by = self._container.context
        return self._write("replace", key, lambda: self._bucket.replace(key, body, etag, by), PreconditionFailed)

    def delete(self, key: str) -> None:
        by = self._container.context
        self._write("delete", key, lambda: self._bucket.delete(key, by), None)

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def _read(self, verb: str, key: str, act: Callable[[], Any]) -> Any:
        container = self._container
        meeting = container.meet(container.faults.at_read, verb, key)
        if not container.go(meeting):
            raise Refused(key, "RequestTimeTooSkewed")
        if meeting.fault in NOT_APPLIED:
            raise Unavailable(key, meeting.fault.value)
        try:
            return act()
        finally:
            container.come_back(meeting)

    def _write(self, verb: str, key: str, act: Callable[[], Any], clash: type[StoreError] | None) -> Any:
        container, world = self._container, self._container.world
        meeting = container.meet(container.faults.at_write, verb, key)
        if not container.go(meeting):
            raise Refused(key, "RequestTimeTooSkewed")
        fault = meeting.fault
        if fault is Fault.LATE:
            world.at(world.now + LATEST_SECONDS * meeting.size**4, lambda: _unheard(act))
        if fault in NOT_APPLIED or fault is Fault.LATE:
            raise Unavailable(key, fault.value)
        if fault is Fault.REFUSE:
            raise Refused(key, fault.value)
        if fault is Fault.CLASH and clash is not None:
            raise clash(key)
        try:
            answer = act()
        finally:
            container.come_back(meeting)
        if fault is Fault.LOSE_ANSWER:
            raise Unavailable(key, fault.value)
        if fault is Fault.OWN and clash is not None:
            raise clash(key)
        return answer


def _unheard(act: Callable[[], Any]) -> None:
    try:
        act()
    except StoreError:
        return  # as S3 would have answered, had anybody listened
