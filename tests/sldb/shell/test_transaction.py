"""The open transaction of the shell, without a session: its requests, and what replies and errors make of it."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Column, Reply, Request, Result, SldbError, Statement
from lambda_handlers.wire.transaction import InTransaction
from sldb.shell.transaction import MAX_KEPT_ROWS, MAX_WAITING, MAX_WAITING_BYTES, Kept, Transaction, blame

INSERT, SELECT = Statement("insert 1"), Statement("select 2")
OPEN = Transaction("t0", 41)


def kept(*statements: Statement) -> list[Kept]:
    return [Kept(statement, line) for line, statement in enumerate(statements, start=1)]


def reply(token: str, count: int = 1) -> Reply:
    return Reply((Result(rowcount=1),) * count, 41, "main", transaction={"token": token})


def failure(position: int, **details: object) -> SldbError:
    return SldbError("constraint", "it failed", statement=position, **details)


def test_a_request_runs_what_waits_and_then_what_is_asked() -> None:
    waiting = OPEN.wait(kept(INSERT))
    assert waiting.request([SELECT]) == Request((INSERT, SELECT), transaction=InTransaction("t0"))
    after = waiting.after(kept(INSERT, SELECT), reply("t1", 2))
    assert after is not None
    assert (after.token, len(after.statements), after.waiting) == ("t1", 2, ())


def test_a_look_is_no_part_of_it() -> None:
    asked = Request((SELECT,), at=3)
    assert OPEN.look(asked) == Request((SELECT,), read_only=True, transaction=InTransaction("t0"))


def test_a_read_only_transaction_sends_only_such_requests() -> None:
    begun = Transaction.begun(reply("t0"), is_read_only=True)
    assert begun.request([SELECT]).read_only
    assert begun.commit("id").read_only


def test_an_error_is_a_result_and_the_transaction_goes_on_with_its_token() -> None:
    error = failure(1).in_transaction({"token": "t1"})
    stopped = OPEN.stopped(kept(INSERT, SELECT, INSERT), error)
    assert stopped is not None
    assert stopped.token == "t1"
    assert [one.error for one in stopped.statements] == ["", "it failed"]
    assert [one.statement for one in stopped.succeeded] == [INSERT]


def test_an_error_without_a_token_leaves_it_as_it_was() -> None:
    waiting = OPEN.wait(kept(INSERT, INSERT, INSERT))
    assert waiting.stopped(kept(INSERT, INSERT, INSERT, SELECT), SldbError("query_timeout", "late")) == waiting
    assert waiting.stopped(kept(INSERT, INSERT, INSERT, SELECT), failure(3)) == waiting
    left = waiting.stopped(kept(INSERT, INSERT, INSERT), failure(1))
    assert left is not None
    assert len(left.waiting) == 1
    assert left.waiting_bytes == OPEN.wait(kept(INSERT)).waiting_bytes


def test_a_conflict_counts_the_statements_of_the_whole_transaction() -> None:
    """As after an update of the function, whose replay differs: none of this request is to blame."""
    waiting = OPEN.wait(kept(INSERT))
    conflict = SldbError("conflict", "begin again", statement=0)
    assert waiting.stopped(kept(INSERT, SELECT), conflict) == waiting
    blame(kept(INSERT, SELECT), 1, conflict)
    assert conflict.details == {"statement": 0}


def test_a_statement_may_end_it() -> None:
    assert OPEN.stopped(kept(INSERT), failure(0).in_transaction({"ended": "rollback"})) is None


@pytest.mark.parametrize(
    ("position", "about"),
    [
        (0, {"statement": 0, "statement_count": 1, "query": "insert 1", "line": 1}),
        (1, {"statement": 0, "statement_count": 2, "query": "select 2", "line": 2}),
        (2, {"statement": 1, "statement_count": 2, "query": "insert 1", "line": 3}),
    ],
)
def test_an_error_names_its_statement(position: int, about: dict[str, object]) -> None:
    error = failure(position, statement_count=3)
    blame(kept(INSERT, SELECT, INSERT), 2, error)
    assert error.details == about


def test_a_commit_sends_what_waits() -> None:
    assert OPEN.wait(kept(INSERT)).commit("id") == Request(
        (INSERT,), request_id="id", transaction=InTransaction("t0", "commit")
    )


def test_retry_sends_what_has_succeeded_as_a_request_of_its_own() -> None:
    stopped = OPEN.stopped(kept(INSERT, SELECT), failure(1).in_transaction({"token": "t1"}))
    assert stopped is not None
    assert stopped.wait(kept(INSERT)).commit("id", retry=True) == Request((INSERT, INSERT), request_id="id")


def test_a_commit_of_unknown_outcome_is_sent_again_as_it_was() -> None:
    sent = OPEN.wait(kept(INSERT)).commit("first")
    assert Transaction("t0", 41, sent=sent).commit("second", retry=True) is sent


def test_a_refused_commit_leaves_it_open() -> None:
    """Nothing of its request is a part of the transaction: the token stands for the state before it."""
    waiting = Transaction("t0", 41, statements=tuple(kept(INSERT)), sent=Request(())).wait(kept(SELECT, INSERT))
    error = failure(1).in_transaction({"token": "t9"})
    left = waiting.refused(error)
    assert left is not None
    assert (left.token, left.sent, len(left.statements), len(left.waiting)) == ("t0", None, 1, 1)
    assert error.details == {"statement": 0, "statement_count": 1, "query": "insert 1", "line": 2}
    error = failure(2)
    left = waiting.refused(error, retry=True)
    assert left is not None
    assert (len(left.waiting), error.details["line"]) == (1, 2)
    again = waiting.refused(failure(0), retry=True)
    assert again is not None
    assert len(again.waiting) == 2


def test_a_conflict_names_the_statement_as_the_token_counts_them() -> None:
    one = Transaction("t0", 41, statements=tuple(kept(INSERT, SELECT)))
    conflict = SldbError("conflict", "other", statement=1)
    assert one.changed_statement(conflict) == 1
    assert one.changed_statement(SldbError("conflict", "lost races")) is None
    assert one.refused(conflict) == one


def test_what_waits_has_bounds() -> None:
    assert OPEN.has_room_for(kept(INSERT))
    assert not OPEN.has_room_for(kept(*[INSERT] * (MAX_WAITING + 1)))
    assert not OPEN.has_room_for(kept(Statement("é" * (MAX_WAITING_BYTES // 2))))


def test_long_results_are_not_kept() -> None:
    rows = [(number,) for number in range(MAX_KEPT_ROWS + 1)]
    long = Reply((Result((Column("a", None),), list(rows), len(rows)),), 41, "main", transaction={"token": "t1"})
    after = OPEN.after(kept(SELECT), long)
    assert after is not None
    assert after.statements[0].shown is not None
    assert (after.statements[0].shown.rows, after.statements[0].shown.rowcount) == ([], 1001)
