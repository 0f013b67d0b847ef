"""The binding of a stored page map to its file.

Two files may have the same length, and a page map does not identify its file in another way: one put at another name by
a store or a copy tool would be trusted, and its upper pages are read without the file. So the object begins with a
checksum over the file's key, database and all, and the map.

    magic       "SLPB"
    u32         CRC-32 of the file's key, a newline, and the rest; little-endian
    then        the page map (page_map)

Maps of earlier versions are not bound, and are trusted as before: their own checksum covers all of them. Earlier code
considers bound ones damaged and reads the file instead.
"""

from __future__ import annotations

import zlib

from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map import BadPageMap, PageMap

_MAGIC = b"SLPB"
_START = len(_MAGIC) + 4


def bind(page_map: bytes, name: LtxName, database: str) -> bytes:
    """Return the object of a page map."""
    return _MAGIC + _checksum(page_map, name, database) + page_map


def unbind(data: bytes, name: LtxName, database: str) -> bytes:
    """Return the page map in the object; the object itself if it is not bound; nothing for the map of another file, or
    a damaged one."""
    if data[: len(_MAGIC)] != _MAGIC:
        return data
    page_map = data[_START:]
    return page_map if data[len(_MAGIC) : _START] == _checksum(page_map, name, database) else b""


def _checksum(page_map: bytes, name: LtxName, database: str) -> bytes:
    key = name.key(database).encode()
    return zlib.crc32(page_map, zlib.crc32(key + b"\n")).to_bytes(4, "little")


def decoded(body: bytes, file: HeadFile) -> PageMap | None:
    """Return the map in an object; None if it is not a map, or damaged, or of another file."""
    try:
        found = PageMap.decode(body)
    except BadPageMap:
        return None
    return found if found.file_bytes == file.size else None
