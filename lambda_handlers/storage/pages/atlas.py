"""The atlas: the page maps of a chain's files in one object, so that a cold reader requests them once.

A maintenance pass puts it, and the head lists the files in it (`HeadFile.in_atlas`). Files are found by their names and
never change, so that the maps of any atlas are right, whatever its age; if a later pass has put another atlas without
some of them, the files have their own maps. It is a hint like the head: it may be missing or damaged. The checksum
covers the name of the database too, for a branch has files of the same names. Version 1 ("SLAT") did not; the code of
either version ignores the atlas of the other.

Format, integers little-endian:

    magic       "SLA2"
    u32         CRC-32 of the atlas's key, a newline, and the rest
    u32         number of page maps
    each        u32 level of the file, u64 first and last transaction in it, u32 bytes of its page map
    then        the page maps, in that order (page_map)
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from lambda_handlers.storage.log.keys import LtxName, atlas_key
from lambda_handlers.store.protocol import NotFound, ObjectStore

_MAGIC = b"SLA2"
_CHECKSUM = struct.Struct("<I")
_COUNT = struct.Struct("<I")
_ENTRY = struct.Struct("<IQQI")


def encode(maps: Mapping[LtxName, bytes], database: str) -> bytes:
    """Return the atlas of these page maps."""
    entries = (_ENTRY.pack(name.level, name.min_txid, name.max_txid, len(body)) for name, body in maps.items())
    body = b"".join((_COUNT.pack(len(maps)), *entries, *maps.values()))
    return _MAGIC + _checksum(body, database) + body


def decode(data: bytes, database: str) -> dict[LtxName, bytes]:
    """Return the page maps in an atlas; none for another object, the atlas of another database, or a damaged one."""
    checked_from = len(_MAGIC) + _CHECKSUM.size
    start = checked_from + _COUNT.size
    if len(data) < start or data[: len(_MAGIC)] != _MAGIC:
        return {}
    if data[len(_MAGIC) : checked_from] != _checksum(memoryview(data)[checked_from:], database):
        return {}
    (count,) = _COUNT.unpack_from(data, checked_from)
    maps: dict[LtxName, bytes] = {}
    position = start + count * _ENTRY.size
    if position > len(data):
        return {}
    for level, low, high, size in _ENTRY.iter_unpack(data[start:position]):
        maps[LtxName(level, low, high)] = data[position : position + size]
        position += size
    return maps


def read(store: ObjectStore, database: str) -> dict[LtxName, bytes]:
    """Return the page maps in the atlas of a database; none if it has no atlas. Raises StoreError."""
    try:
        return decode(store.get(atlas_key(database)), database)
    except NotFound:
        return {}


def _checksum(body: bytes | memoryview, database: str) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(atlas_key(database).encode() + b"\n")))


def put(store: ObjectStore, database: str, body: bytes) -> None:
    """Put an atlas over any other: of two, either is right. Raises StoreError."""
    store.put(atlas_key(database), body)
