"""Where the pages of one large LTX file lie, so that a reader can fetch the few that it needs and still verify them.

A *group* is a run of consecutive frames: 16 pages, or more in a huge file, so that a file has at most 16,384 groups
and its map stays small (about 170 KB for 1 GB of 4 KiB pages, and no more for 10 GB). A group is what one range GET
brings at least; its CRC-32 stands in for the file's checksum, which only a reader of the whole file can compare.

The map also carries the upper pages of the b-trees: a point read then goes straight to the leaf. They are below 1 % of
a database; what is over 512 KiB, compressed, is left out, the lowest level first.

Format of the object <min>-<max>.pages, integers little-endian:

    magic       "SLPM"
    u32         CRC-32 of all that follows
    8 u32       version (1), page size, commit, and how many runs, groups, checksums and carried pages there are, 0
    2 u64       length of the LTX file in bytes, timestamp in its header
    zlib        u32 first pages of the runs, u32 lengths of the runs (a run is a range of page numbers without a gap),
                u32 first pages of the groups, u64 offsets of the groups and of the end of the pages,
                u32 checksums, u32 numbers of the carried pages, the carried pages

A map is advisory: of one that is missing or damaged the file says it all, but only to a reader of all of it (mapping).
Every map has the checksum of every group. One without them is none, since nothing would cover the pages.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Frame, Pgno
from lambda_handlers.storage.log.ltx_decoder import decode_frames

MAP_WORTH_BYTES = 128 << 10  # a smaller file is read whole
GROUP_PAGES = 16
MAX_GROUPS = 16_384
CARRIED_BYTES = 512 << 10  # compressed
KEPT_BYTES = 8 << 20  # compressed, of upper pages while a map is made
MAX_MAP_BYTES = 64 << 20  # of a map that is decoded, not compressed

_MAGIC = b"SLPM"
_VERSION = 1
_HEADER = struct.Struct("<8I2Q")
INTERIOR_KINDS = (2, 5)  # first byte of an interior page of an index, of a table
_SCHEMA_ROOT = Pgno(1)
_LOWEST = 2  # rank of the upper pages that are carried last
_BTREE_HEADER_OF_PAGE_1 = 100  # where it begins, after the header of the database


class BadPageMap(ValueError):
    """The object is no page map, or a damaged one."""


@dataclass(frozen=True, slots=True)
class PageMap:
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
        """How many pages the file has."""
        return sum(self.run_lengths)

    @property
    def is_whole(self) -> bool:
        """Whether the file has every page of the database."""
        return self.page_count == self.commit - (ltx.lock_page(self.page_size) <= self.commit)

    @property
    def group_count(self) -> int:
        return len(self.group_starts)

    def runs(self) -> Iterator[tuple[Pgno, int]]:
        """The pages that the file has: first page and number of pages of each run."""
        return zip(map(Pgno, self.run_starts), self.run_lengths, strict=True)

    def pages(self) -> Iterator[Pgno]:
        return chain.from_iterable(map(Pgno, range(start, start + length)) for start, length in self.runs())

    def group_of(self, pgno: Pgno) -> int:
        """The group that holds a page which the file has."""
        return bisect_right(self.group_starts, pgno) - 1

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Offset and length in bytes of the groups `first` to `last`."""
        return self.offsets[first], self.offsets[last + 1] - self.offsets[first]

    def frames(self, data: bytes, first: int, last: int, key: str) -> Iterator[Frame]:
        """The pages of the groups `first` to `last`, whose bytes `data` is; raises `corrupt`, with the file's key."""
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
        return decode_frames(data, self.page_size, key)

    def encode(self) -> bytes:
        arrays = (self.run_starts, self.run_lengths, self.group_starts, self.offsets, self.checksums)
        numbers = array("I", (pgno for pgno, _ in self.carried))
        parts = [_little_endian(one).tobytes() for one in (*arrays, numbers)]
        body = zlib.compress(b"".join((*parts, *(page for _, page in self.carried))))
        counts = (len(self.run_starts), len(self.group_starts), len(self.checksums), len(self.carried), 0)
        header = _HEADER.pack(_VERSION, self.page_size, self.commit, *counts, self.file_bytes, self.timestamp_ms)
        return _MAGIC + struct.pack("<I", zlib.crc32(header + body)) + header + body

    @classmethod
    def decode(cls, data: bytes) -> PageMap:
        """Raises BadPageMap."""
        start = len(_MAGIC) + 4
        if len(data) < start + _HEADER.size or data[:4] != _MAGIC:
            raise BadPageMap(f"{len(data)} bytes that are no page map")
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
            *(page_size, commit, timestamp_ms, file_bytes, run_starts, run_lengths, group_starts, offsets, checksums),
            carried=tuple(zip(map(Pgno, numbers), pages, strict=True)),
        )


def _inflated(data: bytes, length: int) -> bytes:
    """Exactly `length` bytes; never more in memory, whatever the data would become."""
    if length > MAX_MAP_BYTES:
        raise BadPageMap(f"{length} bytes; a page map has {MAX_MAP_BYTES} at most")
    inflating = zlib.decompressobj()
    try:
        body = inflating.decompress(data, length + 1)
    except zlib.error as error:
        raise BadPageMap(f"it cannot be decompressed: {error}") from error
    if len(body) != length or not inflating.eof:
        raise BadPageMap(f"its header tells of {length} bytes, and there are others")
    return body


