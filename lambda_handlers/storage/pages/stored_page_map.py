"""Page maps in the store: found, and made for a file that has none that can be believed.

Only a reader of all of a file can compare its checksum, and only then may a page of it be believed, or a map of it be
put. So a file without a map, or with a damaged one, is read whole once, in ranges, with little of it in memory; the map
goes to the store for later readers. Where a damaged object lies at the map's name, it goes to the second one.

A reader does so if its time allows; otherwise the file is `NotMapped`. The scheduled function (compaction) has more
time, and goes on where it stopped:

Format of the object <min>-<max>.part.pages, integers little-endian:

    magic       "SLMP"
    u32         CRC-32 of all that follows
    2 u32       version (1), frames in the last group
    u64         CRC-64 of the file so far
    u32         page of the last frame
    100 bytes   header of the file
    then        the map of the frames so far (page_map), with all upper pages that were kept

Progress is advisory. Whatever it says, the file's own checksum decides when the end has been read.

That checksum covers what is in the pages, and the map's checksums cover the bytes of the file. Other bytes may expand
to the same page: a range that has a page whose bytes do not follow from its content (another program compressed it, or
a bit was flipped on the way) is read twice, and must be the same.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import ceil

from lambda_handlers.host import Call, Host
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder, ResumePoint
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map import BadPageMap, PageMap, PageMapBuilder
from lambda_handlers.storage.pages.page_map_binding import bind, unbind
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, Unavailable
from lambda_handlers.wire import SldbError

MAPPED_RANGE_BYTES = 4 << 20
RANGES_IN_FLIGHT = 4
LOOK_AGAIN_SECONDS = 2.0  # for a map that another reader has put meanwhile
SAVE_SECONDS = 60.0  # between two times that progress is put
TRIES = 2  # of a GET whose bytes are damaged
MAX_BYTES_PER_SECOND = 512 << 20  # a file that would take too long even so is not begun
TYPICAL_BYTES_PER_SECOND = 64 << 20  # in a function of 1 GB
MEASURED_SECONDS = 0.5  # of reading, after which the rest is estimated
MAX_WAIT_SECONDS = 900.0  # until the scheduled function looks at a database (maintenance)

_MAGIC = b"SLMP"
_VERSION = 1
_FIELDS = struct.Struct(f"<2IQI{ltx.HEADER_BYTES}s")


class NotMapped(SldbError):
    """A file has no map that can be believed, and there is no time to read all of it."""

    def __init__(self, file: HeadFile, key: str) -> None:
        minutes = ceil((MAX_WAIT_SECONDS + file.size / TYPICAL_BYTES_PER_SECOND) / 60)
        super().__init__(
            "store_error",
            f"{key} has no page map (any more), and reading all of its {file.size} bytes, which alone verifies them, "
            "takes longer than there is time",
            f"the scheduled function is making the map: try again in about {minutes} minutes; or give the request more "
            "time (timeout)",
            key=key,
            applied="no",
        )
        self.name = file.name


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at the names of a file's map."""

    page_map: PageMap | None
    key: str | None  # where it lies
    damaged: tuple[str, ...]  # keys of what is no map of the file
    free: str | None  # a key at which one may be created


@dataclass(frozen=True, slots=True)
class Mapper:
    """Of one database. Raises StoreError, or SldbError `corrupt` for a file that is damaged."""

    store: ObjectStore
    database: str
    host: Host
    range_bytes: int = field(default_factory=lambda: MAPPED_RANGE_BYTES)

    def look(self, file: HeadFile) -> Found:
        damaged: list[str] = []
        free: str | None = None
        for key in file.name.page_map_keys(self.database):
            for _ in range(TRIES):
                try:
                    found = decoded(unbind(self.store.get(key), file.name, self.database), file)
                except NotFound:
                    free = free or key
                    break
                if found is not None:
                    return Found(found, key, tuple(damaged), free)
            else:
                damaged.append(key)
        return Found(None, None, tuple(damaged), free)

    def put(self, page_map: PageMap, name: LtxName, key: str) -> int:
        """Bytes written: none where another reader was faster. `key`: one of those where the map of a file may lie."""
        body = bind(page_map.encode(), name, self.database)
        try:
            self.store.create(key, body)
        except AlreadyExists:
            return 0
        return len(body)

    def make(
        self, file: HeadFile, deadline: float = float("inf"), put: Callable[[Pgno, bytes], None] | None = None
    ) -> tuple[PageMap, bool]:
        """The map of a file, and whether it was made here: by reading all of it, unless another reader has put one
        meanwhile. `put` gets the pages, of which none may be believed before the map is made here. Raises NotMapped
        where that would take longer than until `deadline` (unix seconds)."""
        key = file.name.key(self.database)
        pace = _Pace(self.host.now, file.size, deadline)
        if not pace.is_possible:
            raise NotMapped(file, key)
        made = _Making(self.store, self.host, file, key, self.range_bytes)
        looked_at = self.host.now()
        for position in made.steps(put):
            if not pace.is_enough_at(position):
                raise NotMapped(file, key)
            if self.host.now() - looked_at >= LOOK_AGAIN_SECONDS:
                if (found := self.look(file).page_map) is not None:
                    return found, False
                looked_at = self.host.now()
        return made.page_map, True

    def go_on(self, file: HeadFile, deadline: float) -> PageMap | None:
        """The map of a file, from where an earlier call stopped; None where this one stops at `deadline`. Progress is
        kept in the store."""
        key = file.name.map_progress_key(self.database)
        begun = self._progress(key, file)
        made = _Making(self.store, self.host, file, file.name.key(self.database), self.range_bytes, begun)
        saved_at, is_kept = self.host.now(), False
        try:
            for _ in made.steps():
                is_over = self.host.now() >= deadline
                if is_over or self.host.now() - saved_at >= SAVE_SECONDS:
                    self.store.put(key, made.progress())
                    saved_at, is_kept = self.host.now(), True
                if is_over:
                    return None
        except SldbError as error:
            # The next call begins anew: what was kept may be of another file, or was damaged on its way.
            if error.code == "corrupt" and (begun is not None or is_kept):
                self.store.delete(key)
            raise
        return made.page_map

    def forget_progress(self, file: HeadFile) -> None:
        self.store.delete(file.name.map_progress_key(self.database))

    def _progress(self, key: str, file: HeadFile) -> _Progress | None:
        try:
            return _Progress.decode(self.store.get(key), file)
        except NotFound:
            return None


