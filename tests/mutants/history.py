"""The history: steps of undo and redo, and the notes of transactions."""

from __future__ import annotations

from tests.mutants.mutant import ACTIONS, SERVER, Mutant

HANDLERS = "lambda_handlers/"
STEPS, MARKS = HANDLERS + "storage/log/steps.py", HANDLERS + "storage/log/ltx.py"
LOG, UNDO, NOTES = SERVER + "storage/log/", ACTIONS + "past/test_undo.py::", ACTIONS + "past/test_notes.py::"

MUTANTS = (
    Mutant(
        "an undo after an undo takes that back",
        "undo",
        STEPS,
        "        elif is_move(header):\n            txid = header.marks.restored\n",
        "",
        (LOG + "test_steps.py::test_the_walk_of_the_documentation", UNDO + "test_the_walk_of_the_documentation"),
    ),
    Mutant(
        "an announcement is a step",
        "undo",
        STEPS,
        "        if is_announcement(header):\n            txid -= 1\n        elif",
        "        if",
        (LOG + "test_steps.py", UNDO + "test_announcements_are_no_steps"),
    ),
    Mutant(
        "an undo that names no older state is believed",
        "undo",
        STEPS,
        "0 < header.marks.restored < header.max_txid",
        "True",
        (LOG + "test_steps.py::test_an_undo_without_its_mark_is_a_write",),
    ),
    Mutant(
        "an undo does not look at the writes since another one",
        "undo",
        STEPS,
        "            return tuple(writes)\n        if not",
        "            return ()\n        if not",
        (UNDO + "test_writes_since_an_undo_are_named_for_an_hour",),
    ),
    Mutant(
        "an undo takes back what was not shown",
        "undo",
        HANDLERS + "actions/past/undo.py",
        "replacing, partial(check_newest, current, base))",
        "replacing)",
        (UNDO + "test_nothing_is_taken_back_that_was_not_looked_at",),
    ),
    Mutant(
        "an undo sent twice is no success",
        "once",
        HANDLERS + "actions/past/undo.py",
        "            return header.max_txid if is_same else None",
        "            return None",
        (UNDO + "test_an_undo_is_done_once",),
    ),
    Mutant(
        "an undo of nothing is no transaction",
        "undo",
        HANDLERS + "actions/replace_content.py",
        "    if not replacing.is_step and (is_same",
        "    if (is_same",
        (UNDO + "test_an_undo_of_a_write_that_changed_nothing_is_a_step",),
    ),
    Mutant(
        "a noted restore is done again",
        "once",
        HANDLERS + "actions/replace_content.py",
        "    return is_restore and bool(newest.marks.note_page) and newest.marks.restored == replacing.restored",
        "    return False",
        (NOTES + "test_a_noted_restore_is_done_once",),
    ),
    Mutant(
        "marks are believed without a checksum",
        "8",
        MARKS,
        "        marks = Marks(restored, note_page) if has_checksum else Marks()",
        "        marks = Marks(restored, note_page)",
        (LOG + "test_file_header.py::test_marks_are_trusted_only_under_the_checksum_of_the_header",),
    ),
    Mutant(
        "a restore has no note",
        "notes",
        HANDLERS + "actions/replace_content.py",
        "    marks = Marks(replacing.restored, noted.note_page)",
        "    marks = Marks(replacing.restored)",
        (NOTES + "test_restore_undo_and_redo_have_notes_and_keep_those_taken_back",),
    ),
    Mutant(
        "a note is found in pages without its checksum",
        "notes",
        HANDLERS + "sql/own/note_page.py",
        "    return decode(body) if payload[middle:end] == checksum(body, txid) else None",
        "    return decode(body)",
        (SERVER + "sql/own/test_notes.py::test_a_damaged_note_is_none",),
    ),
)
