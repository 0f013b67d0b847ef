"""An object store over two buckets: the log's newest files in one, everything else in the other (docs/express.md).

Level 0 of each database is in `log`, a directory bucket of S3 Express One Zone, and stays there until retention deletes
it. Nothing is moved, so that each transaction has one place. Only for measurements and tests: the product has no such
store.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import Any

from lambda_handlers.store.protocol import ObjectInfo, ObjectStore

LEVEL_0 = re.compile(r"[^/]+/0000/")
LEVEL_0_AND_LOCK = re.compile(r"[^/]+/0000/|_locks/")
NOTHING = re.compile("$.^")


class TwoBuckets:
    """`in_log` matches the keys of `log`. The other verbs of `ObjectStore` take a key first, and go to its bucket."""

    def __init__(self, log: ObjectStore, rest: ObjectStore, in_log: re.Pattern[str] = LEVEL_0) -> None:
        self.log = log
        self.rest = rest
        self._in_log = in_log

    def __getattr__(self, verb: str) -> Any:
        return lambda key, *arguments: getattr(self._bucket(key), verb)(key, *arguments)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        # A directory bucket has no order and no start-after: its part is collected, sorted and cut here.
        def of_log() -> list[ObjectInfo]:
            return sorted(
                (info for info in self.log.list_objects(prefix) if after is None or info.key > after),
                key=attrgetter("key"),
            )

        log, rest = _both(of_log, lambda: list(self.rest.list_objects(prefix, after)))
        return heapq.merge(log, rest, key=attrgetter("key"))

    def list_directories(self, prefix: str) -> list[str]:
        log, rest = _both(lambda: self.log.list_directories(prefix), lambda: self.rest.list_directories(prefix))
        return sorted({*log, *rest})

    def delete_many(self, keys: Sequence[str]) -> None:
        for bucket in (self.log, self.rest):
            if chosen := [key for key in keys if self._bucket(key) is bucket]:
                bucket.delete_many(chosen)

    def close(self) -> None:
        self.log.close()
        self.rest.close()

    def _bucket(self, key: str) -> ObjectStore:
        return self.log if self._in_log.match(key) else self.rest


def _both(one: Callable[[], list[Any]], other: Callable[[], list[Any]]) -> tuple[list[Any], list[Any]]:
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(one)
        answer = other()
        return started.result(), answer
