"""Pages that are fetched by range, and files that are made of others: invariants 8 and 9."""

from __future__ import annotations

from tests.mutants.mutant import SERVER, STORAGE, Mutant

LOG = "lambda_handlers/storage/"
MERGES = (STORAGE + "test_merge.py",)

MUTANTS = (
    Mutant(
        "a range is believed without its checksum",
        "8",
        LOG + "page_map.py",
        "                if got != want:",
        "                if False:",
        (STORAGE + "test_page_map.py::test_a_flipped_bit_in_a_range_is_noticed",),
    ),
    Mutant(
        "a page map is believed without its checksum",
        "8",
        LOG + "page_map.py",
        '        if zlib.crc32(data[start:]) != int.from_bytes(data[4:start], "little"):',
        "        if False:",
        (STORAGE + "test_page_map.py::test_a_damaged_map_is_none",),
    ),
    Mutant(
        "an atlas is believed without its checksum",
        "8",
        LOG + "atlas.py",
        "    if data[len(_MAGIC) : checked_from] != _CHECKSUM.pack(zlib.crc32(memoryview(data)[checked_from:])):",
        "    if False:",
        (STORAGE + "test_atlas.py",),
    ),
    Mutant(
        "the page map of a file of another length is believed",
        "8",
        LOG + "opening.py",
        "    if found.file_bytes != file.size:",
        "    if False:",
        (STORAGE + "test_fetch.py::test_a_map_of_another_file_is_none",),
    ),
    Mutant(
        "a merge takes the older of two pages",
        "9",
        LOG + "merge.py",
        "key=lambda one: (one[0].pgno, one[1].age)",
        "key=lambda one: (one[0].pgno, -one[1].age)",
        MERGES,
    ),
    Mutant(
        "a merge brings back pages that were cut off",
        "9",
        LOG + "merge.py",
        "            if frame.pgno <= source.end:",
        "            if True:",
        MERGES,
    ),
    Mutant(
        "a merge forgets that the database was smaller in between",
        "9",
        LOG + "merge.py",
        "        end = min(end, header.commit)",
        "        end = max(end, header.commit)",
        MERGES,
    ),
    Mutant(
        "a pass merges over a gap",
        "9",
        LOG + "compaction.py",
        "        self._check_gap(plan)",
        "        pass",
        (SERVER + "test_maintenance.py::test_damage_is_told_and_nothing_is_made_of_it",),
    ),
)
