"""Rows stored as an S3 object because they exceed the reply limit (`rows_url`): fetched, checked, and put into the
reply.

The caller sees no difference. The compressed file has its own checksum, and the reply has the number of rows: anything
else than exactly those is an error.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from typing import TypeAlias

from lambda_handlers.wire import Reply, Result, Row, SldbError, StoredRows, decode_line
from sldb.aws.polling import Sleep, retry
from sldb.targets.protocol import lines_of

TRIES = 3
PAUSE_SECONDS = 0.5

_GZIP = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 256 << 10  # of expanded content

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
        raise _unreadable(error, again) from error
    return replace(result, rows=rows, stored=None)


_BAD_READS = (OSError, ValueError, SldbError, zlib.error)


def _is_bad_read(error: Exception) -> bool:
    return isinstance(error, _BAD_READS)


def _rows(stored: StoredRows, download: Download) -> list[Row]:
    rows = [decode_line(line) for line in _lines(download(stored.url))]
    if len(rows) != stored.count:
        raise ValueError(f"got {len(rows)} rows, want {stored.count}")
    return rows


def stream(stored: StoredRows, download: Download, again: str, sleep: Sleep = time.sleep) -> Iterator[Row]:
    """Yield the rows as they arrive. If the connection breaks, the file is read anew, from behind the rows that were
    given; these must then be the same. Raises SldbError `store_error`, also for too few rows or a wrong checksum, at
    the end at the latest."""
    given = _Given()
    tries_left = TRIES
    while True:
        position = given.count
        try:
            yield from _rest(stored, download, given)
            return
        except _BAD_READS as error:
            tries_left = TRIES - 1 if given.count > position else tries_left - 1
            if not tries_left or isinstance(error, _Changed):
                raise _unreadable(error, again) from error
        sleep(PAUSE_SECONDS)


class _Given:
    """The rows that a program has got: their number, and a checksum of their lines."""

    count = 0
    checksum = 0


class _Changed(ValueError):
    """Other rows than those that were given."""


def _rest(stored: StoredRows, download: Download, given: _Given) -> Iterator[Row]:
    """Yield the rows behind those given. Raises _BAD_READS."""
    before, checksum, count = given.count, 0, 0
    with closing(_lines(download(stored.url))) as lines:
        for count, line in enumerate(lines, start=1):
            checksum = zlib.crc32(line, checksum)
            if count == before and checksum != given.checksum:
                raise _Changed("it has changed since it was begun")
            if count > stored.count:
                raise ValueError(f"got more than {stored.count} rows")
            if count > before:
                row = decode_line(line)
                given.count, given.checksum = count, checksum
                yield row
    if count != stored.count:
        raise ValueError(f"got {count} rows, want {stored.count}")


def _unreadable(error: Exception, again: str) -> SldbError:
    return SldbError("store_error", f"the rows of the reply cannot be read from the store: {error}", again)


def _lines(pieces: Iterable[bytes]) -> Generator[bytes]:
    """Yield the lines of a gzip file. Raises zlib.error if its checksum is wrong, ValueError if it ends early."""
    return (line for line in lines_of(_expanded(pieces)))


def _expanded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a gzip file, in pieces of limited size however well it is compressed."""
    gzip = zlib.decompressobj(_GZIP)
    for piece in pieces:
        yield gzip.decompress(piece, _PIECE_BYTES)
        while gzip.unconsumed_tail:
            yield gzip.decompress(gzip.unconsumed_tail, _PIECE_BYTES)
    yield gzip.flush()
    if not gzip.eof:
        raise ValueError("it ends early")
