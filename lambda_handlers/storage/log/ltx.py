"""LTX, the file format of Litestream (version 3): the pages changed by a run of transactions, as one object.

All integers are big-endian.

    header, 100 bytes   "LTX1", u32 flags, u32 page size, u32 commit, u64 min txid, u64 max txid, u64 timestamp (ms),
                        u64 pre-apply checksum, u64 WAL offset, u64 WAL size, u32 salt 1, u32 salt 2, u64 node id,
                        20 zero bytes; of a file of ours u64 restored txid, u32 page of the note, "HCRC" and the
                        u32 CRC-32 of the 96 bytes before that
    page frames         per page, ascending: u32 page number, u16 flags (1: a size follows), u32 size of the rest,
                        the page as an LZ4 block without a size of its own
    end of pages        6 zero bytes
    page index          per page three unsigned LEB128 integers: page number, offset of its frame from the start of
                        the file, length of its frame; one zero byte; u64 length of the index with that byte
    trailer, 16 bytes   u64 post-apply checksum, u64 file checksum

The file checksum is CRC-64/GO-ISO with the top bit set, over everything before it. A page counts as its 10 header bytes
and its *decompressed* content. Files of sldb have the flag "no database checksum" (2), so the pre- and post-apply
checksums are 0. The page of SQLite's lock byte (offset 0x40000000) is never in a file.

Here are the header and the frames. `ltx_encoder` writes a file, `ltx_decoder` reads one, `ltx_index` is its page index.
All are pure. The decoder trusts no input: any other file is `corrupt`, with its key, the value found and the one
wanted; no page of it may be used before `Decoder.frames` has ended. Format: the README of superfly/ltx, and files
written by Litestream 0.5.
"""

from __future__ import annotations

import struct
import zlib
from typing import NewType, NoReturn

import lz4.block
from fastcrc import crc64

from lambda_handlers.shared.dataclasses import dataclass, field
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
_HEADER = struct.Struct(">4sIIIQQQQQQIIQQI4sI")
_HEADER_MARK = b"HCRC"  # a checksum of the header follows
FRAME = struct.Struct(">IHI")
FRAME_HEADER_BYTES = FRAME.size
SIZED = 1  # frame flag
END_OF_PAGES = bytes(6)
END_BYTES = 8 + TRAILER_BYTES  # after the page index: its length, and the trailer
TOP_BIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Marks:
    """Facts about a single transaction, for the history and for undo. Other programs write none, and neither do
    compacted files."""

    restored: Txid = 0  # the transaction whose state this one brought back; 0: none
    note_page: int = 0  # the page with its note (sql.own.notes); 0: it has none


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file."""

    page_size: int  # bytes
    commit: int  # pages of the database after this file
    min_txid: Txid
    max_txid: Txid
    timestamp_ms: int  # unix milliseconds of the newest transaction
    node_id: int = 0  # random per attempt to commit: identifies the file's writer
    has_checksum: bool = field(default=False, compare=False)  # of the header itself, which other programs do not write
    marks: Marks = Marks()  # only in a header with a checksum

    def encode(self) -> bytes:
        """Return the 100 bytes of the header."""
        marks = self.marks if self.has_checksum else Marks()
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
            marks.restored,
            marks.note_page,
            _HEADER_MARK if self.has_checksum else bytes(4),
            0,
        )
        return head[:-4] + zlib.crc32(head[:-4]).to_bytes(4, "big") if self.has_checksum else head

    @classmethod
    def decode(cls, data: bytes, key: str) -> Header:
        """Return the header at the start of `data`. Raises `corrupt`, or `unsupported` for one of a later version, with
        the file's key."""
        if len(data) < HEADER_BYTES:
            corrupt(key, "header", f"{len(data)} bytes", f"{HEADER_BYTES} bytes")
        magic, flags, page_size, commit, low, high, timestamp_ms, *_, node_id, restored, note_page, mark, crc = (
            _HEADER.unpack_from(data)
        )
        if mark == _HEADER_MARK and crc == zlib.crc32(data[: HEADER_BYTES - 4]):
            _refuse_later(key, magic, flags)
        if magic != _MAGIC:
            corrupt(key, "magic", magic, _MAGIC)
        if flags & ~NO_DATABASE_CHECKSUM:
            corrupt(key, "header flags", flags, f"0 or {NO_DATABASE_CHECKSUM}")
        if page_size not in PAGE_SIZES:
            corrupt(key, "page size", page_size, "a power of two from 512 to 65536")
        if not 1 <= low <= high:
            corrupt(key, "txids", f"{low} to {high}", "1 or more, ascending")
        has_checksum = mark == _HEADER_MARK
        if has_checksum and crc != zlib.crc32(data[: HEADER_BYTES - 4]):
            corrupt(key, "checksum of the header", f"{zlib.crc32(data[: HEADER_BYTES - 4]):08x}", f"{crc:08x}")
        marks = Marks(restored, note_page) if has_checksum else Marks()
        return cls(page_size, commit, low, high, timestamp_ms, node_id, has_checksum, marks)


def corrupt(key: str, what: str, got: object, want: object) -> NoReturn:
    """Raise `corrupt`, with the value found and the one wanted."""
    raise SldbError(
        "corrupt",
        f"{key}: {what}: got {got}, want {want}",
        "the stored object is damaged or not sldb's. Restore the object, or read an older version",
        key=key,
    )


def _refuse_later(key: str, magic: bytes, flags: int) -> None:
    """Raise `unsupported` for a header that is as it was written, and of a later version of the format."""
    if magic == _MAGIC and not flags & ~NO_DATABASE_CHECKSUM:
        return
    raise SldbError(
        "unsupported",
        f"{key} was written by a later version of sldb: {magic.decode('ascii', 'replace')}, flags {flags}",
        "deploy that version again: sldb deploy, with a newer sldb",
        key=key,
        applied="no",
    )


def lock_page(page_size: int) -> Pgno:
    """Return the page of SQLite's lock byte, which SQLite never uses."""
    return Pgno(LOCK_BYTE_OFFSET // page_size + 1)


@dataclass(frozen=True, slots=True)
class Frame:
    """A page in a file."""

    pgno: Pgno
    page: bytes
    block: bytes  # the page, compressed

    def encode(self) -> bytes:
        return FRAME.pack(self.pgno, SIZED, len(self.block)) + self.block

    @property
    def is_canonical(self) -> bool:
        """True if this encoder makes the same block of the page: then no other bytes are possible."""
        return self.block == compressed(self.pgno, self.page).block or self.block == literal(self.pgno, self.page).block


def compressed(pgno: Pgno, page: bytes) -> Frame:
    """Return the page as a compressed block."""
    return Frame(pgno, page, lz4.block.compress(page, store_size=False))


def literal(pgno: Pgno, page: bytes) -> Frame:
    """Return the page as a block of the same length for any page of its size: LZ4's literals, nothing but the page
    itself."""
    rest = len(page) - 15  # every page is longer; the token encodes the first 15 bytes of the length
    return Frame(pgno, page, b"\xf0" + b"\xff" * (rest // 255) + bytes((rest % 255,)) + page)


def seal(checksum: int) -> bytes:
    """Return the last bytes of a file from the CRC of those before them."""
    return struct.pack(">Q", checksum | TOP_BIT)


def checksum_of_start(header: Header, first: Frame) -> int:
    """Return the CRC of a file up to its first page."""
    return crc64.go_iso(first.encode()[:FRAME_HEADER_BYTES] + first.page, crc64.go_iso(header.encode()))
