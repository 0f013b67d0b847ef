"""The measurement's own calls to the simulator: JSON in, JSON out, no latency, not recorded."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from benchmarks.peers.simulator.ec2 import Ec2
from benchmarks.peers.simulator.latency import Latency
from benchmarks.peers.simulator.objects import Body, Bucket, FilePart
from benchmarks.peers.simulator.s3 import S3
from benchmarks.simulated_s3 import Asked

QUIET_SECONDS, MAX_QUIET_SECONDS = 0.05, 2.0


class Control:
    """The state of the simulated services."""

    def __init__(self, latency: Latency) -> None:
        self.latency = latency
        self.s3 = S3()
        self.ec2 = Ec2()
        self.asked: list[Asked] = []
        self._running = 0
        self._ended_at = 0.0
        self._etags: dict[tuple[Path, int], str] = {}  # of files that do not change while the simulator runs

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._ended_at = time.perf_counter()

    async def answer(self, call: str, body: bytes) -> bytes:
        found = getattr(self, f"_{call}")(**json.loads(body or b"{}"))
        return json.dumps(await found if asyncio.iscoroutine(found) else found).encode()

    def _clear(self) -> None:
        """Forget all objects, groups and requests."""
        self.s3, self.ec2, self.asked = S3(), Ec2(), []

    def _asked(self) -> list[Any]:
        """Return the requests since the last call, as lists of the fields of Asked."""
        found, self.asked = self.asked, []
        return [astuple(one) for one in found]

    def _version(self, bucket: str) -> None:
        """Give the objects of a bucket version ids from now on."""
        self.s3.buckets[bucket] = Bucket(versioned=True)

    def _load_file(self, bucket: str, key: str, path: str) -> None:
        file = Path(path)
        size = file.stat().st_size
        body = Body((FilePart(file, 0, size),) if size else ())
        self.s3.buckets[bucket].put(key, body, self._etag(file, body))

    def _load_directory(self, bucket: str, prefix: str, path: str) -> None:
        """Load each file below a directory as an object."""
        for folder, _, names in os.walk(path):
            for name in names:
                if name.startswith("."):
                    continue  # a lock of the directory
                file = Path(folder, name)
                self._load_file(bucket, prefix + file.relative_to(path).as_posix(), str(file))

    def _load_blocks(self, bucket: str, prefix: str, path: str, block_bytes: int) -> None:
        """Load each block of a file as an object `prefix/0000000000`."""
        file = Path(path)
        for number in range(file.stat().st_size // block_bytes):
            part = FilePart(file, number * block_bytes, block_bytes)
            self.s3.buckets[bucket].put(f"{prefix}/{number:010d}", Body((part,)), f"{number:032x}")

    async def _quiet(self) -> None:
        """Answer once no request has been under way for a moment."""
        until = time.perf_counter() + MAX_QUIET_SECONDS
        while time.perf_counter() < until:
            if not self._running and time.perf_counter() - self._ended_at > QUIET_SECONDS:
                return
            await asyncio.sleep(QUIET_SECONDS / 5)

    def _etag(self, file: Path, body: Body) -> str:
        known = (file, len(body))
        if known not in self._etags:
            self._etags[known] = body.md5()
        return self._etags[known]
