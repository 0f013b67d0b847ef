"""The upload: a SQLite file as a prepared LTX file (storage.prepared), in parts.

Every part but the last has PART_BYTES, and the last one is long enough to hold the file's checksum in one piece. The
same file always gives the same parts. Each is named by its number and the MD5 of its content: so an interrupted upload
finds the parts already sent, and the commit finds parts damaged on the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_encoder import Encoder
from lambda_handlers.storage.log.ltx_run import RunBuffer
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES, PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.storage.prepared_file import PREPARED, first_frame
from lambda_handlers.store.protocol import PART_BYTES
from sldb.push_pull.source import Source

_MIN_LAST_PART_BYTES = 64  # if there are several parts


@dataclass(frozen=True, slots=True)
class Part:
    number: int  # from 1
    body: bytes
    source_bytes: int  # of the SQLite file that it contains

    @property
    def name(self) -> str:
        """The name, computed from the whole body each time."""
        digest = hashlib.md5(self.body, usedforsecurity=False).hexdigest()  # S3 reports the same for what it received
        return f"{self.number:05}-{digest}"


class Encoding:
    """The encoding of one source: iterate `parts` once, then read `page_map`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._encoded_pages = 0
        self._page_map: PageMap | None = None

    @property
    def upload_id(self) -> str:
        """The name of the upload: the same for the same file."""
        source = self._source
        sizes = f"{source.page_size} {source.page_count} ".encode()
        return hashlib.sha256(sizes + source.likely_first_page).hexdigest()[:16]

    def parts(self) -> Iterator[Part]:
        """Yield the parts in order. Raises SldbError."""
        waiting, size, number, counted_bytes = list[bytes](), 0, 0, 0
        for piece in self._pieces():
            waiting.append(piece)
            size += len(piece)
            while size >= PART_BYTES + _MIN_LAST_PART_BYTES:
                rest = _cut(waiting, size - PART_BYTES)
                number, reached = number + 1, self._encoded_pages * self._source.page_size
                yield Part(number, b"".join(waiting), reached - counted_bytes)
                waiting, size, counted_bytes = rest, size - PART_BYTES, reached
        yield Part(number + 1, b"".join(waiting), self._source.size - counted_bytes)

    @property
    def page_map(self) -> PageMap:
        """The page map of the prepared file, once all parts have been taken."""
        assert self._page_map is not None, "the parts have not been taken"
        return self._page_map

    def _pieces(self) -> Iterator[bytes]:
        source = self._source
        header = Header(source.page_size, source.page_count, PREPARED.min_txid, PREPARED.max_txid, timestamp_ms=0)
        encoder, builder = Encoder(header), PageMapBuilder(header)
        yield encoder.begin()
        frame = first_frame(source.likely_first_page)
        encoded = encoder.add(frame)
        builder.add(frame, encoded)
        self._encoded_pages = 1
        yield encoded
        buffer = RunBuffer(source.page_size)
        for pgnos in source.pages(buffer.pages):
            run = buffer.encode(pgnos)
            builder.add_run(run)
            self._encoded_pages = pgnos[-1]
            yield encoder.add_run(run)
        yield encoder.finish()
        self._page_map = builder.build(encoder.length, carry=encoder.length > MAP_WORTH_BYTES)


def _cut(pieces: list[bytes], size: int) -> list[bytes]:
    """Remove the last `size` bytes of the pieces, and return them."""
    cut: list[bytes] = []
    while size > 0:
        piece = pieces.pop()
        if len(piece) > size:
            pieces.append(piece[:-size])
            piece = piece[-size:]
        cut.insert(0, piece)
        size -= len(piece)
    return cut
