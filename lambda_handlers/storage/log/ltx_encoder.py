"""An LTX file, encoded page by page: the format is in `ltx`. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastcrc import crc64

from lambda_handlers.storage.log.ltx import END_OF_PAGES, FRAME_HEADER_BYTES, Frame, Header, Pgno, compressed, seal
from lambda_handlers.storage.log.ltx_index import append_uvarint

if TYPE_CHECKING:
    from lambda_handlers.storage.log.ltx_run import Run


class Encoder:
    """A file, piece by piece: `begin`, then `add` for each page in ascending order, then `finish`.

    The lock page must not be added. Only the page index stays in memory, about 9 bytes a page."""

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
            append_uvarint(self._index, number)
        self.length += len(encoded)
        return encoded

    def add_run(self, run: Run) -> bytes:
        """Add the pages of a run at once."""
        self._checksum = crc64.go_iso(run.counted, self._checksum)
        self._index += run.index_entries(self.length)
        self.length += len(run.frames)
        return run.frames

    def finish(self) -> bytes:
        self._index.append(0)
        tail = b"".join((END_OF_PAGES, self._index, struct.pack(">Q", len(self._index)), bytes(8)))
        self._index = bytearray()  # of a huge file it is large, and the tail has it
        self.length += len(tail) + 8
        return tail + seal(crc64.go_iso(tail, self._checksum))


def encode_ltx(header: Header, pages: Iterable[tuple[Pgno, bytes]]) -> bytes:
    """Return a whole file. `pages` ascend, each of header.page_size bytes, without the lock page."""
    encoder = Encoder(header)
    parts = [encoder.begin(), *(encoder.add(compressed(pgno, page)) for pgno, page in pages)]
    return b"".join((*parts, encoder.finish()))
