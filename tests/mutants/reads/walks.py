"""Walks along b-trees: few rounds where rows follow each other, nothing read ahead for one row."""

from __future__ import annotations

from tests.mutants.mutant import STORAGE, Mutant

WALKS = "lambda_handlers/storage/pages/walks.py"
TESTS = STORAGE + "pages/test_walks.py::"

MUTANTS = (
    Mutant(
        "rows of an index are looked up one by one",
        "few",
        WALKS,
        "        length = course.go_on(leaf.pgno, at, follows, len(rows) - 1)",
        "        length = course.go_on(leaf.pgno, at, False, len(rows) - 1)",
        (TESTS + "test_a_hundred_rows_of_one_leaf",),
    ),
    Mutant(
        "rows are read ahead in one direction only",
        "few",
        WALKS,
        "        steps = (course.step,) if course.length > 1 else (1, -1)",
        "        steps = (1,)",
        (TESTS + "test_rows_of_an_index_take_few_rounds_and_requests",),
    ),
    Mutant(
        "a miss below a page makes its other children be read",
        "few",
        WALKS,
        "        if parent.misses != MISSES_BEFORE_ALL:",
        "        if parent.misses != 1:",
        (TESTS + "test_one_row_takes_one_request_of_one_group",),
    ),
    Mutant(
        "a damaged page ends the request",
        "few",
        WALKS,
        "        except IndexError:",
        "        except ZeroDivisionError:",
        (TESTS + "test_damaged_pages_lead_nowhere_and_break_nothing",),
    ),
)
