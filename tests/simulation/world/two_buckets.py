"""A store over two buckets as one container sees it, for docs/express.md: level 0 of each log in a directory bucket.

The two are listed one after the other, level 0 last, and the directory bucket has a clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lambda_handlers.store.protocol import ObjectInfo
from tests.simulation.world.bucket import Bucket, BucketStore
from tests.simulation.world.container import Container


class TwoBucketStore(BucketStore):
    def __init__(self, bucket: Bucket, container: Container, ahead_seconds: float) -> None:
        super().__init__(bucket, container)
        self._ahead_seconds = ahead_seconds  # the clock of the directory bucket; below zero: behind

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        log = f"{prefix}0000/"
        rest = list(super().list_objects(prefix, max(after or "", f"{log}~")))
        newest = [self._dated(info) for info in super().list_objects(log) if after is None or info.key > after]
        return iter(sorted([*newest, *rest], key=lambda info: info.key))

    def info(self, key: str) -> ObjectInfo:
        return self._dated(super().info(key))

    def _dated(self, info: ObjectInfo) -> ObjectInfo:
        is_newest = "/0000/" in info.key
        return replace(info, modified_at=info.modified_at + self._ahead_seconds) if is_newest else info
