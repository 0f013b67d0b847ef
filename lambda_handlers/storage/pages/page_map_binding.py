"""A page map in the store, bound to the file that it is about.

Two files may have the same length, and a page map says nothing else of its file: one that a store or a copy tool put at
another name would be believed, and the upper pages that it carries are read without a look at the file. So the object
begins with a checksum over the file's key, database and all, and the map.

    magic       "SLPB"
    u32         CRC-32 of the file's key, a newline, and all that follows; little-endian
    then        the page map (page_map)

Maps that were put before were not bound, and are believed as they were then: their own checksum covers all of them. The
code of then takes bound ones for damaged and reads the file instead.
"""

from __future__ import annotations

import zlib

from lambda_handlers.storage.log.keys import LtxName

_MAGIC = b"SLPB"
_START = len(_MAGIC) + 4


def bind(page_map: bytes, name: LtxName, database: str) -> bytes:
    return _MAGIC + _checksum(page_map, name, database) + page_map


def unbind(data: bytes, name: LtxName, database: str) -> bytes:
    """The page map in the object; an object that is none as it is; empty for the map of another file, or a damaged
    one."""
    if data[: len(_MAGIC)] != _MAGIC:
        return data
    page_map = data[_START:]
    return page_map if data[len(_MAGIC) : _START] == _checksum(page_map, name, database) else b""


def _checksum(page_map: bytes, name: LtxName, database: str) -> bytes:
    key = name.key(database).encode()
    return zlib.crc32(page_map, zlib.crc32(key + b"\n")).to_bytes(4, "little")
