"""The page index at the end of an LTX file: for each page its number, and the place of its frame. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_handlers.storage.log.ltx import FRAME_HEADER_BYTES, HEADER_BYTES, TRAILER_BYTES, Pgno, corrupt


def decode_index(data: bytes, key: str) -> Iterator[tuple[Pgno, int, int]]:
    """Yield page number, offset and length of every frame, from the end of a file (all of its index, at least). The
    frames lie one behind the other, and any damaged number would break that; raises `corrupt` there."""
    end = len(data) - TRAILER_BYTES - 8
    length = index_length(data, key)
    if length > end:
        corrupt(key, "page index", f"{end} bytes", f"{length} bytes")
    if length < 1 or data[end - 1] != 0:
        corrupt(key, "page index", "no zero at its end", "one")
    numbers = _uvarints(data[end - length : end - 1], key)
    last, position = 0, HEADER_BYTES
    for pgno in numbers:
        offset, size = next(numbers, 0), next(numbers, 0)
        if pgno <= last or offset != position or size <= FRAME_HEADER_BYTES:
            corrupt(key, "page index", f"page {pgno} at {offset}", f"one above {last} at {position}")
        last, position = pgno, offset + size
        yield Pgno(pgno), offset, size


def index_length(tail: bytes, key: str) -> int:
    """Return the length of the page index, from the last 24 bytes of a file."""
    if len(tail) < TRAILER_BYTES + 8:
        corrupt(key, "length", f"{len(tail)} bytes", "a page index and a trailer")
    return int.from_bytes(tail[-TRAILER_BYTES - 8 : -TRAILER_BYTES], "big")


def append_uvarint(out: bytearray, number: int) -> None:
    """Append a number as unsigned LEB128."""
    while number >= 0x80:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)


def _uvarints(data: bytes, key: str) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        corrupt(key, "page index", "a number that does not end", "whole numbers")
