"""The page map: the places of the pages in one large LTX file, so that a reader can fetch the few that it needs and
still verify them.

A *group* is a run of consecutive frames: 16 pages, or more in a huge file, so that a file has at most 16,384 groups and
its map stays small (about 170 KB for 1 GB of 4 KiB pages, and no more for 10 GB). A group is the least that a range GET
fetches. Its CRC-32 replaces the file's checksum, which only a reader of the whole file can compare.

The map also carries the upper pages of the b-trees: a point read then goes straight to the leaf. They are below 1 % of
a database; beyond 512 KiB, compressed, they are left out, the lowest level first.

Format of the object <min>-<max>.pages, integers little-endian:

    magic       "SLPM"
    u32         CRC-32 of the rest
    8 u32       version (1), page size, commit, the numbers of runs, groups, checksums and carried pages, 0
    2 u64       length of the LTX file in bytes, timestamp in its header
    zlib        u32 first pages of the runs, u32 lengths of the runs (a run is a range of page numbers without a gap),
                u32 first pages of the groups, u64 offsets of the groups and of the end of the pages,
                u32 checksums, u32 numbers of the carried pages, the carried pages

A map is advisory: if it is missing or damaged, the file itself has all of it, but only for a reader of the whole file
(stored_page_map). Every map has the checksum of every group. An object without them is not a map, since nothing would
cover the pages. `page_map_builder` makes a map, `btree` reads the interior pages.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Frame, Pgno
from lambda_handlers.storage.log.ltx_decoder import decode_frames, decode_runs

MAP_WORTH_BYTES = 128 << 10  # a smaller file is read whole
GROUP_PAGES = 16
MAX_MAP_BYTES = 64 << 20  # of a map that is decoded, not compressed

_MAGIC = b"SLPM"
_VERSION = 1
_COMPRESSION_LEVEL = 4  # a third of the default's time, for half a percent more bytes
_HEADER = struct.Struct("<8I2Q")


class BadPageMap(ValueError):
    """The object is not a page map, or a damaged one."""


@dataclass(frozen=True, slots=True)
class PageMap:
    """A page map, decoded."""

    page_size: int  # bytes
    commit: int  # pages of the database after the file
    timestamp_ms: int  # unix milliseconds of the newest transaction in the file
    file_bytes: int
    run_starts: array[int]
    run_lengths: array[int]
    group_starts: array[int]  # the first page of each group
    offsets: array[int]  # of each group in the file, and of the end of the last one
    checksums: array[int]  # CRC-32 of each group
    carried: tuple[tuple[Pgno, bytes], ...] = ()

    @property
    def page_count(self) -> int:
        """The number of pages in the file."""
        return sum(self.run_lengths)

    @property
    def is_whole(self) -> bool:
        """True if the file has every page of the database."""
        return self.page_count == self.commit - (ltx.lock_page(self.page_size) <= self.commit)

    @property
    def group_count(self) -> int:
        """The number of groups in the file."""
        return len(self.group_starts)

    def runs(self) -> Iterator[tuple[Pgno, int]]:
        """Return the runs of pages in the file: first page and number of pages of each."""
        return zip(map(Pgno, self.run_starts), self.run_lengths, strict=True)

    def pages(self) -> Iterator[Pgno]:
        """Return the numbers of the pages in the file."""
        return chain.from_iterable(map(Pgno, range(start, start + length)) for start, length in self.runs())

    def group_of(self, pgno: Pgno) -> int:
        """Return the group of a page in the file."""
        return bisect_right(self.group_starts, pgno) - 1

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return offset and length in bytes of the groups `first` to `last`."""
        return self.offsets[first], self.offsets[last + 1] - self.offsets[first]

    def frames(self, data: bytes, first: int, last: int, key: str) -> Iterator[Frame]:
        """Return the pages of the groups `first` to `last` from their bytes. Raises `corrupt`, with the file's key."""
        self.check(data, first, last, key)
        return decode_frames(data, self.page_size, key)

    def page_runs(self, data: bytes, first: int, last: int, key: str) -> Iterator[list[tuple[Pgno, bytes]]]:
        """Return the same as `frames`, many pages at a time."""
        self.check(data, first, last, key)
        return decode_runs(data, self.page_size, key)

    def check(self, data: bytes, first: int, last: int, key: str) -> None:
        """Compare the bytes of the groups `first` to `last` with their checksums. Raises `corrupt`."""
        begin, length = self.span(first, last)
        if len(data) != length:
            ltx.corrupt(key, f"bytes {begin} to {begin + length}", f"{len(data)} bytes", f"{length} bytes")
        view = memoryview(data)
        for group in range(first, last + 1):
            start, end = self.offsets[group] - begin, self.offsets[group + 1] - begin
            got, want = zlib.crc32(view[start:end]), self.checksums[group]
            if got != want:
                pages = f"the pages from {self.group_starts[group]} on"
                ltx.corrupt(key, f"checksum of {pages}", f"{got:08x}", f"{want:08x}")

    def encode(self) -> bytes:
        """Return the map as an object's body."""
        arrays = (self.run_starts, self.run_lengths, self.group_starts, self.offsets, self.checksums)
        numbers = array("I", (pgno for pgno, _ in self.carried))
        parts = [_little_endian(one).tobytes() for one in (*arrays, numbers)]
        body = zlib.compress(b"".join((*parts, *(page for _, page in self.carried))), _COMPRESSION_LEVEL)
        counts = (len(self.run_starts), len(self.group_starts), len(self.checksums), len(self.carried), 0)
        header = _HEADER.pack(_VERSION, self.page_size, self.commit, *counts, self.file_bytes, self.timestamp_ms)
        return _MAGIC + struct.pack("<I", zlib.crc32(header + body)) + header + body

    @classmethod
    def decode(cls, data: bytes) -> PageMap:
        """Return the map in an object. Raises BadPageMap."""
        start = len(_MAGIC) + 4
        if len(data) < start + _HEADER.size or data[:4] != _MAGIC:
            raise BadPageMap(f"{len(data)} bytes that are not a page map")
        if zlib.crc32(data[start:]) != int.from_bytes(data[4:start], "little"):
            raise BadPageMap("its checksum fails")
        version, page_size, commit, runs, groups, checks, carried, _, *last = _HEADER.unpack_from(data, start)
        if version != _VERSION:
            raise BadPageMap(f"version {version}; this one is {_VERSION}")
        file_bytes, timestamp_ms = last
        if page_size not in ltx.PAGE_SIZES:
            raise BadPageMap(f"pages of {page_size} bytes")
        if checks != groups:
            raise BadPageMap(f"{checks} checksums of {groups} groups")
        length = 8 * runs + 4 * groups + 8 * (groups + 1) + 4 * checks + (4 + page_size) * carried
        body = memoryview(_inflated(data[start + _HEADER.size :], length))
        position = 0

        def take(kind: str, count: int) -> array[int]:
            nonlocal position
            numbers: array[int] = array(kind)
            end = position + count * numbers.itemsize
            numbers.frombytes(body[position:end])
            position = end
            return _little_endian(numbers)

        run_starts, run_lengths, group_starts = take("I", runs), take("I", runs), take("I", groups)
        offsets, checksums, numbers = take("Q", groups + 1), take("I", checks), take("I", carried)
        pages = (bytes(body[at : at + page_size]) for at in range(position, len(body), page_size))
        return cls(
            page_size,
            commit,
            timestamp_ms,
            file_bytes,
            run_starts,
            run_lengths,
            group_starts,
            offsets,
            checksums,
            carried=tuple(zip(map(Pgno, numbers), pages, strict=True)),
        )


def _inflated(data: bytes, length: int) -> bytes:
    """Return exactly `length` bytes; never more in memory, even if the data has more."""
    if length > MAX_MAP_BYTES:
        raise BadPageMap(f"{length} bytes; a page map has {MAX_MAP_BYTES} at most")
    inflating = zlib.decompressobj()
    try:
        body = inflating.decompress(data, length + 1)
    except zlib.error as error:
        raise BadPageMap(f"it cannot be decompressed: {error}") from error
    if len(body) != length or not inflating.eof:
        raise BadPageMap(f"its header states {length} bytes, and its content has another length")
    return body


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers
