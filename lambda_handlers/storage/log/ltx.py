"""LTX, the file format of Litestream (version 3): the pages that a run of transactions changed, as one object.

All integers are big-endian.

    header, 100 bytes   "LTX1", u32 flags, u32 page size, u32 commit, u64 min txid, u64 max txid, u64 timestamp (ms),
                        u64 pre-apply checksum, u64 WAL offset, u64 WAL size, u32 salt 1, u32 salt 2, u64 node id,
                        12 zero bytes; of a file of ours "HCRC" and the u32 CRC-32 of the 96 bytes before that,
                        else 8 zero bytes more
    page frames         per page, ascending: u32 page number, u16 flags (1: a size follows), u32 size of what follows,
                        the page as an LZ4 block without a size of its own
    end of pages        6 zero bytes
    page index          per page three unsigned LEB128 integers: page number, offset of its frame from the start of
                        the file, length of its frame; one zero byte; u64 length of the index with that byte
    trailer, 16 bytes   u64 post-apply checksum, u64 file checksum

The file checksum is CRC-64/GO-ISO with the top bit set, over everything before it, where a page counts as its
10 header bytes and its *decompressed* content. Files of ours say "no database checksum" (flag 2), so the pre- and
post-apply checksums are 0. The page that holds SQLite's lock byte (offset 0x40000000) is never in a file.

Encoding and decoding are pure. Decoding distrusts: a file that is not exactly this is `corrupt`, with its key, what
it has and what belongs there; no page of it may be used before `Decoder.frames` has ended. Format: the README of
superfly/ltx, and files that Litestream 0.5 wrote.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NewType, NoReturn

import lz4.block
from fastcrc import crc64

from lambda_handlers.wire import SldbError

Pgno = NewType("Pgno", int)  # 1-based
Txid = int  # the first transaction is 1; 0 is the empty database before it

HEADER_BYTES = 100
TRAILER_BYTES = 16
SEAL_BYTES = 8  # at the end of the trailer: the file checksum
LOCK_BYTE_OFFSET = 0x40000000
NO_DATABASE_CHECKSUM = 2
PAGE_SIZES = frozenset(1 << n for n in range(9, 17))

_MAGIC = b"LTX1"
_HEADER = struct.Struct(">4sIIIQQQQQQIIQ16sI")
_HEADER_MARK = b"HCRC"  # a checksum of the header follows
_FRAME = struct.Struct(">IHI")
FRAME_HEADER_BYTES = _FRAME.size
_SIZED = 1  # frame flag
_END_OF_PAGES = bytes(6)
_END_BYTES = 8 + TRAILER_BYTES  # after the page index: its length, and the trailer
_TOP_BIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Header:
    page_size: int  # bytes
    commit: int  # pages of the database after this file
    min_txid: Txid
    max_txid: Txid
    timestamp_ms: int  # unix milliseconds of the newest transaction
    node_id: int = 0  # random per attempt to commit: tells whose file this is
    has_checksum: bool = field(default=False, compare=False)  # of the header itself, which other programs do not write

    def encode(self) -> bytes:
        head = _HEADER.pack(
            _MAGIC,
            NO_DATABASE_CHECKSUM,
            self.page_size,
            self.commit,
            self.min_txid,
            self.max_txid,
            self.timestamp_ms,
            0,
            0,
            0,
            0,
            0,
            self.node_id,
            bytes(12) + (_HEADER_MARK if self.has_checksum else bytes(4)),
            0,
        )
        return head[:-4] + zlib.crc32(head[:-4]).to_bytes(4, "big") if self.has_checksum else head

    @classmethod
    def decode(cls, data: bytes, key: str) -> Header:
        if len(data) < HEADER_BYTES:
            corrupt(key, "header", f"{len(data)} bytes", f"{HEADER_BYTES} bytes")
        magic, flags, page_size, commit, low, high, timestamp_ms, *_, node_id, rest, crc = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            corrupt(key, "magic", magic, _MAGIC)
        if flags & ~NO_DATABASE_CHECKSUM:
            corrupt(key, "header flags", flags, f"0 or {NO_DATABASE_CHECKSUM}")
        if page_size not in PAGE_SIZES:
            corrupt(key, "page size", page_size, "a power of two from 512 to 65536")
        if not 1 <= low <= high:
            corrupt(key, "txids", f"{low} to {high}", "1 or more, ascending")
        has_checksum = rest[12:] == _HEADER_MARK
        if has_checksum and crc != zlib.crc32(data[: HEADER_BYTES - 4]):
            corrupt(key, "checksum of the header", f"{zlib.crc32(data[: HEADER_BYTES - 4]):08x}", f"{crc:08x}")
        return cls(page_size, commit, low, high, timestamp_ms, node_id, has_checksum)


def corrupt(key: str, what: str, got: object, want: object) -> NoReturn:
    raise SldbError(
        "corrupt",
        f"{key}: {what}: got {got}, want {want}",
        "the stored object is damaged or not ours. Restore the object, or read an older version",
        key=key,
    )


def lock_page(page_size: int) -> Pgno:
    """The page that SQLite never uses, because its lock byte lies in it."""
    return Pgno(LOCK_BYTE_OFFSET // page_size + 1)


@dataclass(frozen=True, slots=True)
class Frame:
    """One page in a file."""

    pgno: Pgno
    page: bytes
    block: bytes  # the page, compressed

    def encode(self) -> bytes:
        return _FRAME.pack(self.pgno, _SIZED, len(self.block)) + self.block

    @property
    def is_canonical(self) -> bool:
        """Whether the block is what we make of the page: then no other bytes could be meant."""
        return self.block == compressed(self.pgno, self.page).block or self.block == literal(self.pgno, self.page).block


def compressed(pgno: Pgno, page: bytes) -> Frame:
    return Frame(pgno, page, lz4.block.compress(page, store_size=False))


def literal(pgno: Pgno, page: bytes) -> Frame:
    """The page as a block that is as long for any page of its size: LZ4's literals, nothing but the page itself."""
    rest = len(page) - 15  # every page is longer; the token tells the first 15 bytes of the length
    return Frame(pgno, page, b"\xf0" + b"\xff" * (rest // 255) + bytes((rest % 255,)) + page)


class Encoder:
    """A file, piece by piece: `begin`, then `add` for each page in ascending order, then `finish`.

    The lock page must not be added. What stays in memory is the page index, about 9 bytes a page.
    """

    def __init__(self, header: Header) -> None:
        self._head = header.encode()
        self._checksum = crc64.go_iso(self._head)
        self._index = bytearray()
        self.length = len(self._head)  # bytes so far

    def begin(self) -> bytes:
        return self._head

    def add(self, frame: Frame) -> bytes:
        encoded = frame.encode()
        self._checksum = crc64.go_iso(encoded[:FRAME_HEADER_BYTES] + frame.page, self._checksum)
        for number in (frame.pgno, self.length, len(encoded)):
            _append_uvarint(self._index, number)
        self.length += len(encoded)
        return encoded

    def finish(self) -> bytes:
        self._index.append(0)
        tail = b"".join((_END_OF_PAGES, self._index, struct.pack(">Q", len(self._index)), bytes(8)))
        self._index = bytearray()  # of a huge file it is large, and the tail has it
        self.length += len(tail) + 8
        return tail + seal(crc64.go_iso(tail, self._checksum))


def seal(checksum: int) -> bytes:
    """The last bytes of a file, of which this is the CRC before them."""
    return struct.pack(">Q", checksum | _TOP_BIT)


def checksum_of_start(header: Header, first: Frame) -> int:
    """The CRC of a file up to its first page."""
    return crc64.go_iso(first.encode()[:FRAME_HEADER_BYTES] + first.page, crc64.go_iso(header.encode()))


def encode(header: Header, pages: Iterable[tuple[Pgno, bytes]]) -> bytes:
    """A whole file. `pages` ascend, each of header.page_size bytes, without the lock page."""
    encoder = Encoder(header)
    parts = [encoder.begin(), *(encoder.add(compressed(pgno, page)) for pgno, page in pages)]
    return b"".join((*parts, encoder.finish()))


def decode_frames(data: bytes, page_size: int, key: str) -> Iterator[Frame]:
    """The pages of a piece of a file that begins and ends between two frames. Nothing here tells whether a page is
    damaged: compare the piece's checksum first (page_map)."""
    position = 0
    while position < len(data):
        start = position + _FRAME.size
        if start > len(data):
            corrupt(key, "frame", f"{len(data) - position} bytes", f"{_FRAME.size} bytes or more")
        pgno, flags, size = _FRAME.unpack_from(data, position)
        if flags != _SIZED or start + size > len(data):
            corrupt(key, f"frame of page {pgno}", f"flags {flags}, size {size}", "one that fits")
        position = start + size
        block = data[start:position]
        yield Frame(Pgno(pgno), _expand(block, pgno, page_size, key), block)


def decode_index(data: bytes, key: str) -> Iterator[tuple[Pgno, int, int]]:
    """Page number, offset and length of every frame, from the end of a file (all of its index, at least). The frames
    lie one behind the other, which any damaged number would break; raises `corrupt` there."""
    end = len(data) - TRAILER_BYTES - 8
    length = index_length(data, key)
    if length > end:
        corrupt(key, "page index", f"{end} bytes", f"{length} bytes")
    if length < 1 or data[end - 1] != 0:
        corrupt(key, "page index", "no zero at its end", "one")
    numbers = _uvarints(data[end - length : end - 1], key)
    last, position = 0, HEADER_BYTES
    for pgno in numbers:
        offset, size = next(numbers, 0), next(numbers, 0)
        if pgno <= last or offset != position or size <= FRAME_HEADER_BYTES:
            corrupt(key, "page index", f"page {pgno} at {offset}", f"one above {last} at {position}")
        last, position = pgno, offset + size
        yield Pgno(pgno), offset, size


def index_length(tail: bytes, key: str) -> int:
    """Bytes of the page index, which the last 24 bytes of a file tell."""
    if len(tail) < TRAILER_BYTES + 8:
        corrupt(key, "length", f"{len(tail)} bytes", "a page index and a trailer")
    return int.from_bytes(tail[-TRAILER_BYTES - 8 : -TRAILER_BYTES], "big")


def _expand(block: bytes, pgno: int, page_size: int, key: str) -> bytes:
    try:
        page: bytes = lz4.block.decompress(block, uncompressed_size=page_size)
    except lz4.block.LZ4BlockError as error:
        corrupt(key, f"page {pgno}", f"a block that does not expand ({error})", f"{page_size} bytes")
    if len(page) != page_size:
        corrupt(key, f"page {pgno}", f"{len(page)} bytes", f"{page_size} bytes")
    return page


@dataclass(frozen=True, slots=True)
class Mark:
    """The place between two frames up to which a file has been decoded."""

    head: bytes  # the header of the file
    checksum: int  # CRC-64 of what comes before
    position: int  # bytes from the start of the file
    last: Pgno  # the page before


class Decoder:
    """One file, read from its pieces; memory stays bounded whatever its size.

    `header` is there at once; `pages()` or `frames()` gives the pages once, and raises `corrupt` at its end where the
    checksum fails: only then may they be used. With a `mark` that another decoder has left, `chunks` begin there.
    """

    def __init__(self, chunks: Iterable[bytes], key: str, mark: Mark | None = None) -> None:
        self._key = key
        self._source = _Source(iter(chunks), key, mark.position if mark else 0)
        self._head = mark.head if mark else self._source.read(HEADER_BYTES)
        self.header = Header.decode(self._head, key)
        self._checksum = mark.checksum if mark else crc64.go_iso(self._head)
        self._last = mark.last if mark else Pgno(0)

    @property
    def mark(self) -> Mark:
        """The place behind the frame that `frames` gave last."""
        return Mark(self._head, self._checksum, self.length, self._last)

    def pages(self) -> Iterator[tuple[Pgno, bytes]]:
        return ((frame.pgno, frame.page) for frame in self.frames())

    def frames(self) -> Iterator[Frame]:
        page_size = self.header.page_size
        while pgno_and_size := self._next_frame():
            pgno, size = pgno_and_size
            self._check_frame(pgno, size, self._last)
            block = self._source.read(size)
            page = _expand(block, pgno, page_size, self._key)
            self._checksum = crc64.go_iso(_FRAME.pack(pgno, _SIZED, size) + page, self._checksum)
            self._last = Pgno(pgno)
            yield Frame(self._last, page, block)
        self._check_end()

    def _next_frame(self) -> tuple[int, int] | None:
        """Page number and size of the next frame; None at the end of pages."""
        start = self._source.read(6)
        if start == _END_OF_PAGES:
            return None
        pgno, flags, size = _FRAME.unpack(start + self._source.read(4))
        if flags != _SIZED:
            corrupt(self._key, f"flags of page {pgno}", flags, _SIZED)
        return pgno, size

    def _check_frame(self, pgno: int, size: int, last: int) -> None:
        page_size = self.header.page_size
        if not last < pgno <= self.header.commit:
            corrupt(self._key, "page number", pgno, f"more than {last}, at most {self.header.commit}")
        if pgno == lock_page(page_size):
            corrupt(self._key, "page number", pgno, "any page but SQLite's lock page")
        # What LZ4 adds at most to what it cannot compress.
        largest = page_size + page_size // 255 + 16
        if not 0 < size <= largest:
            corrupt(self._key, f"size of page {pgno}", size, f"1 to {largest}")

    @property
    def length(self) -> int:
        """Bytes of the file that have been read."""
        return self._source.length

    def _check_end(self) -> None:
        checksum, length, end = crc64.go_iso(_END_OF_PAGES, self._checksum), 0, b""
        for piece in self._source.rest():  # of a huge file the index is large
            length, end = length + len(piece), end + piece
            cut = max(0, len(end) - _END_BYTES)
            checksum, end = crc64.go_iso(end[:cut], checksum), end[cut:]
        if length < 1 + _END_BYTES:
            corrupt(self._key, "end", f"{length} bytes after the pages", "page index and trailer")
        index_bytes = int.from_bytes(end[:8], "big")
        if index_bytes != length - _END_BYTES:
            corrupt(self._key, "length of the page index", index_bytes, length - _END_BYTES)
        want = crc64.go_iso(end[:-8], checksum) | _TOP_BIT
        got = int.from_bytes(end[-8:], "big")
        if got != want:
            corrupt(self._key, "file checksum", f"{got:016x}", f"{want:016x}")


class _Source:
    """Exact reads from an iterator of pieces."""

    def __init__(self, chunks: Iterator[bytes], key: str, start: int = 0) -> None:
        self._chunks = chunks
        self._key = key
        self._buffer = b""
        self._position = 0
        self._consumed = start  # bytes before the buffer

    def read(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._buffer):
            self._fill(length)
            end = length
        data = self._buffer[self._position : end]
        self._position = end
        return data

    def rest(self) -> Iterator[bytes]:
        """What is left, in pieces."""
        for piece in chain((self._buffer[self._position :],), self._chunks):
            self._consumed += self._position + len(piece)
            self._buffer, self._position = b"", 0
            yield piece

    @property
    def length(self) -> int:
        return self._consumed + self._position

    def _fill(self, length: int) -> None:
        pieces = [self._buffer[self._position :]]
        self._consumed += self._position
        have = len(pieces[0])
        while have < length:
            chunk = next(self._chunks, None)
            if chunk is None:
                corrupt(self._key, "length", f"{self._consumed + have} bytes", f"at least {length - have} more")
            pieces.append(chunk)
            have += len(chunk)
        self._buffer, self._position = b"".join(pieces), 0


def _append_uvarint(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)


def _uvarints(data: bytes, key: str) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        corrupt(key, "page index", "a number that does not end", "whole numbers")
