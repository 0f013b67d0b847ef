"""Rows stored as an S3 object because they exceed the reply limit (`rows_url`): fetched, checked, and put into the
reply.

The caller sees no difference. The compressed file has its own checksum, and the reply has the number of rows: anything
else than exactly those is an error.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import repeat
from typing import TypeAlias

from lambda_handlers.wire import Reply, Result, Row, SldbError, StoredRows, decode_line
from sldb.aws.polling import Sleep, retry

TRIES = 3
PAUSE_SECONDS = 0.5

_GZIP = 16 + zlib.MAX_WBITS

Download: TypeAlias = Callable[[str], Iterable[bytes]]  # raises OSError


def fetch(reply: Reply, download: Download, again: str, sleep: Sleep = time.sleep) -> Reply:
    """Return the reply with all its rows in it. Raises SldbError `store_error`. `again`: its hint: how to get the rows
    another time."""
    if not any(result.stored for result in reply.results):
        return reply
    return replace(reply, results=tuple(_complete(result, download, again, sleep) for result in reply.results))


def _complete(result: Result, download: Download, again: str, sleep: Sleep) -> Result:
    stored = result.stored
    if stored is None:
        return result
    try:
        rows = retry(lambda: _rows(stored, download), _is_bad_read, repeat(PAUSE_SECONDS, TRIES - 1), sleep)
    except _BAD_READS as error:
        raise SldbError(
            "store_error", f"the rows of the reply cannot be read from the store: {error}", again
        ) from error
    return replace(result, rows=rows, stored=None)


_BAD_READS = (OSError, ValueError, SldbError, zlib.error)


def _is_bad_read(error: Exception) -> bool:
    return isinstance(error, _BAD_READS)


def _rows(stored: StoredRows, download: Download) -> list[Row]:
    rows = [decode_line(line) for line in _lines(download(stored.url))]
    if len(rows) != stored.count:
        raise ValueError(f"got {len(rows)} rows, want {stored.count}")
    return rows


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a gzip file. Raises zlib.error if its checksum is wrong, ValueError if it ends early."""
    gzip, rest = zlib.decompressobj(_GZIP), b""
    for piece in pieces:
        *lines, rest = (rest + gzip.decompress(piece)).split(b"\n")
        yield from lines
    if rest or not gzip.eof:
        raise ValueError("it ends early")
