"""A SQLite file that is put together from the files of a log, one after the other. Only one page is in memory."""

from __future__ import annotations

from typing import BinaryIO

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.wire import SldbError


class Image:
    """Over an empty file that can be read and written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0
        self._page_size = 0
        self._held = bytearray()  # one byte a page: 1 where it is there

    def apply(self, decoder: Decoder) -> None:
        """Put a file of the log on top of what is there. Raises `corrupt`."""
        header = decoder.header
        self._begin(header)
        for pgno, page in decoder.pages():
            self._write(pgno, page)
        del self._held[header.commit :]
        self._file.flush()
        self._file.truncate(header.commit * header.page_size)

    def finish(self, name: str) -> None:
        """Raises `corrupt` if a page is in none of the files. `name`: of the database."""
        skipped = ltx.lock_page(self._page_size)
        missing = self._held.find(0)
        if missing + 1 == skipped:
            missing = self._held.find(0, missing + 1)
        if missing >= 0:
            raise SldbError("corrupt", f"{name}: page {missing + 1} is in no file of the log")
        # As a database that keeps no WAL, wherever it was written first.
        self._file.seek(18)
        self._file.write(b"\1\1")
        self._file.flush()

    def _begin(self, header: Header) -> None:
        if self._page_size != header.page_size:  # only a file of every page changes it
            self._page_size = header.page_size
            self._held.clear()
            self._file.truncate(0)
        if len(self._held) < header.commit:
            self._held.extend(bytes(header.commit - len(self._held)))

    def _write(self, pgno: Pgno, page: bytes) -> None:
        self._seek((pgno - 1) * len(page))
        self._file.write(page)
        self._position += len(page)
        self._held[pgno - 1] = 1

    def _seek(self, position: int) -> None:
        if position != self._position:
            self._file.seek(position)
            self._position = position
