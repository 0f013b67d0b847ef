"""The header of a file without the rest of it: believed only where a checksum covers it.

A file of ours has a checksum of its header in it. A small file is read whole, whose checksum covers the header. Of a
large file that has none in its header (Litestream's, those of versions before) two readings must agree, so that what
was damaged on its way is not believed.

Whatever is damaged is read once more.
"""

from __future__ import annotations

from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import HEADER_BYTES, Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError

SMALL_BYTES = 16 << 10  # a file up to here is asked for whole at once
WHOLE_BYTES = 1 << 20  # and one up to here where its header has no checksum
TRIES = 2


def read(store: ObjectStore, key: str, size: int | None = None) -> Header:
    """`size`: of the file, where it is known. Raises NotFound, another StoreError, or SldbError `corrupt`."""
    is_small = size is not None and size <= SMALL_BYTES
    for _ in range(TRIES - 1):
        try:
            return _whole(store.get(key), key) if is_small else _read(store, key)
        except SldbError:
            continue
    return _whole(store.get(key), key) if is_small else _read(store, key)


def is_checked(data: bytes, key: str) -> bool:
    """Whether the bytes of a header have a checksum that holds."""
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
