"""An object store with faults in conditional writes, around a real one with the objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Any

from lambda_handlers.store.protocol import (
    AlreadyExists,
    ObjectInfo,
    ObjectStore,
    PreconditionFailed,
    Refused,
    Unavailable,
)


class WriteFault(Enum):
    NONE = auto()
    LOSE_REQUEST = auto()  # never arrives, and nobody answers
    LOSE_ANSWER = auto()  # applied, and nobody answers
    BLAME_OWN = auto()  # applied, sent again by the client library, which then met its own object
    REFUSE = auto()  # no permission
    CLASH = auto()  # S3's 409: refused as if the object had been changed, though nothing happened


class FlakyStore:
    def __init__(self, store: ObjectStore) -> None:
        self.faults: deque[WriteFault] = deque()  # of the next writes
        self.read_faults = 0  # so many of the next reads find nobody at home
        self.calls: list[str] = []
        self._store = store

    def get(self, key: str) -> bytes:
        return self.get_with_tag(key)[0]

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        self.calls.append("get")
        if self.read_faults:
            self.read_faults -= 1
            raise Unavailable(key, "no answer")
        return self._store.get_with_tag(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._store.get_range(key, start, length)

    def chunks(self, key: str) -> Iterator[bytes]:
        return self._store.chunks(key)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        return self._store.list_objects(prefix, after)

    def list_directories(self, prefix: str) -> list[str]:
        return self._store.list_directories(prefix)

    def create(self, key: str, body: bytes) -> str:
        self.calls.append("create")
        return self._meet(key, lambda: self._store.create(key, body), AlreadyExists(key))

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self.calls.append("replace")
        return self._meet(key, lambda: self._store.replace(key, body, etag), PreconditionFailed(key))

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def __getattr__(self, verb: str) -> Any:
        """Pass the verbs on that no lock uses."""
        return getattr(self._store, verb)

    def _meet(self, key: str, write: Callable[[], str], clash: Exception) -> str:
        fault = self.faults.popleft() if self.faults else WriteFault.NONE
        if fault is WriteFault.NONE:
            return write()
        if fault in (WriteFault.LOSE_ANSWER, WriteFault.BLAME_OWN):
            write()
        if fault in (WriteFault.BLAME_OWN, WriteFault.CLASH):
            raise clash
        if fault is WriteFault.REFUSE:
            raise Refused(key, "access denied")
        raise Unavailable(key, "no answer")
