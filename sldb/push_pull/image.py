"""The image: a SQLite file assembled from the files of a log, one after the other. Only one page is in memory."""

from __future__ import annotations

from typing import BinaryIO

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.wire import SldbError


class Image:
    """The image in `file`, at first empty, open for reading and writing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0
        self._page_size = 0
        self._present = bytearray()  # one byte a page: 1 if it was written

    def apply(self, decoder: Decoder) -> None:
        """Apply the next file of the log. Raises `corrupt`."""
        header = decoder.header
        self._begin(header)
        for pgno, page in decoder.pages():
            self._write(pgno, page)
        del self._present[header.commit :]
        self._file.flush()
        self._file.truncate(header.commit * header.page_size)

    def finish(self, name: str) -> None:
        """Complete the image. Raises `corrupt` if a page is in none of the files. `name`: of the database."""
        skipped = ltx.lock_page(self._page_size)
        missing = self._present.find(0)
        if missing + 1 == skipped:
            missing = self._present.find(0, missing + 1)
        if missing >= 0:
            raise SldbError("corrupt", f"{name}: page {missing + 1} is in no file of the log")
        # Marked as a database without WAL, whatever the original was.
        self._file.seek(18)
        self._file.write(b"\1\1")
        self._file.flush()

    def _begin(self, header: Header) -> None:
        if self._page_size != header.page_size:  # only a file of all pages changes it
            self._page_size = header.page_size
            self._present.clear()
            self._file.truncate(0)
        if len(self._present) < header.commit:
            self._present.extend(bytes(header.commit - len(self._present)))

    def _write(self, pgno: Pgno, page: bytes) -> None:
        self._seek((pgno - 1) * len(page))
        self._file.write(page)
        self._position += len(page)
        self._present[pgno - 1] = 1

    def _seek(self, position: int) -> None:
        if position != self._position:
            self._file.seek(position)
            self._position = position
