"""A store with the latency of S3 that counts its requests.

GET takes 15 ms and PUT, LIST and DELETE take 30 ms until the first byte, bodies move at 90 MB/s on each connection,
with any number of connections at once. `rounds` is the length of the longest chain of requests in which each began
after the previous one had ended: the latency that a user waits for. Times contain this process's own work, as in a
function.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

from lambda_handlers.store.protocol import PAGE_KEYS, ObjectInfo, ObjectStore

GET_SECONDS, PUT_SECONDS = 0.015, 0.030
BYTES_A_SECOND = 90e6

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    verb: str
    began: float
    ended: float
    down: int  # bytes
    up: int
    cpu_seconds: float = 0.0  # of the store itself, in the thread that asked


@dataclass(frozen=True, slots=True)
class Figures:
    ms: float
    asked: tuple[Asked, ...]

    @property
    def requests(self) -> int:
        return len(self.asked)

    @property
    def by_verb(self) -> str:
        return " ".join(f"{count} {verb}" for verb, count in sorted(Counter(one.verb for one in self.asked).items()))

    @property
    def rounds(self) -> int:
        rounds, end = 0, -1.0
        for one in sorted(self.asked, key=lambda one: one.ended):
            if one.began >= end:
                rounds, end = rounds + 1, one.ended
        return rounds

    @property
    def down(self) -> int:
        return sum(one.down for one in self.asked)

    @property
    def up(self) -> int:
        return sum(one.up for one in self.asked)

    @property
    def store_cpu_seconds(self) -> float:
        """The CPU time of the store behind: what S3 does in its own machines."""
        return sum(one.cpu_seconds for one in self.asked)


class SimulatedS3:
    """A simulated S3 over any store. `is_slow` may be turned off while a database is being filled."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.is_slow = True
        self._asked: list[Asked] = []
        self._etags: dict[str, str] = {}  # of what was put here: a LIST of S3 has them
        self._recording = threading.Lock()

    def measure(self, action: Callable[[], T]) -> tuple[T, Figures]:
        self._asked = []
        began = time.perf_counter()
        result = action()
        ms = (time.perf_counter() - began) * 1000
        return result, Figures(ms, tuple(self._asked))

    def get(self, key: str) -> bytes:
        return self._get(lambda: self.store.get(key))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        return self._ask("GET", GET_SECONDS, lambda: self.store.get_with_tag(key), down=lambda got: len(got[0]))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._get(lambda: self.store.get_range(key, start, length))

    def chunks(self, key: str) -> Iterator[bytes]:
        return iter([self.get(key)])

    def size(self, key: str) -> int:
        return self._ask("HEAD", GET_SECONDS, lambda: self.store.size(key))

    def info(self, key: str) -> ObjectInfo:
        return self._ask("HEAD", GET_SECONDS, lambda: self.store.info(key))

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        infos = self.store.list_objects(prefix, after)
        while True:
            page = self._ask("LIST", PUT_SECONDS, lambda: list(islice(infos, PAGE_KEYS)))
            yield from (replace(info, etag=self._etags.get(info.key, info.etag)) for info in page)
            if len(page) < PAGE_KEYS:
                return

    def list_directories(self, prefix: str) -> list[str]:
        found = self._ask("LIST", PUT_SECONDS, lambda: self.store.list_directories(prefix))
        for _ in range(PAGE_KEYS, len(found), PAGE_KEYS):
            self._ask("LIST", PUT_SECONDS, lambda: None)
        return found

    def create(self, key: str, body: bytes) -> str:
        return self._put(body, lambda: self.store.create(key, body))

    def put(self, key: str, body: bytes) -> str:
        self._etags[key] = etag = self._put(body, lambda: self.store.put(key, body))
        return etag

    def replace(self, key: str, body: bytes, etag: str) -> str:
        return self._put(body, lambda: self.store.replace(key, body, etag))

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        up = 0

        def counted() -> Iterator[bytes]:
            nonlocal up
            for chunk in chunks:
                up += len(chunk)
                yield chunk

        self._ask("PUT", PUT_SECONDS, lambda: self.store.create_from(key, counted()), up=lambda: up)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        return self.store.presign(method, keys, seconds)  # no request

    def __getattr__(self, verb: str) -> Any:
        """Return any other verb, with the latency of a PUT."""
        act = getattr(self.store, verb)
        return lambda *arguments: self._ask(verb.upper(), PUT_SECONDS, lambda: act(*arguments))

    def _get(self, act: Callable[[], bytes]) -> bytes:
        return self._ask("GET", GET_SECONDS, act, down=len)

    def _put(self, body: bytes, act: Callable[[], T]) -> T:
        return self._ask("PUT", PUT_SECONDS, act, up=lambda: len(body))

    def _ask(
        self,
        verb: str,
        seconds: float,
        act: Callable[[], T],
        down: Callable[[T], int] = lambda _: 0,
        up: Callable[[], int] = lambda: 0,
    ) -> T:
        began = time.perf_counter()
        self._wait(seconds / 2)
        moved, worked = 0, time.thread_time()
        try:
            result = act()
            moved = down(result)
            return result
        finally:
            worked = time.thread_time() - worked
            sent = up()
            self._wait(seconds / 2 + (moved + sent) / BYTES_A_SECOND)
            with self._recording:
                self._asked.append(Asked(verb, began, time.perf_counter(), moved, sent, worked))

    def _wait(self, seconds: float) -> None:
        if self.is_slow:
            time.sleep(seconds)
