"""The spool of one response of `sldb serve`, or of a reply in this process: rows too many for memory, in a local file
without a name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from lambda_handlers.wire import Row, StoredRows, encode_line

HELD_BYTES = 1 << 20

_PIECE_BYTES = 256 << 10
_ROWS_BETWEEN_CHECKS = 256


class Spool:
    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        """`held_bytes`: of rows that stay in the reply."""
        self.held_bytes = held_bytes
        self._file: IO[bytes] | None = None

    def store(self, rows: Iterable[Row], check: Callable[[], None]) -> StoredRows:
        """Store rows until `close`. Their `url` is their place in the file. `check` raises an error when the request is
        over."""
        self._file = file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        start = file.seek(0, 2)
        count = 0
        for count, row in enumerate(rows, start=1):
            file.write(encode_line(row))
            if count % _ROWS_BETWEEN_CHECKS == 0:
                check()
        return StoredRows(f"{start}-{file.tell()}", count)

    def rows(self, stored: StoredRows) -> Iterator[bytes]:
        """Yield the lines of stored rows, in pieces with any ends."""
        assert self._file is not None
        position, end = map(int, stored.url.split("-"))
        while position < end:
            self._file.seek(position)
            piece = self._file.read(min(_PIECE_BYTES, end - position))
            position += len(piece)
            yield piece

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self.close()
