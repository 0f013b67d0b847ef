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
        "            if got != want:",
        "            if False:",
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
        "    if data[len(_MAGIC) : checked_from] != _checksum(memoryview(data)[checked_from:], database):",
        "    if False:",
        (STORAGE + "test_atlas.py",),
    ),
    Mutant(
        "the page map of a file of another length is believed",
        "8",
        LOG + "mapping.py",
        "    return found if found.file_bytes == file.size else None",
        "    return found",
        (STORAGE + "test_fetch.py::test_a_map_of_another_file_is_none",),
    ),
    Mutant(
        "a page map without checksums is believed",
        "8",
        LOG + "page_map.py",
        "        if checks != groups:",
        "        if False:",
        (STORAGE + "test_page_map.py::test_a_map_without_checksums_is_none",),
    ),
    Mutant(
        "a file without a map is mapped without its checksum",
        "8",
        LOG + "ltx.py",
        '        if got != want:\n            corrupt(self._key, "file checksum"',
        '        if False:\n            corrupt(self._key, "file checksum"',
        (STORAGE + "test_unverified.py",),
    ),
    Mutant(
        "pages that were read before the checksum was compared stay when another reader's map is taken",
        "8",
        LOG + "opening.py",
        "is_read=is_ours and fits)",
        "is_read=fits)",
        (STORAGE + "test_mapping.py::test_pages_that_nobody_has_verified_do_not_stay",),
    ),
    Mutant(
        "progress of a map is believed without its checksum",
        "8",
        LOG + "mapping.py",
        '        if zlib.crc32(data[start:]) != int.from_bytes(data[len(_MAGIC) : start], "little"):',
        "        if False:",
        (STORAGE + "test_mapping.py::test_progress_that_is_damaged_is_none",),
    ),
    Mutant(
        "a file that has been mapped in pieces forgets the checksum of the first ones",
        "8",
        LOG + "ltx.py",
        "        self._checksum = mark.checksum if mark else crc64.go_iso(self._head)",
        "        self._checksum = crc64.go_iso(self._head)",
        (STORAGE + "test_mapping.py::test_a_pass_goes_on_where_the_last_one_stopped",),
    ),
    Mutant(
        "a damaged page map is taken for none by nobody but readers",
        "8",
        LOG + "compaction.py",
        "        if file.size <= MAP_WORTH_BYTES or file.name in self._seen_maps:",
        "        if file.size <= MAP_WORTH_BYTES or file.is_mapped or file.name in self._seen_maps:",
        (STORAGE + "test_mapping.py",),
    ),
    Mutant(
        "a map is made of bytes that only expand to what they should be",
        "8",
        LOG + "mapping.py",
        "            if not frame.is_canonical:",
        "            if False:",
        (STORAGE + "test_mapping.py::test_bytes_that_were_damaged_and_expand_to_the_same_page_make_no_map",),
    ),
    Mutant(
        "a file is mapped whatever time that takes",
        "time",
        LOG + "mapping.py",
        "            if not pace.is_enough_at(position):",
        "            if False:",
        (STORAGE + "test_mapping.py",),
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
