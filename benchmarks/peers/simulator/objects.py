"""The objects of the simulated S3: bodies in memory or in files of the machine, and buckets sorted by key."""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

PIECE_BYTES = 256 << 10  # read and sent at once


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a file that does not change."""

    path: Path
    start: int
    length: int

    def __len__(self) -> int:
        return self.length

    def part(self, start: int, length: int) -> FilePart:
        return FilePart(self.path, self.start + start, length)

    def pieces(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.length
            while left:
                piece = file.read(min(PIECE_BYTES, left))
                left -= len(piece)
                yield piece


@dataclass(frozen=True, slots=True)
class Bytes:
    data: bytes

    def __len__(self) -> int:
        return len(self.data)

    def part(self, start: int, length: int) -> Bytes:
        return Bytes(self.data[start : start + length])

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), PIECE_BYTES):
            yield self.data[start : start + PIECE_BYTES]


@dataclass(frozen=True, slots=True)
class Body:
    """The content of an object: its parts in order."""

    parts: tuple[Bytes | FilePart, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def part(self, start: int, length: int) -> Body:
        """Return the bytes of a range that lies within the body."""
        found: list[Bytes | FilePart] = []
        for each in self.parts:
            low, high = max(0, start), min(len(each), start + length)
            if low < high:
                found.append(each.part(low, high - low))
            start -= len(each)
        return Body(tuple(found))

    def pieces(self) -> Iterator[bytes]:
        for each in self.parts:
            yield from each.pieces()

    def md5(self) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Object:
    body: Body
    etag: str  # without quotation marks
    headers: dict[str, str] = field(default_factory=dict)
    version: str = "null"
    modified_at: float = field(default_factory=time.time)  # unix seconds


class Bucket:
    """Objects by key. With `versioned`, each has a version id; only the newest version is kept."""

    def __init__(self, versioned: bool = False) -> None:
        self.versioned = versioned
        self._objects: dict[str, Object] = {}
        self._keys: list[str] = []  # sorted
        self._versions = count(1)

    def get(self, key: str) -> Object | None:
        return self._objects.get(key)

    def put(self, key: str, body: Body, etag: str, headers: dict[str, str] | None = None) -> Object:
        if key not in self._objects:
            insort(self._keys, key)
        version = f"v{next(self._versions)}" if self.versioned else "null"
        found = self._objects[key] = Object(body, etag, headers or {}, version)
        return found

    def delete(self, key: str) -> None:
        if self._objects.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the keys with a prefix, in order, from the first one greater than `after`."""
        start = bisect_left(self._keys, max(prefix, after + "\0" if after else ""))
        for index in range(start, len(self._keys)):
            if not self._keys[index].startswith(prefix):
                return
            yield self._keys[index]
