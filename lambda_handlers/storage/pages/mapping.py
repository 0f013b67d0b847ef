"""The mapping of a large file: its page map, made while all of the file is read, with progress that may be kept.

Format of the object <min>-<max>.part.pages, integers little-endian:

    magic       "SLMP"
    u32         CRC-32 of the rest
    2 u32       version (1), frames in the last group
    u64         CRC-64 of the file so far
    u32         page of the last frame
    100 bytes   header of the file
    then        the map of the frames so far (page_map), with all upper pages that were kept

Progress is advisory: the file's own checksum decides at the end of reading.

That checksum covers the content of the pages, and the map's checksums cover the bytes of the file. Other bytes may
expand to the same page: a range with such a page (compressed by another program, or with a bit flipped in transit) is
read twice, and must be the same.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from lambda_handlers.host import Call, Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder, ResumePoint
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import decoded
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, Unavailable

RANGES_IN_FLIGHT = 4
MAX_BYTES_PER_SECOND = 512 << 20  # a file that would take too long even so is not begun
MEASURED_SECONDS = 0.5  # of reading, after which the rest is estimated
_MAGIC = b"SLMP"
_VERSION = 1
_FIELDS = struct.Struct(f"<2IQI{ltx.HEADER_BYTES}s")
TRIES = 2  # of a GET with damaged bytes


@dataclass(frozen=True, slots=True)
class MappingProgress:
    """The progress of a mapping: a place in the file, and the map so far."""

    point: ResumePoint
    builder: PageMapBuilder

    def encode(self, file_bytes: int) -> bytes:
        """Return the progress as an object's body."""
        begun, in_group = self.builder.so_far(file_bytes)
        fields = _FIELDS.pack(_VERSION, in_group, self.point.checksum, self.point.last, self.point.head)
        body = fields + begun.encode()
        return _MAGIC + struct.pack("<I", zlib.crc32(body)) + body

    @classmethod
    def decode(cls, data: bytes, file: HeadFile) -> MappingProgress | None:
        """Return the progress in an object; None for one of another file, or a damaged one."""
        start = len(_MAGIC) + 4
        if len(data) < start + _FIELDS.size or data[: len(_MAGIC)] != _MAGIC:
            return None
        if zlib.crc32(data[start:]) != int.from_bytes(data[len(_MAGIC) : start], "little"):
            return None
        version, in_group, checksum, last, head = _FIELDS.unpack_from(data, start)
        begun = decoded(data[start + _FIELDS.size :], file)
        if version != _VERSION or begun is None:
            return None
        point = ResumePoint(head, checksum, begun.offsets[-1], Pgno(last))
        return cls(point, PageMapBuilder.resumed(ltx.Header.decode(head, ""), begun, in_group))


class FileMapping:
    """The mapping of one file, while it streams through."""

    def __init__(
        self,
        store: ObjectStore,
        host: Host,
        file: HeadFile,
        key: str,
        range_bytes: int,
        begun: MappingProgress | None = None,
    ) -> None:
        self._file = file
        self._range_bytes = range_bytes
        self._key = key
        self._store = store
        self._start = begun.point.position if begun else 0
        self._read: dict[int, int] = {}  # CRC-32 of the ranges that were read lately, by where they begin
        self._doubted: set[int] = set()  # those among them that are to be read again
        self._decoder = Decoder(self._pieces(host), key, begun.point if begun else None)
        header = self._decoder.header
        if (header.min_txid, header.max_txid) != (file.name.min_txid, file.name.max_txid):
            ltx.corrupt(key, "txids in the file", f"{header.min_txid} to {header.max_txid}", "those of its key")
        self._builder = begun.builder if begun else PageMapBuilder(header)

    def steps(self, put: Callable[[Pgno, bytes], None] | None = None) -> Iterator[int]:
        """Read the file; yield after each range of it the bytes from the beginning of this mapping. Raises `corrupt` at
        the end if the checksum fails."""
        next_step = self._start + self._range_bytes
        for frame in self._decoder.frames():
            self._builder.add(frame)
            if put is not None:
                put(frame.pgno, frame.page)
            if not frame.is_canonical:
                self._doubt(self._decoder.length - len(frame.block), self._decoder.length - 1)
            if self._decoder.length >= next_step:
                next_step = self._decoder.length + self._range_bytes
                self._read_again()
                yield self._decoder.length - self._start
        self._read_again()

    def _doubt(self, first: int, last: int) -> None:
        """Note the ranges with these bytes of the file, to read them again."""
        begin = self._start + (first - self._start) // self._range_bytes * self._range_bytes
        self._doubted.update(range(begin, last + 1, self._range_bytes))

    def _read_again(self) -> None:
        for start in sorted(self._doubted):
            if zlib.crc32(self._get(start)) != self._read[start]:
                raise store_error(Unavailable(self._key, f"its bytes from {start} on differed when read again"))
        self._doubted.clear()
        for start in [start for start in self._read if start + self._range_bytes <= self._decoder.length]:
            del self._read[start]

    @property
    def page_map(self) -> PageMap:
        """The map, after all steps have been taken."""
        return self._builder.build(self._decoder.length)

    def progress(self) -> bytes:
        """Return the progress as an object's body."""
        return MappingProgress(self._decoder.resume_point, self._builder).encode(self._file.size)

    def _pieces(self, host: Host) -> Iterator[bytes]:
        """Yield the file in ranges, several of them in flight."""
        waiting: deque[tuple[int, Call]] = deque()
        starts = iter(range(self._start, self._file.size, self._range_bytes))
        while True:
            while len(waiting) < RANGES_IN_FLIGHT and (start := next(starts, None)) is not None:
                waiting.append((start, host.start(partial(self._get, start))))
            if not waiting:
                return
            start, call = waiting.popleft()
            piece: bytes = call.result()
            self._read[start] = zlib.crc32(piece)
            yield piece

    def _get(self, start: int) -> bytes:
        """Return one range. If it comes back too short, it is requested again."""
        length = min(self._range_bytes, self._file.size - start)
        piece = b""
        for _ in range(TRIES):
            piece = self._store.get_range(self._key, start, length)
            if len(piece) == length:
                break
        else:
            ltx.corrupt(self._key, f"bytes {start} to {start + length}", f"{len(piece)} bytes", f"{length} bytes")
        return piece


class Pace:
    """An estimate of whether the reading of a file ends before a deadline."""

    def __init__(self, now: Callable[[], float], size: int, deadline: float) -> None:
        self._now = now
        self._size = size
        self._deadline = deadline
        self._started = now()

    @property
    def is_possible(self) -> bool:
        """True if the fastest reading would end in time."""
        return self._started + self._size / MAX_BYTES_PER_SECOND < self._deadline

    def is_enough_at(self, position: int) -> bool:
        """Return True if the measured speed up to `position` is enough."""
        now = self._now()
        took = now - self._started
        if took < MEASURED_SECONDS:
            return now < self._deadline
        return now + took * (self._size - position) / position < self._deadline
