"""An LTX file, decoded from its pieces and verified: the format is in `ltx`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat

import lz4.block
from fastcrc import crc64

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.ltx import (
    END_BYTES,
    END_OF_PAGES,
    FRAME,
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    SIZED,
    TOP_BIT,
    Frame,
    Header,
    Pgno,
    corrupt,
    lock_page,
)

MAX_RUN_BYTES = 256 << 10  # of pages: they stay in a core's cache until they are used


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The place between two frames after a decoded part of a file."""

    head: bytes  # the header of the file
    checksum: int  # CRC-64 of what comes before
    position: int  # bytes from the start of the file
    last: Pgno  # the page before


class Decoder:
    """A file, read from its pieces; memory stays bounded whatever its size.

    `header` is available at once. `pages()` or `frames()` returns the pages once, and raises `corrupt` at its end if
    the checksum fails: they may not be used before. With the `resume_point` of another decoder, `chunks` begin
    there."""

    def __init__(self, chunks: Iterable[bytes], key: str, resume_point: ResumePoint | None = None) -> None:
        self._key = key
        self._source = _Source(iter(chunks), key, resume_point.position if resume_point else 0)
        self._head = resume_point.head if resume_point else self._source.read(HEADER_BYTES)
        self.header = Header.decode(self._head, key)
        self._checksum = resume_point.checksum if resume_point else crc64.go_iso(self._head)
        self._last = resume_point.last if resume_point else Pgno(0)

    @property
    def resume_point(self) -> ResumePoint:
        """The place behind the last frame of `frames`."""
        return ResumePoint(self._head, self._checksum, self.length, self._last)

    def pages(self) -> Iterator[tuple[Pgno, bytes]]:
        """Return the pages with their numbers."""
        return ((frame.pgno, frame.page) for frame in self.frames())

    def frames(self) -> Iterator[Frame]:
        """Yield the frames. Raises `corrupt` at the end if the checksum fails."""
        while frame := self._read_frame():
            yield frame
        self._check_end()

    def runs(self) -> Iterator[tuple[Pgno, list[bytes]]]:
        """Yield the pages in runs: the number of the first, and the pages from there on without a gap. In half of the
        time of `pages`, and otherwise the same."""
        while True:
            if pages := self._buffered_run():
                yield Pgno(self._last - len(pages) + 1), pages
            elif frame := self._read_frame():
                yield frame.pgno, [frame.page]
            else:
                break
        self._check_end()

    def _read_frame(self) -> Frame | None:
        """Return the next frame; None at the end of pages."""
        pgno_and_size = self._next_frame()
        if pgno_and_size is None:
            return None
        pgno, size = pgno_and_size
        self._check_frame(pgno, size, self._last)
        block = self._source.read(size)
        page = _expand(block, pgno, self.header.page_size, self._key)
        self._checksum = crc64.go_iso(FRAME.pack(pgno, SIZED, size) + page, self._checksum)
        self._last = Pgno(pgno)
        return Frame(self._last, page, block)

    def _buffered_run(self) -> list[bytes]:
        """Return the next pages without a gap that are in the buffer. `_read_frame` takes what is not: the end, a frame
        in two pieces, any error in a frame's header."""
        heads, blocks, last = self._buffered_frames()
        if not blocks:
            return []
        pages = _expand_all(blocks, range(last - len(blocks) + 1, last + 1), self.header.page_size, self._key)
        # To copy the run once, within a core's cache, costs less than two calls for each page.
        counted = b"".join(chain.from_iterable(zip(heads, pages, strict=True)))
        self._checksum, self._last = crc64.go_iso(counted, self._checksum), Pgno(last)
        return pages

    def _buffered_frames(self) -> tuple[list[bytes], list[bytes], int]:
        """Return the headers and the blocks of the next frames in the buffer, and the number of the last page."""
        buffer, position = self._source.buffered
        page_size, commit, last, available = self.header.page_size, self.header.commit, int(self._last), len(buffer)
        most, largest, skipped = MAX_RUN_BYTES // page_size, _largest_block(page_size), lock_page(page_size)
        heads: list[bytes] = []
        blocks: list[bytes] = []
        start = position + FRAME_HEADER_BYTES
        while start <= available and len(blocks) < most:
            pgno, flags, size = FRAME.unpack_from(buffer, position)
            is_next = pgno == last + 1 if blocks else last < pgno
            if not (is_next and pgno <= commit and pgno != skipped and flags == SIZED):
                break
            end = start + size
            if not 0 < size <= largest or end > available:
                break
            heads.append(buffer[position:start])
            blocks.append(buffer[start:end])
            last, position, start = pgno, end, end + FRAME_HEADER_BYTES
        self._source.skip_to(position)
        return heads, blocks, last

    def _next_frame(self) -> tuple[int, int] | None:
        """Return page number and size of the next frame; None at the end of pages."""
        start = self._source.read(6)
        if start == END_OF_PAGES:
            return None
        pgno, flags, size = FRAME.unpack(start + self._source.read(4))
        if flags != SIZED:
            corrupt(self._key, f"flags of page {pgno}", flags, SIZED)
        return pgno, size

    def _check_frame(self, pgno: int, size: int, last: int) -> None:
        page_size = self.header.page_size
        if not last < pgno <= self.header.commit:
            corrupt(self._key, "page number", pgno, f"more than {last}, at most {self.header.commit}")
        if pgno == lock_page(page_size):
            corrupt(self._key, "page number", pgno, "any page but SQLite's lock page")
        largest = _largest_block(page_size)
        if not 0 < size <= largest:
            corrupt(self._key, f"size of page {pgno}", size, f"1 to {largest}")

    @property
    def length(self) -> int:
        """The number of bytes read so far."""
        return self._source.length

    def _check_end(self) -> None:
        checksum, length, end = crc64.go_iso(END_OF_PAGES, self._checksum), 0, b""
        for piece in self._source.rest():  # of a huge file the index is large
            length, end = length + len(piece), end + piece
            cut = max(0, len(end) - END_BYTES)
            checksum, end = crc64.go_iso(end[:cut], checksum), end[cut:]
        if length < 1 + END_BYTES:
            corrupt(self._key, "end", f"{length} bytes after the pages", "page index and trailer")
        index_bytes = int.from_bytes(end[:8], "big")
        if index_bytes != length - END_BYTES:
            corrupt(self._key, "length of the page index", index_bytes, length - END_BYTES)
        want = crc64.go_iso(end[:-8], checksum) | TOP_BIT
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
            return self._read_across(length)
        data = self._buffer[self._position : end]
        self._position = end
        return data

    @property
    def buffered(self) -> tuple[bytes, int]:
        """The buffer, and the position of the next byte in it."""
        return self._buffer, self._position

    def skip_to(self, position: int) -> None:
        """Go on at a position in the buffer."""
        self._position = position

    def rest(self) -> Iterator[bytes]:
        """Yield the remaining bytes, in pieces."""
        for piece in chain((self._buffer[self._position :],), self._chunks):
            self._consumed += self._position + len(piece)
            self._buffer, self._position = b"", 0
            yield piece

    @property
    def length(self) -> int:
        return self._consumed + self._position

    def _read_across(self, length: int) -> bytes:
        """Read beyond the end of the buffer: the next pieces become it, none is copied whole."""
        parts = [self._buffer[self._position :]]
        missing = length - len(parts[0])
        while missing > 0:
            chunk = next(self._chunks, None)
            self._consumed += len(self._buffer)
            if chunk is None:
                corrupt(self._key, "length", f"{self._consumed} bytes", f"at least {missing} more")
            self._buffer, self._position = chunk, min(missing, len(chunk))
            parts.append(chunk[:missing])
            missing -= self._position
        return b"".join(parts)


