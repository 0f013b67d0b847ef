"""BEGIN, COMMIT, ROLLBACK and savepoints in SQL."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.transaction_control import Batch, Begin, Commit, Release, Rollback, Savepoint, is_outermost, is_silent, parts

TRIGGER = "create trigger t after insert on a begin update b set x = ';'; delete from c; end;"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("begin;", [Begin()]),
        ("/* x */ Begin immediate transaction;", [Begin()]),
        ("begin concurrent;", [Begin()]),
        ("begin transaction readonly;", [Begin(is_read_only=True)]),
        ("select 1; commit;", [Batch("select 1;"), Commit()]),
        ("end transaction;", [Commit()]),
        ("commit retry;", [Commit(retry=True)]),
        ("rollback;", [Rollback()]),
        ("rollback transaction;", [Rollback()]),
        ("rollback to a;", [Batch("rollback to a;")]),
        ("rollback transaction to savepoint a;", [Batch("rollback transaction to savepoint a;")]),
        ("savepoint a; select 1; release a;", [Savepoint("savepoint a;"), Batch(" select 1;"), Release(" release a;")]),
        (TRIGGER, [Batch(TRIGGER)]),
        ("select 'begin;';", [Batch("select 'begin;';")]),
        ("insert into t values('x'); -- commit;", [Batch("insert into t values('x'); -- commit;")]),
        ("begin; insert 1; insert 2; commit; -- x", [Begin(), Batch(" insert 1; insert 2;"), Commit()]),
    ],
)
def test_parts(sql: str, found: list[object]) -> None:
    assert list(parts(sql)) == found


@pytest.mark.parametrize("sql", ["begin foo;", "commit and chain;", "rollback work;", "end retry;"])
def test_what_only_begins_like_them_is_an_error(sql: str) -> None:
    with pytest.raises(SldbError, match="syntax error"):
        list(parts(sql))


@given(st.lists(st.sampled_from(["begin;", "select ';';", "rollback to a;", "-- x\nselect 1;", TRIGGER, " commit;"])))
def test_parts_lose_nothing_but_the_controls(pieces: list[str]) -> None:
    found = list(parts("".join(pieces)))
    others = [piece for piece in pieces if piece not in ("begin;", " commit;")]
    assert "".join(part.sql for part in found if isinstance(part, Batch)) == "".join(others)
    assert sum(not isinstance(part, Batch) for part in found) == len(pieces) - len(others)


SAVEPOINTS = (
    "savepoint a;",
    "savepoint A;",
    "savepoint b;",
    'savepoint "a b";',
    "release a;",
    "release savepoint B;",
    "release [a b];",
    "rollback to a;",
    "rollback transaction to savepoint b;",
    "select 1;",
)


@given(st.lists(st.sampled_from(SAVEPOINTS), max_size=8))
def test_the_release_of_the_first_savepoint_ends_the_transaction_as_in_sqlite(statements: list[str]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    done = ["savepoint a;"]
    connection.execute(done[0])
    for statement in statements:
        ends = statement.startswith("release") and is_outermost(statement, done)
        try:
            connection.execute(statement)
        except sqlite3.Error:
            assert not ends
            continue
        assert ends == (not connection.in_transaction), (statement, done)
        if ends:
            break
        done.append(statement)
    connection.close()


@pytest.mark.parametrize(
    ("sql", "silent"),
    [
        ("select 1", False),
        ("explain delete from t", False),
        ("with x as (select 1) delete from t", False),
        ("insert into t values ('returning')", True),
        ("insert into t values (1) returning a", False),
        ("-- a\nupdate t set a = 1", True),
        ("pragma foreign_keys = on", False),
        ("rollback to s", True),
    ],
)
def test_silence(sql: str, silent: bool) -> None:
    assert is_silent(sql) == silent
