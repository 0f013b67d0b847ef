"""Rows that did not fit into a reply (`rows_url`): fetched, checked, and put where they belong.

Whoever asked does not see the difference. The compressed file has its own checksum, and the reply says how many rows
there are: anything else than exactly those is an error.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from lambda_handlers.wire import Reply, Result, Row, SldbError, StoredRows, decode_line

TRIES = 3
PAUSE_SECONDS = 0.5

_GZIP = 16 + zlib.MAX_WBITS

Download: TypeAlias = Callable[[str], Iterable[bytes]]  # raises OSError where that fails


def fetch(reply: Reply, download: Download, again: str, sleep: Callable[[float], None] = time.sleep) -> Reply:
    """The reply with all its rows in it. Raises SldbError `store_error`; `again`: how to get them another time."""
    if not any(result.stored for result in reply.results):
        return reply
    return replace(reply, results=tuple(_complete(result, download, again, sleep) for result in reply.results))


def _complete(result: Result, download: Download, again: str, sleep: Callable[[float], None]) -> Result:
    if result.stored is None:
        return result
    for sends_left in reversed(range(TRIES)):
        try:
            return replace(result, rows=_rows(result.stored, download), stored=None)
        except (OSError, ValueError, SldbError, zlib.error) as error:
            if not sends_left:
                raise SldbError(
                    "store_error", f"the rows of the reply cannot be read from the store: {error}", again
                ) from error
        sleep(PAUSE_SECONDS)
    raise AssertionError  # the last try returns or raises


def _rows(stored: StoredRows, download: Download) -> list[Row]:
    rows = [decode_line(line) for line in _lines(download(stored.url))]
    if len(rows) != stored.count:
        raise ValueError(f"got {len(rows)} rows, want {stored.count}")
    return rows


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a gzip file; raises zlib.error where its checksum is wrong, ValueError where it ends early."""
    gzip, rest = zlib.decompressobj(_GZIP), b""
    for piece in pieces:
        *lines, rest = (rest + gzip.decompress(piece)).split(b"\n")
        yield from lines
    if rest or not gzip.eof:
        raise ValueError("it ends early")
