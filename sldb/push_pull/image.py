"""The image: a SQLite file assembled from the files of a log, one after the other. Only a few pages are in
memory."""

from __future__ import annotations

import os
from typing import BinaryIO

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.wire import SldbError


class Image:
    """The image in `file`, at first empty, open for reading and writing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._page_size = 0
        self._present = bytearray()  # one byte a page: 1 if it was written

    def apply(self, decoder: Decoder) -> None:
        """Apply the next file of the log. Raises `corrupt`."""
        header = decoder.header
        self._begin(header)
        for first, pages in decoder.runs():
            self._write((first - 1) * header.page_size, pages)
            self._present[first - 1 : first - 1 + len(pages)] = b"\1" * len(pages)
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

    def _write(self, offset: int, pages: list[bytes]) -> None:
        if hasattr(os, "pwritev"):  # not on Windows
            size = len(pages) * self._page_size
            if os.pwritev(self._file.fileno(), pages, offset) == size:
                return
        self._file.seek(offset)
        self._file.writelines(pages)
