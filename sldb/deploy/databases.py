"""Which databases a store holds, how large they are and how far they have come, without opening any.

The newest transaction of a database is in the name of its newest LTX file; the database's size is in that file's
header (100 bytes: the page size at 8, the number of pages at 12, the time in ms at 32, big-endian). Both are found
with few requests however long the history is: level 0 has no gaps, so its end is found by doubling steps.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lambda_handlers.wire import DATABASE_NAME

from .failures import OperationFailed, aws_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEADER_BYTES = 100
_LEVEL = re.compile(r"000[0-9]")
_FILE = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.ltx")
_HEADER = struct.Struct(">4s I I I Q Q Q")  # magic, flags, page size, pages, min txid, max txid, time in ms
_PAGE = 1000  # keys in one answer to LIST
_THREADS = 8


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    name: str
    size_bytes: int  # of the database, not of its history
    txid: int  # the newest transaction
    committed_at: float  # unix seconds


class Listing(Protocol):
    def names(self) -> list[str]:
        """Everything that may be the name of a database."""

    def levels(self, database: str) -> list[str]:
        """The levels, such as "0000", of which there are files."""

    def newest(self, database: str, level: str) -> str | None:
        """The name of the last LTX file of a level."""

    def header(self, database: str, level: str, file: str) -> bytes:
        """The first bytes of a file."""


def list_databases(listing: Listing) -> list[DatabaseInfo]:
    names = sorted(name for name in listing.names() if DATABASE_NAME.fullmatch(name))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda name: _info(listing, name), names)
        return [info for info in found if info is not None]


def _info(listing: Listing, database: str) -> DatabaseInfo | None:
    newest: tuple[int, str, str] | None = None
    for level in listing.levels(database):
        file = listing.newest(database, level)
        if file is not None:
            found = (_max_txid(file), level, file)
            newest = max(newest, found) if newest else found
    if newest is None:
        return None
    txid, level, file = newest
    return decode_header(database, txid, listing.header(database, level, file))


def decode_header(database: str, txid: int, header: bytes) -> DatabaseInfo:
    if len(header) < HEADER_BYTES or header[:4] != b"LTX1":
        raise OperationFailed(f"the file of transaction {txid} of {database} does not begin as an LTX file does")
    _, _, page_size, pages, _, _, time_ms = _HEADER.unpack_from(header)
    return DatabaseInfo(database, page_size * pages, txid, time_ms / 1000)


def _max_txid(file: str) -> int:
    return int(file[17:33], 16)


def last_file(names: Iterable[str]) -> str | None:
    """The LTX file that reaches furthest."""
    files = [name for name in names if _FILE.fullmatch(name)]
    return max(files, key=_max_txid, default=None)


def last_names(after: Callable[[str], tuple[list[str], bool]], stride: int) -> list[str]:
    """The last names of a level whose txids count up without gaps. `after(start)` gives the names that come after
    `start`, and whether there are more; `stride` is how many it gives at most."""
    names, more = after("")
    step = stride
    while more:
        # A look too far ahead finds nothing, and is tried again at half the distance.
        found, found_more = after(f"{_max_txid(names[-1]) + step:016x}" if step else names[-1])
        if found:
            names, more, step = found, found_more, step * 2
        else:
            step //= 2
    return names


@dataclass(frozen=True, slots=True)
class DirectoryListing:
    root: Path

    def names(self) -> list[str]:
        return _directories(self.root)

    def levels(self, database: str) -> list[str]:
        return [name for name in _directories(self.root / database) if _LEVEL.fullmatch(name)]

    def newest(self, database: str, level: str) -> str | None:
        return last_file(os.listdir(self.root / database / level))

    def header(self, database: str, level: str, file: str) -> bytes:
        with (self.root / database / level / file).open("rb") as opened:
            return opened.read(HEADER_BYTES)


def _directories(path: Path) -> list[str]:
    return [entry.name for entry in os.scandir(path) if entry.is_dir()] if path.is_dir() else []


@dataclass(frozen=True, slots=True)
class BucketListing:
    s3: S3Client
    bucket: str
    prefix: str  # with a slash at its end

    def names(self) -> list[str]:
        return self._below(self.prefix)

    def levels(self, database: str) -> list[str]:
        return [name for name in self._below(f"{self.prefix}{database}/") if _LEVEL.fullmatch(name)]

    def newest(self, database: str, level: str) -> str | None:
        prefix = f"{self.prefix}{database}/{level}/"
        with aws_errors(f"list {self.bucket}"):
            if level == "0000":
                return last_file(last_names(lambda start: self._after(prefix, start), _PAGE))
            return last_file(name for page in self._pages(prefix) for name in page)

    def header(self, database: str, level: str, file: str) -> bytes:
        with aws_errors(f"read from {self.bucket}"):
            key = f"{self.prefix}{database}/{level}/{file}"
            return self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{HEADER_BYTES - 1}")["Body"].read()

    def _below(self, prefix: str) -> list[str]:
        with aws_errors(f"list {self.bucket}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
            return [found["Prefix"][len(prefix) : -1] for page in pages for found in page.get("CommonPrefixes", ())]

    def _pages(self, prefix: str) -> Iterator[list[str]]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            yield [found["Key"][len(prefix) :] for found in page.get("Contents", ())]

    def _after(self, prefix: str, start: str) -> tuple[list[str], bool]:
        """A page of names after `start`, and whether there are more."""
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, StartAfter=prefix + start, MaxKeys=_PAGE)
        names = [found["Key"][len(prefix) :] for found in page.get("Contents", ())]
        return [name for name in names if _FILE.fullmatch(name)], page.get("IsTruncated", False)
