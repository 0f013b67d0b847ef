"""Native modules without debug information: tables of symbols and of lines, part of some wheels. They are three
quarters of apsw's module for Amazon Linux 2, and were a third of the bundle.

Their bytes become zeros, and a zip compresses zeros to nothing. No byte moves, and nothing mapped into memory by the
loader is touched: neither `strip` nor a library for ELF files is needed. A file of another form stays as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct("<4sBBB9xHHIQQQIHHHHHH")  # of ELF64, little-endian
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ELF, _64_BIT, _LITTLE_ENDIAN = b"\x7fELF", 2, 1
_LOADED_SEGMENT = 1  # PT_LOAD
_PROGRAM_DATA, _SYMBOLS, _STRINGS = 1, 2, 3  # SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB
_ALLOCATED = 2  # SHF_ALLOC: in memory at run time
_NAMES = (b".symtab", b".strtab", b".debug_", b".zdebug_", b".gdb_index")


def without_debug_information(data: bytes) -> bytes:
    """Return a shared library with zeros in the place of its debug information; other data as it is."""
    try:
        unused = list(_unused_ranges(data))
    except (struct.error, ValueError):
        return data
    cleaned = bytearray(data)
    for start, size in unused:
        cleaned[start : start + size] = bytes(size)
    return bytes(cleaned)


def _unused_ranges(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield offset and size of each section read by debuggers alone. Raises struct.error or ValueError for another kind
    of file."""
    header = _HEADER.unpack_from(data)
    if (*header[:3],) != (_ELF, _64_BIT, _LITTLE_ENDIAN):
        raise ValueError("not an ELF file of 64 bits")
    segments_at, sections_at = header[8:10]
    segment_bytes, segment_count, section_bytes, section_count, names_section = header[12:17]
    segments = [_SEGMENT.unpack_from(data, segments_at + number * segment_bytes) for number in range(segment_count)]
    sections = [_SECTION.unpack_from(data, sections_at + number * section_bytes) for number in range(section_count)]
    if names_section >= section_count:
        raise ValueError("no names of sections")
    names_at, names_size = sections[names_section][4:6]
    names = data[names_at : names_at + names_size]
    kept = [(segment[2], segment[5]) for segment in segments if segment[0] == _LOADED_SEGMENT]
    kept += [(0, _HEADER.size), (names_at, names_size), (sections_at, section_count * section_bytes)]
    kept += [(segments_at, segment_count * segment_bytes)]
    for name, kind, flags, _, start, size, *_rest in sections:
        is_unused = kind in (_PROGRAM_DATA, _SYMBOLS, _STRINGS) and not flags & _ALLOCATED
        if not is_unused or not names[name:].startswith(_NAMES) or start + size > len(data):
            continue
        if all(start + size <= low or start >= low + length for low, length in kept):
            yield start, size