def decoded(body: bytes, file: HeadFile) -> PageMap | None:
    """The map in an object; None if it is none, or damaged, or that of another file."""
    try:
        found = PageMap.decode(body)
    except BadPageMap:
        return None
    return found if found.file_bytes == file.size else None


@dataclass(frozen=True, slots=True)
class _Progress:
    point: ResumePoint
    builder: PageMapBuilder

    def encode(self, file_bytes: int) -> bytes:
        begun, in_group = self.builder.so_far(file_bytes)
        fields = _FIELDS.pack(_VERSION, in_group, self.point.checksum, self.point.last, self.point.head)
        body = fields + begun.encode()
        return _MAGIC + struct.pack("<I", zlib.crc32(body)) + body

    @classmethod
    def decode(cls, data: bytes, file: HeadFile) -> _Progress | None:
        """None for what is no progress of this file, or damaged."""
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


class _Making:
    """One file on its way through here."""

    def __init__(
        self,
        store: ObjectStore,
        host: Host,
        file: HeadFile,
        key: str,
        range_bytes: int,
        begun: _Progress | None = None,
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
        """Read the file; after each range of it, bytes from where this began. Raises `corrupt` at the end where the
        checksum fails."""
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
        """The ranges that have these bytes of the file."""
        begin = self._start + (first - self._start) // self._range_bytes * self._range_bytes
        self._doubted.update(range(begin, last + 1, self._range_bytes))

    def _read_again(self) -> None:
        for start in sorted(self._doubted):
            if zlib.crc32(self._ask(start)) != self._read[start]:
                raise store_error(Unavailable(self._key, f"its bytes from {start} on were others when read again"))
        self._doubted.clear()
        for start in [start for start in self._read if start + self._range_bytes <= self._decoder.length]:
            del self._read[start]

    @property
    def page_map(self) -> PageMap:
        """Once all steps have been taken."""
        return self._builder.build(self._decoder.length)

    def progress(self) -> bytes:
        return _Progress(self._decoder.resume_point, self._builder).encode(self._file.size)

    def _pieces(self, host: Host) -> Iterator[bytes]:
        """The file in ranges, of which several are on their way."""
        waiting: deque[tuple[int, Call]] = deque()
        starts = iter(range(self._start, self._file.size, self._range_bytes))
        while True:
            while len(waiting) < RANGES_IN_FLIGHT and (start := next(starts, None)) is not None:
                waiting.append((start, host.start(partial(self._ask, start))))
            if not waiting:
                return
            start, call = waiting.popleft()
            piece: bytes = call.result()
            self._read[start] = zlib.crc32(piece)
            yield piece

    def _ask(self, start: int) -> bytes:
        """One range. One that comes back too short is asked for again."""
        length = min(self._range_bytes, self._file.size - start)
        piece = b""
        for _ in range(TRIES):
            piece = self._store.get_range(self._key, start, length)
            if len(piece) == length:
                break
        else:
            ltx.corrupt(self._key, f"bytes {start} to {start + length}", f"{len(piece)} bytes", f"{length} bytes")
        return piece


class _Pace:
    """Whether reading so many bytes ends before a deadline."""

    def __init__(self, now: Callable[[], float], size: int, deadline: float) -> None:
        self._now = now
        self._size = size
        self._deadline = deadline
        self._started = now()

    @property
    def is_possible(self) -> bool:
        return self._started + self._size / MAX_BYTES_PER_SECOND < self._deadline

    def is_enough_at(self, position: int) -> bool:
        """By what was measured up to `position`."""
        now = self._now()
        took = now - self._started
        if took < MEASURED_SECONDS:
            return now < self._deadline
        return now + took * (self._size - position) / position < self._deadline
