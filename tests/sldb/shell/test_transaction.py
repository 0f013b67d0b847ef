"""The open transaction of the shell, without a session: the parts of SQL, replays and commits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.shell.transaction import MAX_BYTES, Batch, Begin, Commit, Rollback, Transaction, is_read, is_silent, parts

TRIGGER = "create trigger t after insert on a begin update b set x = ';'; delete from c; end;"


# What SQL says


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("begin;", [Begin()]),
        ("/* x */ Begin immediate transaction;", [Begin()]),
        ("select 1; commit;", [Batch("select 1;"), Commit()]),
        ("end transaction;", [Commit()]),
        ("commit retry;", [Commit(retry=True)]),
        ("rollback;", [Rollback()]),
        ("rollback transaction;", [Rollback()]),
        ("rollback to a;", [Batch("rollback to a;")]),
        ("rollback transaction to savepoint a;", [Batch("rollback transaction to savepoint a;")]),
        ("savepoint a; release a;", [Batch("savepoint a; release a;")]),
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


@pytest.mark.parametrize(
    ("sql", "reads", "silent"),
    [
        ("select 1", True, False),
        ("values (1)", True, False),
        ("explain delete from t", True, False),
        ("with x as (select 1) select * from x", True, False),
        ("with x as (select 1) delete from t", False, False),
        ("with x as (select 1) select replace('a', 'b', 'c')", False, False),  # runs again in vain
        ("insert into t values ('returning')", False, True),
        ("insert into t values (1) returning a", False, False),
        ("-- a\nupdate t set a = 1", False, True),
        ("pragma foreign_keys = on", False, False),
        ("rollback to s", False, True),
    ],
)
def test_reads_and_silence(sql: str, reads: bool, silent: bool) -> None:
    assert (is_read(sql), is_silent(sql)) == (reads, silent)


# Pure


def test_a_replay_runs_what_was_kept_and_then_what_is_asked() -> None:
    transaction = Transaction(41).keep([Statement("insert 1"), Statement("select 2"), Statement("insert 3", (5,))])
    request = transaction.replay(Request((Statement("select 4"),), read_only=True))
    assert request == Request(
        (Statement("insert 1"), Statement("insert 3", (5,)), Statement("select 4")), at=41, dry_run=True
    )


def test_a_commit_holds_for_what_was_seen_only() -> None:
    transaction = Transaction(41).keep([Statement("insert 1")])
    assert transaction.commit("id") == Request((Statement("insert 1"),), if_txid=41, request_id="id")
    assert transaction.commit("id", retry=True) == Request((Statement("insert 1"),), request_id="id")


def test_a_commit_of_unknown_outcome_is_sent_again_as_it_was() -> None:
    sent = Transaction(41).keep([Statement("insert 1")]).commit("first")
    assert Transaction(41, sent=sent).commit("second", retry=True) is sent


def test_its_size_is_bounded() -> None:
    transaction = Transaction(1)
    for _ in range(5):
        transaction = transaction.keep([Statement("insert into t values ('" + "é" * 500_000 + "')")])
    assert transaction.size_bytes > 5_000_000
    with pytest.raises(SldbError) as caught:
        transaction.replay(Request((Statement("select '" + "x" * 1_000_000 + "'"),)))
    assert caught.value.code == "too_large"
    with pytest.raises(SldbError, match=r"6\.0 MB"):
        transaction.keep([Statement("x" * 1_000_000)], has_run=False)
    assert (
        len(json.dumps(transaction.replay(Request((Statement("select 1"),))).encode(), ensure_ascii=False)) < MAX_BYTES
    )
