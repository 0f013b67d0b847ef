"""Native modules without debug information."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.deploy.bundle.native import without_debug_information

SEGMENTS_AT, CONTENT_AT, CONTENT_BYTES = 64, 120, 32
NAMES = b"\0.text\0.debug_info\0.symtab\0.shstrtab\0"
ALLOCATED = 2


def library(sections: list[tuple[bytes, int, int]], loaded: int = 1) -> bytes:
    """Return a file of ELF64: content of 32 times 0x01 for the first section, 0x02 for the second and so on, all
    described by name, type and flags; the first `loaded` of them are in a segment for the loader."""
    names_at = CONTENT_AT + len(sections) * CONTENT_BYTES
    sections_at = names_at + len(NAMES)
    rows = [
        (NAMES.index(name), kind, flags, CONTENT_AT + number * CONTENT_BYTES, CONTENT_BYTES)
        for number, (name, kind, flags) in enumerate(sections)
    ]
    rows.append((NAMES.index(b".shstrtab"), 3, 0, names_at, len(NAMES)))
    identity = struct.pack("<4sBBB9x", b"\x7fELF", 2, 1, 1)
    places = (0, SEGMENTS_AT, sections_at, 0, 64)
    header = identity + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, *places, 56, 1, 64, len(rows), len(rows) - 1)
    mapped_bytes = CONTENT_AT + loaded * CONTENT_BYTES
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, mapped_bytes, mapped_bytes, 4096)
    content = b"".join(bytes([number + 1]) * CONTENT_BYTES for number in range(len(sections)))
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, start, size, 0, 0, 1, 0)
        for name, kind, flags, start, size in rows
    )
    return header + segment + content + NAMES + table


SECTIONS = [(b".text", 1, ALLOCATED), (b".debug_info", 1, 0), (b".symtab", 2, 0)]


def kept(data: bytes) -> list[bool]:
    cleaned = without_debug_information(data)
    assert len(cleaned) == len(data)
    differs = {at for at, (new, old) in enumerate(zip(cleaned, data, strict=True)) if new != old}
    contents = [range(CONTENT_AT + number * 32, CONTENT_AT + (number + 1) * 32) for number in range(3)]
    assert differs <= {at for content in contents for at in content}
    return [not differs & set(content) for content in contents]


def test_debug_information_and_symbols_become_zeros() -> None:
    assert kept(library(SECTIONS)) == [True, False, False]


@pytest.mark.parametrize(
    ("sections", "loaded"),
    [
        (SECTIONS, 3),  # in a segment that the loader maps, whatever the table says
        ([SECTIONS[0], (b".debug_info", 1, ALLOCATED), (b".symtab", 2, ALLOCATED)], 1),
        ([SECTIONS[0], (b".text", 1, 0), (b".shstrtab", 3, 0)], 1),  # of other names
        ([SECTIONS[0], (b".debug_info", 8, 0), (b".symtab", 11, 0)], 1),  # of other types
    ],
)
def test_all_else_stays(sections: list[tuple[bytes, int, int]], loaded: int) -> None:
    assert kept(library(sections, loaded)) == [True, True, True]


@given(st.binary(max_size=200))
def test_other_files_stay(data: bytes) -> None:
    assert without_debug_information(data) == data
    assert without_debug_information(b"\x7fELF\x02\x01" + data[:50]) == b"\x7fELF\x02\x01" + data[:50]


@given(st.data())
def test_a_damaged_table_does_no_harm_to_what_is_loaded(data: st.DataObject) -> None:
    damaged = bytearray(library(SECTIONS))
    sections_at = len(damaged) - 4 * 64
    for at in data.draw(st.lists(st.integers(sections_at, len(damaged) - 1), min_size=1, max_size=8)):
        damaged[at] = data.draw(st.integers(0, 255))
    cleaned = without_debug_information(bytes(damaged))
    assert len(cleaned) == len(damaged)
    assert cleaned[: CONTENT_AT + 32] == damaged[: CONTENT_AT + 32]
    assert cleaned[sections_at:] == damaged[sections_at:]


@pytest.mark.skipif(sys.platform != "linux", reason="a module of ELF")
def test_a_module_works_without_it_and_takes_less_room(tmp_path: Path) -> None:
    package = tmp_path / "lz4"
    shutil.copytree(Path(lz4.block.__file__).parents[1], package)
    saved = 0
    for module in package.rglob("*.so"):
        data = module.read_bytes()
        cleaned = without_debug_information(data)
        module.write_bytes(cleaned)
        saved += len(zlib.compress(data, 1)) - len(zlib.compress(cleaned, 1))
    assert saved > 0
    program = (
        "import lz4.block; print(lz4.__file__, lz4.block.decompress(lz4.block.compress(b'abc' * 99)) == b'abc' * 99)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(package / "__init__.py"), "True"]
