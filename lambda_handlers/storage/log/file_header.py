"""The header of a file without the rest of it: trusted only if a checksum covers it.

A file of sldb contains a checksum of its header. A small file is read whole, and its checksum covers the header. Of a
large file without a header checksum (Litestream's, those of earlier versions) two readings must agree, so that damage
in transit is noticed.

A damaged reading is repeated once.
"""

from __future__ import annotations

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import HEADER_BYTES, Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError

SMALL_BYTES = 16 << 10  # a file up to here is requested whole at once
WHOLE_BYTES = 1 << 20  # and one up to here where its header has no checksum
TRIES = 2


def read(store: ObjectStore, key: str, size: int | None = None) -> Header:
    """Return the header of a file. `size`: its size in bytes, if it is known. Raises NotFound, another StoreError, or
    SldbError `corrupt`."""
    is_small = size is not None and size <= SMALL_BYTES
    for _ in range(TRIES - 1):
        try:
            return _whole(store.get(key), key) if is_small else _read(store, key)
        except SldbError:
            continue
    return _whole(store.get(key), key) if is_small else _read(store, key)


def read_beginning(store: ObjectStore, key: str) -> tuple[Header, bytes]:
    """Return the header of a large file and its first bytes, with one request if the header has a checksum; no bytes if
    it does not. Raises as `read` does."""
    data = store.get_range(key, 0, SMALL_BYTES)
    if is_checked(data, key):
        return Header.decode(data, key), data
    return read(store, key), b""


def is_checked(data: bytes, key: str) -> bool:
    """Return True if the bytes of a header have a checksum, and it is right."""
    try:
        return Header.decode(data, key).has_checksum
    except SldbError:
        return False


def _read(store: ObjectStore, key: str) -> Header:
    data = store.get_range(key, 0, HEADER_BYTES)
    header = Header.decode(data, key)
    if header.has_checksum:
        return header
    body = store.get_range(key, 0, WHOLE_BYTES)
    if len(body) < WHOLE_BYTES:
        return _whole(body, key)
    if body[:HEADER_BYTES] != data:
        ltx.corrupt(key, "header", "other bytes when it is read again", "the same")
    return header


def _whole(body: bytes, key: str) -> Header:
    decoder = Decoder([body], key)
    for _ in decoder.frames():
        pass
    return decoder.header