@dataclass(slots=True)
class PageMapBuilder:
    """Makes the map of a file from its frames, while they are written or read: `add` each, in order, then `build`."""

    header: ltx.Header
    _run_starts: array[int] = field(default_factory=lambda: array("I"))
    _run_lengths: array[int] = field(default_factory=lambda: array("I"))
    _group_starts: array[int] = field(default_factory=lambda: array("I"))
    _offsets: array[int] = field(default_factory=lambda: array("Q"))
    _checksums: array[int] = field(default_factory=lambda: array("I"))
    _position: int = ltx.HEADER_BYTES
    _in_group: int = 0
    _interior: dict[Pgno, bytes] = field(default_factory=dict)  # compressed
    _interior_bytes: int = 0
    _schema_pages: frozenset[int] = frozenset()
    _previous: int = 0

    @classmethod
    def resumed(cls, header: ltx.Header, begun: PageMap, in_group: int) -> PageMapBuilder:
        """A builder that goes on where the one stood which said `so_far`."""
        builder = cls(
            *(header, begun.run_starts, begun.run_lengths, begun.group_starts, begun.offsets[:-1], begun.checksums),
            *(begun.offsets[-1], in_group),
        )
        for pgno, page in begun.carried:
            builder._keep_if_upper(Frame(pgno, page, b""))
        if begun.run_starts:
            builder._previous = begun.run_starts[-1] + begun.run_lengths[-1] - 1
        return builder

    def so_far(self, file_bytes: int) -> tuple[PageMap, int]:
        """What `resumed` needs: the map of the frames that were added, and how many of them the last group has."""
        begun = self.build(file_bytes, carry=False)
        carried = tuple((pgno, zlib.decompress(block)) for pgno, block in sorted(self._interior.items()))
        return replace(begun, carried=carried), self._in_group

    @property
    def _group_pages(self) -> int:
        return max(GROUP_PAGES, -(-self.header.commit // MAX_GROUPS))

    def add(self, frame: Frame, encoded: bytes | None = None) -> None:
        """`encoded`: the frame's bytes in the file, where the caller has them."""
        encoded = frame.encode() if encoded is None else encoded
        if self._previous and frame.pgno == self._previous + 1:
            self._run_lengths[-1] += 1
        else:
            self._run_starts.append(frame.pgno)
            self._run_lengths.append(1)
        self._previous = frame.pgno
        if self._in_group in (0, self._group_pages):
            self._in_group = 0
            self._group_starts.append(frame.pgno)
            self._offsets.append(self._position)
            self._checksums.append(0)
        self._in_group += 1
        self._checksums[-1] = zlib.crc32(encoded, self._checksums[-1])
        self._position += len(encoded)
        self._keep_if_upper(frame)

    def build(self, file_bytes: int, carry: bool = True) -> PageMap:
        """`carry`: with the upper pages of the b-trees."""
        offsets = array("Q", self._offsets)
        offsets.append(self._position)
        return PageMap(
            self.header.page_size,
            self.header.commit,
            self.header.timestamp_ms,
            file_bytes,
            self._run_starts,
            self._run_lengths,
            self._group_starts,
            offsets,
            self._checksums,
            tuple(self._carried()) if carry else (),
        )

    def _keep_if_upper(self, frame: Frame) -> None:
        is_upper = is_interior(frame.page, frame.pgno)
        if frame.pgno == _SCHEMA_ROOT and is_upper:
            self._schema_pages = frozenset(children(frame.page, frame.pgno))
        if is_upper or frame.pgno == _SCHEMA_ROOT or frame.pgno in self._schema_pages:
            self._interior[frame.pgno] = block = zlib.compress(frame.page, 1)
            self._interior_bytes += len(block)
            if self._interior_bytes > KEPT_BYTES:
                self._forget_lowest()

    def _forget_lowest(self) -> None:
        """Of the upper pages that were met, let those go that would be carried last."""
        pages = {pgno: zlib.decompress(block) for pgno, block in self._interior.items()}
        for end in (_LOWEST, _LOWEST - 1):
            kept = {pgno: block for pgno, block in self._interior.items() if self._rank(pgno, pages) < end}
            self._interior, self._interior_bytes = kept, sum(map(len, kept.values()))
            if self._interior_bytes <= KEPT_BYTES // 2:
                return

    def _carried(self) -> Iterator[tuple[Pgno, bytes]]:
        """In ascending order, as many as fit: the schema first, then interior pages above others, then the rest."""
        pages = {pgno: zlib.decompress(block) for pgno, block in self._interior.items()}
        taken, size = [], 0
        for pgno in sorted(pages, key=lambda pgno: (self._rank(pgno, pages), pgno)):
            size += len(self._interior[pgno])
            if size > CARRIED_BYTES:
                break
            taken.append(pgno)
        return ((pgno, pages[pgno]) for pgno in sorted(taken))

    def _rank(self, pgno: Pgno, pages: Mapping[Pgno, bytes]) -> int:
        if pgno == _SCHEMA_ROOT or pgno in self._schema_pages:
            return 0
        return 1 if next(children(pages[pgno], pgno), 0) in pages else _LOWEST


def is_interior(page: bytes, pgno: Pgno) -> bool:
    return page[_BTREE_HEADER_OF_PAGE_1 if pgno == _SCHEMA_ROOT else 0] in INTERIOR_KINDS


def children(page: bytes, pgno: Pgno) -> Iterator[int]:
    """The pages that an interior page of a b-tree points to, in the order of their keys; none if it is no such page.
    Format: https://www.sqlite.org/fileformat.html, section 1.6."""
    if not is_interior(page, pgno):
        return
    start = _BTREE_HEADER_OF_PAGE_1 if pgno == _SCHEMA_ROOT else 0
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for at in range(start + 12, min(start + 12 + 2 * count, len(page) - 1), 2):
        cell = int.from_bytes(page[at : at + 2], "big")
        yield int.from_bytes(page[cell : cell + 4], "big")
    yield int.from_bytes(page[start + 8 : start + 12], "big")


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers
