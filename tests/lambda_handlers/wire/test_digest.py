"""Digests of results: equal for what is shown alike, different for everything else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Column, SldbError
from lambda_handlers.wire.digest import DIGEST_BYTES, ResultDigest

VALUES = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1.0, float("inf"), float("nan")]),
    st.text('[]"\n,01', max_size=3),
    st.binary(max_size=2),
)
COLUMNS = st.lists(st.builds(Column, st.text("ab", max_size=2), st.sampled_from([None, "", "TEXT"])), max_size=2)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=3)
RESULTS = st.tuples(COLUMNS, ROWS, st.integers(0, 2), st.sampled_from([None, 0, 1]))


def digest(result):
    columns, rows, rowcount, lastrowid = result
    made = ResultDigest()
    assert list(made.passing(rows)) == rows
    return made.end(columns, rowcount, lastrowid)


@given(RESULTS, RESULTS)
def test_two_results_have_one_digest_exactly_if_they_show_the_same(one, other):
    assert (digest(one) == digest(other)) == (repr(one) == repr(other))  # by repr: -0.0 is not 0, nan is nan
    assert len(digest(one)) == 2 * DIGEST_BYTES


def test_an_error_is_its_code_and_that_of_sqlite_not_its_words():
    unique = SldbError("constraint", "UNIQUE constraint failed: t.a", sqlite_code="SQLITE_CONSTRAINT_UNIQUE")
    again = SldbError("constraint", "other words", statement=7, sqlite_code="SQLITE_CONSTRAINT_UNIQUE")
    check = SldbError("constraint", "UNIQUE constraint failed: t.a", sqlite_code="SQLITE_CONSTRAINT_CHECK")
    assert ResultDigest.of_error(unique) == ResultDigest.of_error(again)
    assert len({ResultDigest.of_error(unique), ResultDigest.of_error(check), ResultDigest().end()}) == 3


def test_of_an_error_among_many_rows_the_row_counts():
    errors = [SldbError("constraint", "x", sqlite_code="SQLITE_CONSTRAINT_CHECK", **row) for row in ({}, {"row": 0})]
    later = SldbError("constraint", "x", sqlite_code="SQLITE_CONSTRAINT_CHECK", row=1)
    assert len({ResultDigest.of_error(error) for error in (*errors, later)}) == 3


def test_the_digest_stays_as_it_is_for_tokens_that_are_out_there():
    made = ResultDigest()
    assert list(made.passing([(1, "a", None, b"\x00", 1.5)])) == [(1, "a", None, b"\x00", 1.5)]
    assert made.end([Column("n", "INTEGER")], 1, 7) == "662a4d3ce19c5be0ccaf1a9a26bf095e"