def decode_frames(data: bytes, page_size: int, key: str) -> Iterator[Frame]:
    """Yield the pages of a piece of a file that begins and ends between two frames. Damage of a page is not noticed
    here: compare the piece's checksum first (page_map)."""
    position = 0
    while position < len(data):
        start = position + FRAME.size
        if start > len(data):
            corrupt(key, "frame", f"{len(data) - position} bytes", f"{FRAME.size} bytes or more")
        pgno, flags, size = FRAME.unpack_from(data, position)
        if flags != SIZED or start + size > len(data):
            corrupt(key, f"frame of page {pgno}", f"flags {flags}, size {size}", "one that fits")
        position = start + size
        block = data[start:position]
        yield Frame(Pgno(pgno), _expand(block, pgno, page_size, key), block)


def decode_runs(data: bytes, page_size: int, key: str) -> Iterator[list[tuple[Pgno, bytes]]]:
    """Yield the pages of `decode_frames` with their numbers, as many at a time as stay in a core's cache. In half of
    the time, and otherwise the same."""
    most, position, available = MAX_RUN_BYTES // page_size, 0, len(data)
    while position < available:
        pgnos: list[Pgno] = []
        blocks: list[bytes] = []
        while position + FRAME_HEADER_BYTES <= available and len(blocks) < most:
            pgno, flags, size = FRAME.unpack_from(data, position)
            start = position + FRAME_HEADER_BYTES
            if flags != SIZED or start + size > available:
                break
            position = start + size
            pgnos.append(pgno)
            blocks.append(data[start:position])
        if not blocks:  # the next frame does not fit: let its error be raised
            for _ in decode_frames(data[position:], page_size, key):
                pass
        yield list(zip(pgnos, _expand_all(blocks, pgnos, page_size, key), strict=True))


def _largest_block(page_size: int) -> int:
    """Return the largest size of a block: with what LZ4 adds at most to what it cannot compress."""
    return page_size + page_size // 255 + 16


def _expand_all(blocks: list[bytes], pgnos: Sequence[int], page_size: int, key: str) -> list[bytes]:
    """Return the pages with these numbers. Raises `corrupt` for the first damaged one."""
    try:
        pages = list(map(lz4.block.decompress, blocks, repeat(page_size)))
    except lz4.block.LZ4BlockError:
        pages = []
    if set(map(len, pages)) == {page_size}:
        return pages
    return [_expand(block, pgno, page_size, key) for pgno, block in zip(pgnos, blocks, strict=True)]


def _expand(block: bytes, pgno: int, page_size: int, key: str) -> bytes:
    try:
        page: bytes = lz4.block.decompress(block, page_size)
    except lz4.block.LZ4BlockError as error:
        corrupt(key, f"page {pgno}", f"a block that does not expand ({error})", f"{page_size} bytes")
    if len(page) != page_size:
        corrupt(key, f"page {pgno}", f"{len(page)} bytes", f"{page_size} bytes")
    return page
